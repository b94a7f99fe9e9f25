//! Calls to the outside that flows ask for, made between two commits.

use std::{sync::Arc, time::Duration};

use domain::{BotId, ContactId, Effect, EffectOutcome, HttpEffect, HttpReply};
use futures_util::StreamExt;
use reqwest::{Client, Method, Url};
use serde_json::Value;
use tokio::sync::Semaphore;

use super::plugin_calls;
use crate::{
    egress::{self, EgressAllow},
    nul,
    plugins::Plugins,
};

/// Most calls in flight at once.
const CALLS_MAX: usize = 256;
/// Most bytes of an answer that are kept; a longer one is a failure.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Pause before the first retry; it doubles with each further one.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// The guard and the client behind it.
pub(crate) struct Egress {
    allow: Arc<EgressAllow>,
    client: Client,
}

impl Egress {
    /// A client that may call what `allow` says.
    ///
    /// # Errors
    /// When the TLS library cannot be set up.
    pub(crate) fn new(allow: EgressAllow) -> reqwest::Result<Self> {
        let allow = Arc::new(allow);
        Ok(Self { client: egress::client(&allow)?, allow })
    }
}

/// See the module.
pub(crate) struct Effects {
    egress: Egress,
    calls: Semaphore,
    plugins: Arc<Plugins>,
}

/// Why an attempt brought no answer.
struct Trouble {
    reason: String,
    /// Whether another attempt may help.
    retry: bool,
}

impl Effects {
    pub(crate) fn new(egress: Egress, plugins: Arc<Plugins>) -> Self {
        Self { egress, calls: Semaphore::new(CALLS_MAX), plugins }
    }

    /// Where plugins are run.
    pub(super) fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    /// Makes the call, with its retries. Always comes to an outcome.
    pub(crate) async fn perform(&self, bot: BotId, contact: ContactId, effect: &Effect) -> EffectOutcome {
        match effect {
            Effect::Http(call) => {
                // The semaphore is never closed.
                let _slot = self.calls.acquire().await;
                self.http(call).await
            }
            // Whose turn it is with plugins is decided where they are run.
            Effect::Plugin(call) => plugin_calls::run_node(&self.plugins, bot, contact, call).await,
        }
    }

    async fn http(&self, call: &HttpEffect) -> EffectOutcome {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let result = self.attempt(call).await;
            let again = match &result {
                Ok((status, _)) => matches!(status, 429 | 500..=599),
                Err(trouble) => trouble.retry,
            };
            if !again || attempts > call.retries {
                return match result {
                    Ok((status, body)) => EffectOutcome::Replied(HttpReply { status, body, attempts }),
                    Err(trouble) => EffectOutcome::Unreachable { reason: trouble.reason, attempts },
                };
            }
            tokio::time::sleep(RETRY_PAUSE * 2_u32.pow((attempts - 1).min(5))).await;
        }
    }

    async fn attempt(&self, call: &HttpEffect) -> Result<(u16, Value), Trouble> {
        let refused = |reason: String| Trouble { reason, retry: false };
        let url: Url = call.url.parse().map_err(|e| refused(format!("`{}` is not a URL: {e}", call.url)))?;
        self.egress.allow.check(&url).map_err(refused)?;
        let method: Method = call.method.parse().map_err(|_| refused(format!("`{}` is not a method", call.method)))?;
        let timeout = Duration::from_secs(call.timeout_seconds.into());
        let mut request = self.egress.client.request(method, url).timeout(timeout);
        let mut typed = false;
        let mut keyed = false;
        for (name, value) in &call.headers {
            typed |= name.eq_ignore_ascii_case("content-type");
            keyed |= name.eq_ignore_ascii_case("idempotency-key");
            request = request.header(name, value);
        }
        if !keyed {
            request = request.header("idempotency-key", &call.idempotency_key);
        }
        request = match &call.body {
            None => request,
            Some(Value::String(text)) => request.body(text.clone()),
            Some(body) if typed => request.body(body.to_string()),
            Some(body) => request.json(body),
        };
        let response = request.send().await.map_err(|e| trouble(&e, timeout))?;
        let status = response.status().as_u16();
        let mut bytes = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|e| trouble(&e, timeout))?;
            if bytes.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(refused(format!("the answer is longer than {ANSWER_BYTES_MAX} bytes")));
            }
            bytes.extend_from_slice(&chunk);
        }
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Ok((status, nul::without(body)))
    }
}

fn trouble(error: &reqwest::Error, timeout: Duration) -> Trouble {
    if error.is_timeout() {
        return Trouble { reason: format!("no answer within {} s", timeout.as_secs()), retry: true };
    }
    // The cause at the bottom says most: "connection refused", or what the guard said.
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let reason = cause.to_string();
    let retry = !(error.is_builder() || error.is_redirect() || reason.contains("not a public address"));
    Trouble { reason, retry }
}
