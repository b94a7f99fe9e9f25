//! The trigger types: which flow an event starts.

mod check;
mod fold;
mod index;
mod keyword;
mod lookup;
mod patterns;

pub use check::check;
pub use index::{Candidate, KeywordIndex, Match};

/// The words for the trigger types, as used in a trigger's `trigger_type`.
pub const TYPES: &[&str] = &["keyword"];
