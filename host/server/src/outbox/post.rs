//! One request to Meta.

use std::{panic::AssertUnwindSafe, sync::Arc};

use domain::{HostId, OutgoingMessage, Time};
use futures_util::FutureExt;
use serde_json::{Value, json};
use storage::{SendResult, Unsent};
use whatsapp::send;

use super::{
    Outbox,
    gates::{Epoch, Sender},
    health::HealthChange,
    judge::EXPIRES_AFTER,
};
use crate::{credentials::Credentials, metrics, nul};

/// A request that is ready to leave.
struct Prepared {
    credentials: Credentials,
    sender: Sender,
    body: Value,
    /// When it was begun with.
    began: Time,
}

impl Outbox {
    /// Sends a message whose row is `sending`; its outcome goes to the committer. `epoch`: when it was decided that it goes.
    pub(super) fn post(self: &Arc<Self>, message: Unsent, epoch: Epoch) {
        let outbox = self.clone();
        let host = self.membership.host();
        // Boxed, because a task's state is copied as a whole where it begins and ends, and this one is large.
        self.tasks.spawn(Box::pin(async move {
            // The semaphore is never closed.
            let _slot = outbox.requests.clone().acquire_owned().await;
            let attempt = AssertUnwindSafe(outbox.attempt(&message, epoch, host)).catch_unwind().await;
            let broken = |_| {
                Some(SendResult::Again {
                    at: outbox.clock.now() + outbox.settings.doubt,
                    error: json!({ "title": "internal error while sending" }),
                    ambiguous: true,
                })
            };
            let Some(result) = attempt.unwrap_or_else(broken) else { return };
            outbox.state().results.push((message.contact_id, message.id, result));
            outbox.changed.notify_one();
        }));
    }

    /// None when the message is another host's by now. `host`: what this one was when it was decided that it goes.
    async fn attempt(self: &Arc<Self>, message: &Unsent, epoch: Epoch, host: HostId) -> Option<SendResult> {
        let prepared = match self.prepare(message, epoch).await {
            Ok(prepared) => prepared,
            Err(result) => return Some(result),
        };
        // A host that was silent for too long may have been declared dead: then another one sends this message. Asked
        // last, because whatever comes before may have taken long.
        if !self.membership.is_certain(host).await {
            return None;
        }
        let Prepared { credentials, sender, body, began } = prepared;
        Some(match self.client.send(&message.phone_number_id, credentials.access_token.reveal(), &body).await {
            Ok(accepted) => {
                metrics::count(metrics::SENT);
                self.passed(message, &sender, began);
                self.learn_throughput(message, &credentials);
                self.learn_recipient(message, &accepted);
                SendResult::Accepted { wamid: Some(nul::without_in_text(&accepted.wamid)) }
            }
            Err(error) => self.judge(message, &error, &sender, began),
        })
    }

    /// Makes the request, unless something has come up since the message was queued: then what becomes of it.
    async fn prepare(&self, message: &Unsent, epoch: Epoch) -> Result<Prepared, SendResult> {
        let began = self.clock.now();
        if message.created_at + EXPIRES_AFTER <= began {
            let title = "could not be sent for so long that it was given up";
            return Err(self.fail(message, json!({ "title": title })));
        }
        // The first attempt uses what the bot's last batch saw; a retry looks again, in case somebody mended something.
        let credentials = match self.cache.credentials(&self.db, message.bot_id, message.attempts > 1).await {
            Ok(Some(credentials)) => credentials,
            Ok(None) => {
                return Err(SendResult::Failed {
                    error: json!({ "title": "the bot has no WhatsApp credentials any more" }),
                });
            }
            Err(error) => {
                tracing::warn!(message.id = %message.id, %error, "the bot's credentials could not be read");
                return Err(SendResult::Spared { at: began + self.settings.doubt });
            }
        };
        let sender = Sender::of(&credentials);
        let content = OutgoingMessage { kind: message.kind.clone(), content: message.content.clone() };
        match self.templates.objection_of(message.bot_id, &content).await {
            Ok(None) => {}
            Ok(Some(objection)) => return Err(self.fail(message, objection.error())),
            Err(error) => {
                tracing::warn!(message.id = %message.id, %error, "the bot's templates could not be read");
                return Err(SendResult::Spared { at: began + self.settings.doubt });
            }
        }
        match self.came_too_late(message, began).await {
            Ok(None) => {}
            Ok(Some(error)) => return Err(self.fail(message, error)),
            Err(error) => {
                tracing::warn!(message.id = %message.id, %error, "the contact's window could not be read");
                return Err(SendResult::Spared { at: began + self.settings.doubt });
            }
        }
        if let Some(at) = self.held_up(message, epoch) {
            return Err(SendResult::Spared { at });
        }
        let body = send::request(&message.to, &content, &message.id.to_string(), None);
        Ok(Prepared { credentials, sender, body, began })
    }

    /// The last look before the request leaves: until when it must wait after all, because something was paused since it
    /// was decided that it goes, or because too much has left lately.
    fn held_up(&self, message: &Unsent, epoch: Epoch) -> Option<Time> {
        let (mut state, now) = self.at_present();
        let number = &message.phone_number_id;
        let shut = state.gates.shut_since(epoch, message.bot_id, number, &message.kind, message.contact_id, now);
        shut.or_else(|| state.pace.depart(number, now).err())
    }

    /// Meta took a message: whatever held up others like it is over.
    fn passed(&self, message: &Unsent, sender: &Sender, began: Time) {
        let (mut state, now) = self.at_present();
        state.gates.passed(sender, &message.phone_number_id, message.contact_id, began);
        if state.gates.halts(message.bot_id, &message.kind) && state.gates.sender(message.bot_id) == Some(sender) {
            state.gates.heal(message.bot_id, now);
            state.health.push(HealthChange::Well { bot: message.bot_id });
        }
    }
}
