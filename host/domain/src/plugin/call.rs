//! A call of a plugin's node and what comes of it.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::JsonMap;

/// A plugin's code, exactly.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PluginPin {
    /// Name of the plugin.
    pub name: String,
    /// Version, for people.
    pub version: String,
    /// SHA-256 of the component, lower-case hex: what is run.
    pub digest: String,
}

/// Why a node of a plugin is called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum NodeCause {
    /// The execution has come to the node.
    Enter,
    /// The contact wrote: the message as `context.message` has it.
    Input(Value),
    /// A wait for input or an event ran out.
    TimedOut,
    /// A wait for a time is over.
    Elapsed,
    /// The event came.
    Event(Value),
    /// A person ended the wait.
    Forced,
}

/// One call of a node of a plugin, all templates filled in. Kept with the execution, so that a restart repeats exactly it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginEffect {
    /// What is run.
    pub plugin: PluginPin,
    /// Node type within the plugin.
    pub node_type: String,
    /// Configuration.
    pub config: Value,
    /// Contact, bot, flow, execution, message and variables.
    pub context: Value,
    /// What the last call for this visit returned.
    pub state: Option<Value>,
    /// Why.
    pub cause: NodeCause,
    /// Attempts after the first one, for failures that may pass.
    pub retries: u32,
    /// The same for every attempt of this step, also after a crash: execution id and step number.
    pub idempotency_key: String,
}

/// What became of a [`PluginEffect`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum PluginOutcome {
    /// It answered.
    Step(Box<NodeStep>),
    /// It says that it cannot.
    Fault(PluginFault),
    /// The host could not run it or stopped it.
    Failure(PluginFailure),
}

/// What a node of a plugin wants done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeStep {
    /// Where to go.
    pub outcome: NodeOutcome,
    /// For the next call of this visit.
    #[serde(default)]
    pub state: Option<Value>,
    /// What else.
    #[serde(default)]
    pub actions: Actions,
}

/// Where a node of a plugin sends the execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum NodeOutcome {
    /// Leaves by an exit.
    Next {
        /// Name of the exit.
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
        /// Name of the event.
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

/// What a plugin's step brings about besides going on (`wit/…/actions.schema.json`). Either all of it happens or nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Actions {
    /// Messages to the contact, in order.
    pub messages: Vec<PluginMessage>,
    /// Variables by path, as in `set_variable`; null removes one.
    pub variables: JsonMap,
    /// Changes of the contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<ContactChange>,
    /// Events for triggers and waiting nodes.
    pub events: Vec<EmittedEvent>,
}

/// A message to the contact, as in the configuration of `send_message`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PluginMessage {
    /// `text`, `image`, …
    pub message_type: String,
    /// The content of that type.
    pub content: Value,
}

/// Changes of a contact; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContactChange {
    /// Name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Language tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// IANA time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Tags to add.
    pub add_tags: Vec<String>,
    /// Tags to remove.
    pub remove_tags: Vec<String>,
    /// Attributes to set; null removes one.
    pub attributes: JsonMap,
}

/// An event that a plugin emits about the contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmittedEvent {
    /// Name: `custom.` and a snake-case word.
    pub name: String,
    /// Anything.
    #[serde(default)]
    pub payload: Value,
}

/// What a webhook handler or poller found: starts the trigger's flow with a contact.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerEvent {
    /// Phone or business-scoped id of the contact; made when unknown.
    pub contact: String,
    /// Name for a contact that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_name: Option<String>,
    /// Initial variables.
    #[serde(default)]
    pub initial_state: JsonMap,
    /// An event with an id that this trigger has seen is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A plugin's own word for what went wrong.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PluginFault {
    /// The configuration is wrong.
    InvalidConfig {
        /// JSON pointer.
        pointer: String,
        /// Sentence for people.
        message: String,
    },
    /// Worth another attempt; none is left.
    Retryable {
        /// Sentence for people.
        message: String,
        /// Milliseconds it asked to wait.
        retry_after_ms: Option<u64>,
    },
    /// Not worth another attempt.
    Permanent {
        /// Sentence for people.
        message: String,
        /// Word for programs.
        code: Option<String>,
    },
}

/// What the host found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginFailure {
    /// What kind.
    pub kind: FailureKind,
    /// Sentence for people; says nothing of the plugin's insides.
    pub message: String,
    /// For the plugin's owner: panic message, backtrace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// Kinds of failures that the host finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Used up its CPU time, or took too long.
    TimedOut,
    /// Wanted more memory, tables or handles than it may have.
    OutOfMemory,
    /// Trapped: a panic, or a fault of its code.
    Trapped,
    /// Used something that it may not use, by a call that cannot answer so: the time, randomness.
    Denied,
    /// Returned something that is not what it should be, or too much of it.
    InvalidOutput,
    /// There was no room to run it in time.
    Overloaded,
    /// Switched off after many failures; tried again later.
    CircuitOpen,
    /// Disabled, deleted, or made for a version of the contract that this server does not speak.
    Unavailable,
    /// A fault of the host.
    HostError,
}
