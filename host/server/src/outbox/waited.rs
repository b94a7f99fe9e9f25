//! What changed about a contact while a message to it waited: its window closed, or it opted out.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use chrono::TimeDelta;
use domain::{ConsentSource, ContactId, Time, Window};
use lru::LruCache;
use serde_json::{Value, json};
use storage::Unsent;

use super::Outbox;

/// Contacts remembered whose window Meta has found closed.
const SHUT_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// What was checked when the message was queued still holds after a wait as short as this.
const NEGLIGIBLE: TimeDelta = TimeDelta::seconds(1);

/// Contacts to whom a message was just refused because their window is closed: what is queued behind it would fare alike.
#[derive(Debug)]
pub(super) struct Shut(Mutex<LruCache<ContactId, ()>>);

impl Default for Shut {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(SHUT_MAX)))
    }
}

impl Shut {
    /// A message has failed with this error.
    pub(super) fn note(&self, contact: ContactId, error: &Value) {
        if error.get("code").and_then(Value::as_i64) == Some(Window::CLOSED_CODE) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).put(contact, ());
        }
    }

    fn holds(&self, contact: ContactId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&contact)
    }
}

impl Outbox {
    /// The error of a message that Meta would have taken when it was queued, and would refuse now; with Meta's code, so
    /// that it counts as if Meta had said so.
    pub(super) async fn came_too_late(&self, message: &Unsent, now: Time) -> storage::Result<Option<Value>> {
        let is_fresh = message.attempts <= 1 && message.created_at + NEGLIGIBLE >= now;
        if is_fresh && !self.shut.holds(message.contact_id) {
            return Ok(None);
        }
        let mut tx = self.db.read().await?;
        let Some((window, opted_in)) = tx.window(message.contact_id, now).await? else { return Ok(None) };
        if window.refuses(&message.kind) {
            let title = "the contact's 24-hour window closed while the message waited";
            return Ok(Some(json!({ "code": Window::CLOSED_CODE, "title": title })));
        }
        let text = |pointer: &str| message.content.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        if !opted_in
            && message.kind == "template"
            && tx.is_marketing(message.bot_id, text("/name"), text("/language/code")).await?
        {
            let title = "the contact opted out of marketing messages while the message waited";
            return Ok(Some(json!({ "code": ConsentSource::OPTED_OUT_CODE, "title": title })));
        }
        tx.commit().await?;
        Ok(None)
    }
}
