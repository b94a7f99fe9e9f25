//! WhatsApp: the webhook, sending by API, and the message history.

pub(super) mod messages;
pub(super) mod receive;
pub(super) mod send;
pub(super) mod verify;
