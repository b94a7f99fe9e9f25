//! What plugins are called with, what they answer, and what a call cost.

use std::sync::Arc;

use domain::{
    JsonMap, Time,
    plugin::{PluginFailure, PluginFault, TriggerEvent},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Limits, Rights, Services};

/// On whose behalf a call is made, and what it may use.
#[derive(Clone)]
pub struct Caller {
    /// Whom room is shared out to. Calls of different tenants wait in turn.
    pub tenant: i64,
    /// What the call may use, already within the operator's limits.
    pub limits: Limits,
    /// What the call may do.
    pub rights: Arc<Rights>,
    /// Whether there is a contact whose values `kv` can keep.
    pub has_contact: bool,
    /// The world.
    pub services: Arc<dyn Services>,
}

/// What every call of a trigger says.
#[derive(Debug, Clone)]
pub struct TriggerCall {
    /// Trigger type within the plugin.
    pub trigger_type: String,
    /// Configuration.
    pub config: Value,
    /// Bot, and contact where there is one.
    pub context: Value,
    /// The same for a call that is repeated, and for no other.
    pub call_id: String,
}

/// What a matcher is asked about.
#[derive(Debug, Clone)]
pub enum Occurrence {
    /// A message.
    Message(Value),
    /// An event.
    Event(Value),
}

/// What a matcher recognised.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognition {
    /// How sure it is, from 0 to 1.
    pub score: f64,
    /// Initial variables of the flow.
    pub extracted: JsonMap,
    /// Sentence for the person who tests the trigger.
    pub reason: Option<String>,
}

/// A request to a webhook handler.
#[derive(Debug, Clone)]
pub struct HookRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// What follows the token in the path, with its leading slash; empty when nothing does.
    pub path: String,
    /// Without the question mark, as it came.
    pub query: Option<String>,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// Byte for byte.
    pub body: Vec<u8>,
}

/// What a webhook handler made of a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Handling {
    /// Status code of the answer, 200 to 599.
    pub status: u16,
    /// Its headers; those that belong to the connection are left out.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
    /// What starts flows.
    pub events: Vec<TriggerEvent>,
}

/// What a poller found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What starts flows.
    pub events: Vec<TriggerEvent>,
    /// For the next look.
    pub cursor: Option<Value>,
    /// When to look next, in milliseconds; the trigger's interval when absent.
    pub next_in_ms: Option<u64>,
}

/// Why a call gave no answer. The two are never mixed: one is the plugin's word, the other the host's.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// The plugin says that it cannot.
    Fault(PluginFault),
    /// The host could not run it or stopped it.
    Failure(PluginFailure),
}

impl From<PluginFailure> for CallError {
    fn from(failure: PluginFailure) -> Self {
        Self::Failure(failure)
    }
}

/// A call, done.
#[derive(Debug, Clone)]
pub struct Called<T> {
    /// What came of it.
    pub result: Result<T, CallError>,
    /// What it cost, over all attempts if it had to be repeated for `kv`.
    pub usage: Usage,
    /// What it logged in its last attempt, in order.
    pub logs: Vec<LogLine>,
    /// What it was denied in its last attempt, in order, each once: sentences that name the missing lines.
    pub denials: Vec<String>,
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Microseconds that it waited to be admitted.
    pub queued_us: u64,
    /// Microseconds that instantiating took.
    pub instantiate_us: u64,
    /// Microseconds on a processor, instantiating included, host calls not.
    pub cpu_us: u64,
    /// Microseconds from admission to answer.
    pub wall_us: u64,
    /// Bytes of all linear memories together, at most.
    pub peak_memory_bytes: u64,
    /// Calls of imports.
    pub host_calls: u64,
    /// HTTP exchanges.
    pub http_calls: u64,
    /// Bytes of bodies and headers sent.
    pub egress_bytes: u64,
    /// Bytes of bodies and headers received.
    pub ingress_bytes: u64,
    /// Calls of `kv`.
    pub kv_calls: u64,
    /// Exchanges that carried a secret.
    pub secret_uses: u64,
    /// Instructions, as the metered engine of the upload check counts them.
    pub instructions: Option<u64>,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// For finding faults.
    Debug,
    /// Worth knowing.
    Info,
    /// May be wrong.
    Warn,
    /// Is wrong.
    Error,
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub at: Time,
    /// How much it matters.
    pub level: LogLevel,
    /// The line.
    pub message: String,
    /// Details, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fields: Option<JsonMap>,
}
