//! Contacts.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
mod input;
pub(super) mod list;
pub(super) mod update;

use chrono::{DateTime, Utc};
use domain::{BotId, Contact, ContactId, JsonMap};
use serde::Serialize;
use utoipa::ToSchema;

/// A contact as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Contact)]
pub(super) struct ContactView {
    #[schema(value_type = i64)]
    id: ContactId,
    #[schema(value_type = i64)]
    bot_id: BotId,
    /// Digits with country code; null for people who hide it.
    phone: Option<String>,
    /// Business-scoped user id.
    bsuid: Option<String>,
    /// WhatsApp user name.
    username: Option<String>,
    name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    email: Option<String>,
    language: Option<String>,
    timezone: Option<String>,
    tags: Vec<String>,
    /// Free fields.
    #[schema(value_type = Object)]
    attributes: JsonMap,
    source: String,
    /// Whether the contact agrees to get messages that it did not ask for.
    opted_in: bool,
    /// When that last changed.
    opted_in_changed_at: Option<DateTime<Utc>>,
    /// The newest message from the contact.
    last_inbound_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Contact> for ContactView {
    fn from(contact: Contact) -> Self {
        Self {
            id: contact.id,
            bot_id: contact.bot_id,
            phone: contact.phone,
            bsuid: contact.bsuid,
            username: contact.username,
            name: contact.name,
            first_name: contact.first_name,
            last_name: contact.last_name,
            email: contact.email,
            language: contact.language,
            timezone: contact.timezone,
            tags: contact.tags,
            attributes: contact.attributes,
            source: contact.source,
            opted_in: contact.opted_in,
            opted_in_changed_at: contact.opted_in_changed_at,
            last_inbound_at: contact.last_inbound_at,
            created_at: contact.created_at,
            updated_at: contact.updated_at,
        }
    }
}
