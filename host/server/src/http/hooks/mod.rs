//! Addresses of triggers: whatever comes in at `/hooks/{token}`.

mod answer;
mod built_in;
mod pace;
mod plugin;
mod signature;

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{HeaderMap, Method},
    response::{IntoResponse, Response},
};
use domain::{TriggerRule, plugin::TriggerKind};
use storage::{Hook, TriggerRow};

use super::problem::{Kind, Problem, Result};
use crate::app::App;

pub(crate) use pace::Pace;

/// Most bytes of a request.
const BODY_BYTES_MAX: usize = 1024 * 1024;
/// Most characters of a token that are looked up.
const TOKEN_CHARS_MAX: usize = 100;

/// A request as triggers see it.
struct Call {
    method: Method,
    /// What follows the token, with its leading slash.
    path: String,
    query: Option<String>,
    headers: HeaderMap,
    body: Bytes,
}

/// Fire the trigger at this address.
///
/// A webhook trigger takes JSON by POST, PUT or PATCH and answers 202 with what becomes of each event, once they are
/// stored. A plugin's trigger takes any method, also with more path behind the token, and answers as it likes.
#[utoipa::path(
    post, path = "/hooks/{token}", tag = "triggers", operation_id = "hook",
    security(()), params(("token" = String, Path, description = "The unguessable part of the trigger's address")),
    request_body(content = Object, content_type = "application/json", description = "At most 1 MiB"),
    responses(
        (status = OK, description = "A plugin's answer; it may have another status"),
        (status = ACCEPTED, body = built_in::Taken),
        (status = NOT_FOUND, description = "No trigger has this address, or it is switched off"),
        (status = UNAUTHORIZED, description = "The signature does not fit"),
        (status = TOO_MANY_REQUESTS, description = "Too many requests to this address"),
        (status = SERVICE_UNAVAILABLE, description = "Come again after the seconds of `Retry-After`"),
    )
)]
pub(in crate::http) async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut response = answered(&app, request).await.unwrap_or_else(IntoResponse::into_response);
    answer::guard(&mut response);
    response
}

async fn answered(app: &App, request: Request) -> Result<Response> {
    let (parts, body) = request.into_parts();
    let after = parts.uri.path().strip_prefix("/hooks/").unwrap_or_default();
    let (token, path) = after.split_at(after.find('/').unwrap_or(after.len()));
    let trigger = find(app, token).await?;
    if !app.hooks.admit(trigger.id, app.config.triggers.hook_requests_per_second) {
        return Err(Problem::new(Kind::RATE_LIMITED, "too many requests to this address"));
    }
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::new(Kind::TOO_LARGE, format!("a request may have at most {BODY_BYTES_MAX} bytes")))?;
    let call = Call {
        method: parts.method,
        path: path.to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers: parts.headers,
        body,
    };
    match &trigger.rule {
        TriggerRule::Webhook(rule) if path.is_empty() => built_in::take(app, &trigger, rule, &call).await,
        TriggerRule::Plugin(rule) if rule.kind == TriggerKind::Webhook => plugin::take(app, &trigger, rule, call).await,
        _ => Err(unknown()),
    }
}

async fn find(app: &App, token: &str) -> Result<TriggerRow> {
    if token.is_empty() || token.len() > TOKEN_CHARS_MAX {
        return Err(unknown());
    }
    let mut tx = app.db.read().await?;
    let found = tx.hook(token).await?;
    tx.commit().await?;
    match found {
        Some(Hook { trigger, bot_is_active: true }) if trigger.is_active => Ok(trigger),
        _ => Err(unknown()),
    }
}

/// Whether there is nothing or it is switched off is not for strangers to know.
fn unknown() -> Problem {
    Problem::not_found("address of a trigger")
}
