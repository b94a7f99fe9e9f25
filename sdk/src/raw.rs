//! Calls as they cross the border between host and plugin: JSON as text. Between the bindings and the plugin's types; for
//! the SDK and its macros only.

use crate::Outcome;

/// A call of a node.
#[derive(Debug, Clone)]
pub struct NodeCall {
    /// Which of the manifest's node types.
    pub node_type: String,
    /// Configuration.
    pub config: String,
    /// Context.
    pub context: String,
    /// What the last call for this visit returned.
    pub state: Option<String>,
    /// The same for a repeated call.
    pub call_id: String,
}

/// Why a waiting node goes on.
#[derive(Debug, Clone)]
pub enum Cause {
    /// The contact wrote.
    Input(String),
    /// Time-out.
    TimedOut,
    /// The time is over.
    Elapsed,
    /// An event.
    Event(String),
    /// A person.
    Forced,
}

/// What a call of a node brings about.
#[derive(Debug, Clone)]
pub struct Step {
    /// Where the execution goes.
    pub outcome: Outcome,
    /// For the next call of this visit.
    pub state: Option<String>,
    /// Messages, variables, …
    pub actions: Option<String>,
}

/// A call of a trigger.
#[derive(Debug, Clone)]
pub struct TriggerCall {
    /// Which of the manifest's trigger types.
    pub trigger_type: String,
    /// Configuration.
    pub config: String,
    /// Context.
    pub context: String,
    /// The same for a repeated call.
    pub call_id: String,
}

/// What a matcher is asked about.
#[derive(Debug, Clone)]
pub enum Occurrence {
    /// A message.
    Message(String),
    /// An event.
    Event(String),
}

/// What a poller found.
#[derive(Debug, Clone)]
pub struct Finding {
    /// Events.
    pub events: Option<String>,
    /// For the next look.
    pub cursor: Option<String>,
    /// When to look next.
    pub next_in_ms: Option<u64>,
}
