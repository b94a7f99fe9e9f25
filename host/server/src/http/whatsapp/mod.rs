//! WhatsApp: the webhook, sending by API, the message history, templates and files.

pub(super) mod account_events;
pub(super) mod media;
pub(super) mod messages;
mod meta;
pub(super) mod receive;
pub(super) mod send;
pub(super) mod templates;
pub(super) mod verify;
