//! Webhook triggers of plugins: the request goes to the plugin, and its answer comes back.

use std::time::Duration;

use axum::{
    body::Body,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use domain::{
    PluginRule,
    plugin::{FailureKind, PluginFailure, PluginFault},
};
use engine::Limits;
use storage::TriggerRow;
use tokio::time::{Instant, timeout_at};

use super::{Call, answer};
use crate::{
    app::App,
    findings::Findings,
    http::problem::{Kind, Problem, Result},
    plugins::{ATTEMPTS, HandleCall, PluginError, TriggerCall},
    runner::{surroundings, told},
    secrets::random_text,
};

/// Longest time for a request; whoever sent it has mostly given up by then.
const TIME_MAX: Duration = Duration::from_secs(20);
/// Seconds after which to come again, where the plugin does not say.
const RETRY_AFTER_SECONDS: u32 = 5;

pub(super) async fn take(app: &App, trigger: &TriggerRow, rule: &PluginRule, call: Call) -> Result<Response> {
    let mut tx = app.db.read().await?;
    let bot = tx.bot_runtimes(&[trigger.bot_id]).await?.into_iter().next();
    tx.commit().await?;
    let Some(bot) = bot else { return Err(super::unknown()) };
    let bot = bot.info();
    let key = random_text().map_err(|error| Problem::internal(&error))?;
    let handle = HandleCall {
        trigger: TriggerCall {
            plugin: rule.plugin.clone(),
            trigger_type: rule.trigger_type.clone(),
            config: rule.config.clone(),
            context: surroundings(&bot, None, None, app.clock.now()),
            contact: None,
            idempotency_key: format!("hook-{}-{key}", trigger.id),
        },
        method: call.method.as_str().to_owned(),
        path: call.path,
        query: call.query,
        headers: call
            .headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect(),
        body: call.body.to_vec(),
    };
    let deadline = Instant::now() + TIME_MAX;
    for _ in 0..ATTEMPTS {
        let (handling, values) = match timeout_at(deadline, app.plugins.handle(bot.id, handle.clone())).await {
            Ok(Ok(handled)) => handled,
            Ok(Err(error)) => return Err(failed(app, trigger, &error).await),
            Err(_) => {
                let message = format!("no answer within {} s", TIME_MAX.as_secs());
                return Err(failed(app, trigger, &failure(FailureKind::TimedOut, message)).await);
            }
        };
        let findings = match Findings::check(handling.events, &Limits::default()) {
            Ok(findings) => findings,
            Err(reason) => {
                let message = format!("what it returned cannot be used: {reason}");
                return Err(failed(app, trigger, &failure(FailureKind::InvalidOutput, message)).await);
            }
        };
        if app.work.take_handling(trigger, findings, &values).await? {
            let status = StatusCode::from_u16(handling.status).unwrap_or(StatusCode::OK);
            return Ok((status, answer::headers(handling.headers), Body::from(handling.body)).into_response());
        }
    }
    let message = format!("others changed the plugin's values {ATTEMPTS} times while it worked on them");
    Err(failed(app, trigger, &failure(FailureKind::Overloaded, message)).await)
}

fn failure(kind: FailureKind, message: String) -> PluginError {
    PluginError::Failure(PluginFailure { kind, message, detail: None })
}

/// What whoever sent the request learns of a failure: nothing but whether to come again. The trigger's log has the rest.
async fn failed(app: &App, trigger: &TriggerRow, error: &PluginError) -> Problem {
    tracing::warn!(trigger.id = %trigger.id, error = error.message(), "a plugin could not handle a request");
    if let Err(error) = app.work.note_failure(trigger, told(error)).await {
        tracing::warn!(%error, "a trigger's failure could not be noted");
    }
    let seconds = match error {
        PluginError::Fault(PluginFault::Retryable { retry_after_ms, .. }) => retry_after_ms
            .map_or(RETRY_AFTER_SECONDS, |ms| u32::try_from(ms.div_ceil(1_000)).unwrap_or(u32::MAX).max(1)),
        PluginError::Failure(PluginFailure {
            kind: FailureKind::Overloaded | FailureKind::CircuitOpen | FailureKind::TimedOut,
            ..
        }) => RETRY_AFTER_SECONDS,
        _ => return Problem::new(Kind::INTERNAL, "the request could not be handled"),
    };
    Problem::new(Kind::UNAVAILABLE, "the request cannot be handled now").retry_after(seconds)
}
