//! One request to Meta, and what its answer means for the message.

use std::{panic::AssertUnwindSafe, sync::Arc};

use chrono::TimeDelta;
use domain::{OutgoingMessage, Time};
use futures_util::FutureExt;
use serde_json::{Value, json};
use storage::{SendResult, Unsent};
use whatsapp::{
    client::SendError,
    errors::{Problem, Retry},
    send,
};

use super::Outbox;
use crate::{metrics, nul};

/// First pause before a retry; it doubles with each further one.
const BACKOFF_MIN: TimeDelta = TimeDelta::seconds(1);
/// Longest pause between retries that may help soon.
const BACKOFF_MAX: TimeDelta = TimeDelta::minutes(5);
/// Pause before a retry that Meta says may help in hours, or after somebody mended something.
const LATER: TimeDelta = TimeDelta::hours(1);
/// After so many attempts a message is given up whatever the reason was.
const ATTEMPTS_MAX: i64 = 24;

impl Outbox {
    /// Sends a message whose row is `sending`; its outcome goes to the committer.
    pub(super) fn post(self: &Arc<Self>, message: Unsent) {
        let outbox = self.clone();
        let host = self.membership.host();
        self.tasks.spawn(async move {
            // The semaphore is never closed.
            let _slot = outbox.requests.clone().acquire_owned().await;
            // A host that was silent for too long may have been declared dead: then another one sends this message.
            if !outbox.membership.is_certain(host).await {
                return;
            }
            let attempt = AssertUnwindSafe(outbox.attempt(&message)).catch_unwind().await;
            let result = attempt.unwrap_or_else(|_| SendResult::Again {
                at: outbox.clock.now() + outbox.settings.doubt,
                error: json!({ "title": "internal error while sending" }),
                ambiguous: true,
            });
            outbox.state().results.push((message.contact_id, message.id, result));
            outbox.changed.notify_one();
        });
    }

    async fn attempt(&self, message: &Unsent) -> SendResult {
        let now = || self.clock.now();
        // The first attempt uses what the bot's last batch saw; a retry looks again, in case somebody mended something.
        let credentials = match self.cache.credentials(&self.db, message.bot_id, message.attempts > 1).await {
            Ok(Some(credentials)) => credentials,
            Ok(None) => {
                return SendResult::Failed {
                    error: json!({ "title": "the bot has no WhatsApp credentials any more" }),
                };
            }
            Err(error) => {
                let error = json!({ "title": "the bot's credentials could not be read", "details": error.to_string() });
                return SendResult::Again { at: now() + BACKOFF_MIN, error, ambiguous: false };
            }
        };
        let content = OutgoingMessage { kind: message.kind.clone(), content: message.content.clone() };
        let body = send::request(&message.to, &content, &message.id.to_string(), None);
        match self.client.send(&message.phone_number_id, credentials.access_token.reveal(), &body).await {
            Ok(accepted) => {
                metrics::count(metrics::SENT);
                SendResult::Accepted { wamid: Some(nul::without_in_text(&accepted.wamid)) }
            }
            Err(error) => self.judge(message, &error, now()),
        }
    }

    fn judge(&self, message: &Unsent, error: &SendError, now: Time) -> SendResult {
        let verdict = error.verdict();
        let described = describe(error);
        tracing::warn!(message.id = %message.id, bot.id = %message.bot_id, attempt = message.attempts, %error, problem = verdict.problem.map(Problem::as_str), "send failed");
        if error.may_have_been_sent() {
            metrics::count(metrics::SEND_IN_DOUBT);
            if message.attempts >= ATTEMPTS_MAX {
                return SendResult::Failed { error: described };
            }
            return SendResult::Again { at: now + self.settings.doubt, error: described, ambiguous: true };
        }
        let pause = match verdict.retry {
            Retry::Never => None,
            Retry::Backoff { most } if most.is_some_and(|most| message.attempts > i64::from(most)) => None,
            Retry::Backoff { .. } => {
                let doublings = u32::try_from(message.attempts.clamp(1, 16) - 1).unwrap_or(0);
                Some((BACKOFF_MIN * 2_i32.pow(doublings)).min(BACKOFF_MAX))
            }
            Retry::Later | Retry::AfterHuman => Some(LATER),
        };
        match pause {
            Some(pause) if message.attempts < ATTEMPTS_MAX => {
                SendResult::Again { at: now + pause, error: described, ambiguous: false }
            }
            _ => {
                metrics::count(metrics::SEND_FAILED);
                SendResult::Failed { error: described }
            }
        }
    }
}

fn describe(error: &SendError) -> Value {
    nul::without(match error {
        SendError::Refused(graph) => json!({
            "code": graph.code,
            "title": graph.message,
            "details": graph.details,
            "fbtrace_id": graph.fbtrace_id,
        }),
        other => json!({ "title": other.to_string() }),
    })
}
