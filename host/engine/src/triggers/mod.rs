//! The trigger types: which flow an event starts.

mod all;
mod check;
mod conditions;
mod event;
pub(crate) mod fold;
mod index;
mod keyword;
mod lookup;
mod matchers;
mod patterns;
pub mod schedule;
mod webhook;

pub use all::{Fired, Said, Triggers, explain};
pub use check::check;
pub use event::Event;
pub use index::{Candidate, KeywordIndex, Match};
pub use matchers::{Choice, Known, Matcher, Recognised};
pub use webhook::{Call, Meaning, Webhook, check_state};

/// The words for the trigger types, as used in a trigger's `trigger_type`.
pub const TYPES: &[&str] = &["keyword", "event", "schedule", "webhook", "plugin"];
