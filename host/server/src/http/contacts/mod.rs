//! Contacts.

pub(super) mod consents;
pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod input;
pub(super) mod list;
pub(super) mod tell;
pub(super) mod update;

use chrono::{DateTime, Utc};
use domain::{BotId, ConsentSource, Contact, ContactId, JsonMap, Time, Window};
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
    /// Who last changed that: `keyword`, `user_preferences`, `meta_error` or `api`.
    #[schema(value_type = Option<String>)]
    opted_in_source: Option<ConsentSource>,
    /// The newest message from the contact.
    last_inbound_at: Option<DateTime<Utc>>,
    window: WindowView,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// Whether anything may be sent to the contact, or only templates.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Window)]
struct WindowView {
    /// `open`: the contact wrote in the last 24 hours; `closed`; or `unknown`: it has not written to the bot's
    /// number so far, so only Meta knows.
    status: &'static str,
    /// When an open one closes.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime<Utc>>,
}

impl From<Window> for WindowView {
    fn from(window: Window) -> Self {
        match window {
            Window::Open { until } => Self { status: "open", expires_at: Some(until) },
            Window::Closed { .. } => Self { status: "closed", expires_at: None },
            Window::Unknown => Self { status: "unknown", expires_at: None },
        }
    }
}

impl ContactView {
    /// `number_changed_at`: since when its bot has its number, if it had another one before.
    pub(super) fn new(contact: Contact, number_changed_at: Option<Time>, now: Time) -> Self {
        Self {
            window: contact.window(number_changed_at, now).into(),
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
            opted_in_source: contact.opted_in_source,
            last_inbound_at: contact.last_inbound_at,
            created_at: contact.created_at,
            updated_at: contact.updated_at,
        }
    }
}
