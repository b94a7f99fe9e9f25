//! Executions: one run of a flow with one contact.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    BotId, ContactId, ExecutionId, FlowId, JsonMap, Time,
    plugin::{PluginEffect, PluginOutcome, PluginVisit},
};

/// Where an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionStatus {
    /// Has steps to do and will be picked up.
    Running,
    /// Waits for the contact's next message, perhaps with a time-out.
    WaitingInput,
    /// Waits for a point in time.
    WaitingTimer,
    /// Waits for an event that concerns the contact, perhaps with a time-out.
    WaitingEvent,
    /// Waits for the outcome of a call to the outside.
    WaitingEffect,
    /// Reached an end.
    Completed,
    /// Stopped by a fault; `error` says which.
    Failed,
    /// Stopped by a person or by a trigger that interrupts.
    Cancelled,
}

impl ExecutionStatus {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::WaitingInput => "waiting_input",
            Self::WaitingTimer => "waiting_timer",
            Self::WaitingEvent => "waiting_event",
            Self::WaitingEffect => "waiting_effect",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word of the database or the API.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "running" => Self::Running,
            "waiting_input" => Self::WaitingInput,
            "waiting_timer" => Self::WaitingTimer,
            "waiting_event" => Self::WaitingEvent,
            "waiting_effect" => Self::WaitingEffect,
            "completed" => Self::Completed,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            _ => return None,
        })
    }

    /// Whether nothing more will happen.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

/// One run of a flow with one contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    /// Row id.
    pub id: ExecutionId,
    /// The bot.
    pub bot_id: BotId,
    /// The contact.
    pub contact_id: ContactId,
    /// The flow.
    pub flow_id: FlowId,
    /// The version it began with and keeps.
    pub flow_version: i64,
    /// Where it stands.
    pub status: ExecutionStatus,
    /// Position of the node it is at; of the last one it visited when it has ended.
    pub current_node: Option<i64>,
    /// The flow's variables (`state.*`).
    pub state: JsonMap,
    /// The message `message.*` speaks of: the last one this execution was started or resumed with.
    pub message: Option<crate::InboundMessage>,
    /// How many executions started one another up to this one, each by its end; 0 for what a message, a person or the
    /// clock started.
    pub depth: i64,
    /// Steps logged so far; the next one's `seq`.
    pub steps: i64,
    /// How often the contact, the clock, a person or a message that failed has moved it on. Outcomes of calls do not
    /// count: what is said before and after a call belongs to the same turn.
    #[serde(default)]
    pub turn: i64,
    /// When a wait ends by itself.
    pub wake_at: Option<Time>,
    /// The call to the outside that is in flight, kept so that a restart can repeat it.
    pub effect: Option<Effect>,
    /// What is remembered while it is at a node of a plugin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visit: Option<PluginVisit>,
    /// Why it failed.
    pub error: Option<String>,
    /// When it began.
    pub started_at: Time,
    /// When it last changed.
    pub updated_at: Time,
    /// When it ended.
    pub completed_at: Option<Time>,
}

/// A call to the outside that the engine wants made. The engine makes none itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Effect {
    /// An HTTP request of a `webhook_action` node.
    Http(HttpEffect),
    /// A call of a plugin's node.
    Plugin(Box<PluginEffect>),
}

impl Effect {
    /// What tells this call from every other one: its idempotency key.
    pub fn key(&self) -> &str {
        match self {
            Self::Http(call) => &call.idempotency_key,
            Self::Plugin(call) => &call.idempotency_key,
        }
    }
}

/// One HTTP request, all templates filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpEffect {
    /// `GET`, `POST`, …
    pub method: String,
    /// Absolute http or https URL.
    pub url: String,
    /// Header names and values.
    pub headers: BTreeMap<String, String>,
    /// Sent as JSON unless it is a text, which is sent as it is.
    pub body: Option<Value>,
    /// Seconds for one attempt.
    pub timeout_seconds: u32,
    /// Attempts after the first one.
    pub retries: u32,
    /// The same for every attempt of this step, also after a crash: execution id and step number.
    pub idempotency_key: String,
}

/// What became of an [`Effect`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EffectOutcome {
    /// The other side answered, whatever the status.
    Replied(HttpReply),
    /// No answer: refused by the egress guard, unreachable, timed out, too large.
    Unreachable {
        /// Sentence for people.
        reason: String,
        /// How many attempts were made.
        attempts: u32,
    },
    /// What became of a call of a plugin.
    Plugin {
        /// What it returned, or why it did not.
        outcome: Box<PluginOutcome>,
        /// How many attempts were made.
        attempts: u32,
    },
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HttpReply {
    /// HTTP status code.
    pub status: u16,
    /// Parsed JSON, or the text when it is none.
    pub body: Value,
    /// How many attempts were made.
    pub attempts: u32,
}
