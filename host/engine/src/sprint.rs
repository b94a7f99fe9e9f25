//! What comes of advancing an execution.

use domain::{
    Execution, MessageId, OutgoingMessage,
    plugin::{ContactChange, EmittedEvent},
};
use serde_json::Value;

/// What came of advancing an execution. It is all to be stored in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Sprint {
    /// The execution, waiting or ended.
    pub execution: Execution,
    /// What happened, in order.
    pub steps: Vec<Step>,
    /// What to send, in order.
    pub messages: Vec<Saying>,
    /// What to show the contact of the message that is being dealt with. Nothing depends on it.
    pub courtesy: Option<Courtesy>,
    /// Changes to make to the contact, in order.
    pub contact_changes: Vec<ContactChange>,
    /// What to tell triggers and waiting executions, in order.
    pub events: Vec<EmittedEvent>,
}

/// A message with the node that says it, which is told if the message fails.
#[derive(Debug, Clone, PartialEq)]
pub struct Saying {
    /// Position of the node.
    pub node: Option<i64>,
    /// What it says.
    pub message: OutgoingMessage,
    /// The template that goes out instead when Meta finds the customer service window closed.
    pub fallback: Option<OutgoingMessage>,
}

/// What to show a contact who has written: that it was read and, perhaps, that an answer is being typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Courtesy {
    /// The message to be marked as read.
    pub message: MessageId,
    /// Whether to show that an answer is being typed.
    pub typing: bool,
}

/// One entry of an execution's log.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Number within the execution, from 0, without gaps.
    pub seq: i64,
    /// Position of the node; none for what concerns the flow as a whole.
    pub node: Option<i64>,
    /// Type of the node, or `flow`.
    pub kind: String,
    /// What happened, e.g. `sent`, `branch`, `failed`.
    pub event: &'static str,
    /// More about it. When the execution went on to another node, `exit` names the way taken and `to` the position it
    /// leads to, null when the flow ends there.
    pub detail: Value,
    /// Time spent on it in microseconds, by the stopwatch of the [`Scope`](crate::Scope).
    pub duration_us: i64,
}

impl Step {
    /// [`Step::kind`] of steps that belong to no node.
    pub const FLOW: &'static str = "flow";
}
