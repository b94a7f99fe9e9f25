//! WhatsApp's Cloud API, seen from a bot: what comes in by webhook, what goes out by HTTP.
//!
//! - [`signature`]: is a webhook's body really from Meta?
//! - [`webhook`]: a webhook's body, cut into updates that each stand alone.
//! - [`send`]: a message of ours as the request Meta wants.
//! - [`limits`]: what Meta would refuse, found before asking.
//! - [`templates`]: message templates, and whether a send of one fits it.
//! - [`media`]: what files can be sent.
//! - [`errors`]: Meta's error codes, and what a sender does about each.
//! - [`client`]: the HTTP client.
//!
//! Nothing here stores anything, reads a clock, or retries: the caller does, with its database and its outbox.

pub mod client;
pub mod errors;
pub mod limits;
pub mod media;
pub mod send;
pub mod signature;
pub mod templates;
pub mod webhook;
