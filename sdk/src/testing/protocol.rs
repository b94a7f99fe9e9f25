//! How the harness speaks with a program that runs components: `chatboost plugin harness`.
//!
//! JSON, a line each, over the program's standard input and output. What the program writes to its standard error is for
//! people. The harness begins:
//!
//! | harness | program |
//! | --- | --- |
//! | [`Request::Open`] | [`Reply::Opened`] or [`Reply::Refused`] |
//! | [`Request::Call`] | any number of [`Reply::Http`], then [`Reply::Returned`] |
//! | [`Request::HttpAnswer`], once for each [`Reply::Http`] | goes on with the call |
//!
//! One call at a time. The program keeps nothing between calls but the component: every call carries the world it happens
//! in ([`World`]), and the answer what became of its values. The program ends when its standard input does.
//!
//! Everything that the manifest wants is granted; secrets are bound to every host of the manifest. A request is handed over
//! as it would go out, secrets in place.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    Actions, Fault, HookRequest, Manifest, TriggerEvent,
    http::{HttpError, Request as HttpRequest, Response as HttpResponse},
    kv::Scope,
    log::Level,
};

/// A line that the harness writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Request {
    /// Load a component. Comes first and once.
    Open {
        /// Where it is.
        component: PathBuf,
    },
    /// Make a call.
    Call(Box<Call>),
    /// What became of the request of the last [`Reply::Http`].
    HttpAnswer {
        /// The answer, or why there is none.
        result: Result<HttpResponse, HttpError>,
    },
}

/// A line that the program writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Reply {
    /// The component is loaded.
    Opened {
        /// What `describe` returned.
        manifest: Box<Manifest>,
    },
    /// The component cannot be loaded, or the call cannot be made: a sentence for people.
    Refused {
        /// Why.
        reason: String,
    },
    /// The call makes a request; the program waits for [`Request::HttpAnswer`].
    Http {
        /// As it would go out.
        request: HttpRequest,
    },
    /// The call is over.
    Returned(Box<Returned>),
}

/// A call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// What is called.
    pub entry: Entry,
    /// Configuration.
    pub config: Value,
    /// Context.
    pub context: Value,
    /// Id of the call.
    pub call_id: String,
    /// What it finds.
    pub world: World,
}

/// What is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A node: `execute`, or `resume` when there is a cause.
    Node {
        /// Node type.
        node_type: String,
        /// What the last call of this visit returned.
        state: Option<Value>,
        /// Why a waiting node goes on.
        cause: Option<Cause>,
    },
    /// `matches`.
    Matcher {
        /// Trigger type.
        trigger_type: String,
        /// What it is asked about.
        occurrence: Occurrence,
    },
    /// `handle`.
    Webhook {
        /// Trigger type.
        trigger_type: String,
        /// What came in.
        request: HookRequest,
    },
    /// `poll`.
    Poller {
        /// Trigger type.
        trigger_type: String,
        /// What the last look returned.
        cursor: Option<Value>,
    },
}

/// Why a waiting node goes on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Cause {
    /// The contact wrote.
    Input(Value),
    /// A time-out.
    TimedOut,
    /// A wait for a time is over.
    Elapsed,
    /// An event.
    Event(Value),
    /// A person.
    Forced,
}

/// What a matcher is asked about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Occurrence {
    /// A message.
    Message(Value),
    /// An event.
    Event(Value),
}

/// What a call finds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct World {
    /// The time, milliseconds since 1970. It stands still during a call.
    pub now_ms: u64,
    /// From which randomness is made, so that tests repeat.
    pub seed: u64,
    /// Secrets by name.
    pub secrets: BTreeMap<String, String>,
    /// Settings by key.
    pub settings: Map<String, Value>,
    /// Stored values.
    pub kv: Vec<Stored>,
}

/// A stored value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    /// Whose.
    pub scope: Scope,
    /// Under which key.
    pub key: String,
    /// The value.
    #[serde(with = "crate::bytes")]
    pub value: Vec<u8>,
    /// Grows with each change.
    pub version: u64,
    /// When it disappears, milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

/// What became of a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Returned {
    /// What it returned.
    pub result: CallResult,
    /// All stored values after it; those of before when it did not succeed.
    pub kv: Vec<Stored>,
    /// Lines of its log.
    pub logs: Vec<LogLine>,
    /// What it used up; only a program that runs components knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// What a call returned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CallResult {
    /// Of a node.
    Step {
        /// Where the execution goes.
        outcome: StepOutcome,
        /// For the next call of this visit.
        state: Option<Value>,
        /// What else.
        actions: Box<Actions>,
    },
    /// Of a matcher that matches.
    Recognition {
        /// From 0 to 1.
        score: f64,
        /// What it extracted.
        extracted: Map<String, Value>,
        /// Why.
        reason: Option<String>,
    },
    /// Of a matcher that does not.
    NoMatch,
    /// Of a webhook handler.
    Handling {
        /// Status code.
        status: u16,
        /// Headers.
        headers: Vec<(String, String)>,
        /// Body.
        #[serde(with = "crate::bytes")]
        body: Vec<u8>,
        /// Events.
        events: Vec<TriggerEvent>,
    },
    /// Of a poller.
    Finding {
        /// Events.
        events: Vec<TriggerEvent>,
        /// For the next look.
        cursor: Option<Value>,
        /// When that is.
        next_in_ms: Option<u64>,
    },
    /// The plugin says that something went wrong.
    Fault {
        /// What.
        fault: Fault,
    },
    /// The host found that something went wrong: a panic, a time-out, too much memory.
    Failure {
        /// `trapped`, `timed_out`, `out_of_memory`, `denied`, `invalid_output`, …
        failure: String,
        /// Sentence for people.
        message: String,
        /// Panic message, backtrace.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
}

/// Where a node sends the execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum StepOutcome {
    /// Leaves by an exit.
    Next {
        /// Its name.
        exit: String,
    },
    /// Waits for the contact.
    WaitInput {
        /// Milliseconds until the wait ends by itself.
        timeout_ms: Option<u64>,
    },
    /// Waits for a time.
    WaitFor {
        /// Milliseconds.
        ms: u64,
    },
    /// Waits for an event.
    WaitEvent {
        /// Its name.
        name: String,
        /// Milliseconds until the wait ends by itself.
        timeout_ms: Option<u64>,
    },
    /// Ends the execution.
    Complete,
    /// Fails, or takes the `error` exit.
    Fail {
        /// Sentence for people.
        reason: String,
    },
}

/// A line of a plugin's log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What it says.
    pub message: String,
    /// Fields.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub fields: Map<String, Value>,
}

/// What a call used up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Instructions of WebAssembly.
    pub instructions: u64,
    /// The most memory at a time, in bytes.
    pub memory_bytes: u64,
    /// Processor time in microseconds.
    pub cpu_us: u64,
}
