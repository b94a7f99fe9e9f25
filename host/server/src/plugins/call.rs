//! What triggers of plugins are asked. Nodes have theirs in `domain`, because executions keep them.

use domain::{
    ContactId,
    plugin::{PluginFailure, PluginFault},
};
use plugin_host::{CallError, Occurrence};
use serde_json::Value;

/// What every call of a trigger says. It goes to the newest enabled version that the bot's owner sees.
#[derive(Debug, Clone)]
pub struct TriggerCall {
    /// Name of the plugin.
    pub plugin: String,
    /// Trigger type within the plugin.
    pub trigger_type: String,
    /// Configuration, which fits the type's schema.
    pub config: Value,
    /// Bot, and contact where there is one.
    pub context: Value,
    /// Whose values `kv` keeps under the scope `contact`, where there is a contact.
    pub contact: Option<ContactId>,
    /// The same for a call that is repeated after a crash, and for no other.
    pub idempotency_key: String,
}

/// A question to a matcher.
#[derive(Debug, Clone)]
pub struct MatchCall {
    /// Which trigger.
    pub trigger: TriggerCall,
    /// About what.
    pub occurrence: Occurrence,
}

/// A request to a webhook handler.
#[derive(Debug, Clone)]
pub struct HandleCall {
    /// Which trigger.
    pub trigger: TriggerCall,
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

/// A look of a poller.
#[derive(Debug, Clone)]
pub struct PollCall {
    /// Which trigger.
    pub trigger: TriggerCall,
    /// What the last look returned.
    pub cursor: Option<Value>,
}

/// Why a trigger of a plugin gave no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum PluginError {
    /// It says that it cannot.
    Fault(PluginFault),
    /// The host could not run it or stopped it.
    Failure(PluginFailure),
}

impl PluginError {
    /// A sentence for people, without the plugin's insides.
    pub fn message(&self) -> &str {
        match self {
            Self::Fault(fault) => fault_message(fault),
            Self::Failure(failure) => &failure.message,
        }
    }
}

/// What a plugin itself says of its fault.
pub(crate) fn fault_message(fault: &PluginFault) -> &str {
    match fault {
        PluginFault::InvalidConfig { message, .. }
        | PluginFault::Retryable { message, .. }
        | PluginFault::Permanent { message, .. } => message,
    }
}

impl From<PluginFailure> for PluginError {
    fn from(failure: PluginFailure) -> Self {
        Self::Failure(failure)
    }
}

impl From<CallError> for PluginError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Fault(fault) => Self::Fault(fault),
            CallError::Failure(failure) => Self::Failure(failure),
        }
    }
}
