//! What an execution remembers while it is at a node of a plugin.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PluginEffect;

/// What an execution remembers while it is at a node of a plugin; gone when it leaves the node.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PluginVisit {
    /// What the last call returned, for the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Value>,
    /// What the node waits for; none while it is being called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<PluginWait>,
}

/// What a node of a plugin waits for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PluginWait {
    /// The contact's message.
    Input,
    /// A point in time.
    Time,
    /// An event of this name.
    Event {
        /// `custom.…`, `opt_in` or `opt_out`.
        name: String,
    },
    /// A later attempt at the same call, which failed in a way that may pass.
    Retry {
        /// The call, with as many retries as are left after this attempt.
        effect: Box<PluginEffect>,
    },
}
