//! The conversation machine of ChatBoost.
//!
//! A [`Flow`] is compiled once from its definition and shared. [`advance`] takes it, an execution and the cause that
//! moves the execution, and returns a [`Sprint`]: the changed execution, the steps it took and the messages it wants
//! sent. When a node needs something from the outside, the execution comes back waiting, with the effect to perform in
//! it, and is advanced again with the outcome.
//!
//! Nothing here does I/O, reads a clock or draws a random number: the same inputs give the same sprint.

mod actions;
mod config;
pub mod consent;
mod content;
mod duration;
mod filling;
mod flow;
mod graph;
mod issues;
mod limits;
mod machine;
mod nodes;
mod operator;
mod outgoing;
mod path;
mod pattern;
mod refusal;
mod run;
mod schema;
mod sprint;
mod state;
mod template;
pub mod triggers;
mod values;
mod variables;
mod waiting;

pub use actions::check_event;
pub use content::{literal, unfilled};
pub use flow::{Flow, Opening, validate, validate_with};
pub use limits::{
    AUDIENCE_PHONES, AUDIENCE_TAGS, CONTACT_ATTRIBUTES, CONTACT_TAG_CHARS, CONTACT_TAGS, CRON_CHARS, EVENT_CONDITIONS,
    EVENT_DEPTH, EVENT_PAYLOAD_BYTES, HOOK_ID_CHARS, HOOK_ITEMS, HTTP_HEADERS, HTTP_RETRIES, HTTP_TIMEOUT_SECONDS,
    KEYWORD_CHARS, KEYWORDS_PER_TRIGGER, Limits, NODES_PER_FLOW, PATH_SEGMENTS, PATTERN_BYTES, PATTERN_FUEL,
    TEMPLATE_FUEL, TEMPLATE_SOURCE_BYTES, WAIT_DAYS,
};
pub use machine::{Cause, advance, cancel};
pub use nodes::NODE_TYPES;
pub use refusal::Refusal;
pub use schema::{Misfit, Schema};
pub use sprint::{Courtesy, Saying, Sprint, Step};
pub use variables::{Scope, contact as contact_document, local as local_time, message as message_document};
