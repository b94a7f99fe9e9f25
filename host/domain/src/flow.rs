//! What of a flow and its bot other crates need to know.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{BotId, FlowId, Time, plugin::PluginPin};

/// A flow as saved: the snapshot that a version freezes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FlowDefinition {
    /// Ordered by position; the first one is where an execution starts.
    pub nodes: Vec<NodeDefinition>,
    /// The code that nodes of plugins run, by the plugin's name; set when a version is published.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub plugins: BTreeMap<String, PluginPin>,
}

impl FlowDefinition {
    /// Names of the plugins whose nodes it has, each once; none for most flows.
    pub fn plugin_names(&self) -> BTreeSet<&str> {
        self.nodes.iter().filter_map(|node| node.kind.split_once('/')).map(|(plugin, _)| plugin).collect()
    }
}

/// One node as saved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeDefinition {
    /// Zero-based place in the flow; what an integer reference names.
    pub position: i64,
    /// Optional stable name; what a string reference names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Node type, e.g. `send_message`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Label for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The type's own settings.
    #[serde(default)]
    pub config: Value,
}

/// What templates may say of the flow that runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlowInfo {
    /// Row id.
    pub id: FlowId,
    /// Name given by its owner.
    pub name: String,
    /// The version the execution began with.
    pub version: i64,
}

/// What templates may say of the bot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BotInfo {
    /// Row id.
    pub id: BotId,
    /// Name given by its owner.
    pub name: String,
    /// IANA time zone, `UTC` unless set.
    pub timezone: String,
    /// Since when it has the number that it sends from, if it had another one before.
    #[serde(default)]
    pub number_changed_at: Option<Time>,
    /// Whether what contacts write is marked as read.
    #[serde(default)]
    pub mark_as_read: bool,
    /// Whether contacts see that an answer is being typed.
    #[serde(default)]
    pub typing_indicator: bool,
}

/// How bad an [`Issue`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The flow cannot be published.
    Error,
    /// The flow runs, but probably not as meant.
    Warning,
}

/// Something wrong with a flow as saved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Whether it blocks publishing.
    pub severity: Severity,
    /// Stable word for programs, e.g. `dangling_reference`.
    pub code: String,
    /// JSON pointer into `{"nodes": […]}`.
    pub pointer: String,
    /// Position of the node, when it is about one.
    pub node: Option<i64>,
    /// Sentence for people.
    pub detail: String,
}
