//! Custom events of a contact, told by API.

use domain::{Contact, EventType};
use serde_json::Value;
use storage::{ItemKind, NewItem, Tx};

use super::Work;
use crate::runner::Payload;

impl Work {
    /// Tells triggers and waiting executions of a custom event, and commits. Durable when it returns.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn tell(&self, tx: Tx, contact: &Contact, event_type: EventType, payload: Value) -> storage::Result<()> {
        let payload = Payload::of_event(event_type, Some(payload), 0).stored();
        let (contact_id, kind) = (contact.id, ItemKind::Event);
        let item = NewItem { contact_id, kind, message_id: None, execution_id: None, payload };
        self.deliver(tx, contact.bot_id, item).await
    }
}
