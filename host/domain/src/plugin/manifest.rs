//! What `describe` returns.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A plugin's description of itself, read from JSON (`wit/…/manifest.schema.json`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Name, kebab case; the first half of its node types' names in flows.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// Name for people.
    pub title: String,
    /// What it is good for.
    #[serde(default)]
    pub description: String,
    /// Node types, if it has any.
    #[serde(default)]
    pub nodes: Vec<NodeTypeSpec>,
    /// Trigger types, if it has any.
    #[serde(default)]
    pub triggers: Vec<TriggerTypeSpec>,
    /// What it wants to use. What is not here is denied whatever is granted.
    #[serde(default)]
    pub capabilities: Capabilities,
}

impl Manifest {
    /// The node type of that name.
    pub fn node(&self, name: &str) -> Option<&NodeTypeSpec> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// The trigger type of that name.
    pub fn trigger(&self, name: &str) -> Option<&TriggerTypeSpec> {
        self.triggers.iter().find(|trigger| trigger.name == name)
    }
}

/// A type of node. In flows its `type` is `<plugin>/<name>`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeTypeSpec {
    /// Name, kebab case, unique in the plugin.
    #[serde(rename = "type")]
    pub name: String,
    /// Name for people.
    pub title: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Where an editor lists it, e.g. `Logic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// Ways out. `error` is always there and not listed.
    pub exits: Vec<Exit>,
    /// JSON Schema (draft 2020-12) of the configuration.
    pub config_schema: Value,
    /// Calls that are made at upload, as a check and as documentation.
    #[serde(default)]
    pub examples: Vec<Example>,
}

/// A way out of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// Name, snake case; what `outcome.next` names and what the node's `exits` in a flow maps to a node.
    pub name: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What a trigger type is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// Says whether a message or event is meant for it: `matches`.
    Matcher,
    /// Handles requests to its address: `handle`.
    Webhook,
    /// Looks for what is new: `poll`.
    Poller,
}

/// A type of trigger.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerTypeSpec {
    /// Name, kebab case, unique in the plugin.
    #[serde(rename = "type")]
    pub name: String,
    /// Which of the calls it answers.
    pub kind: TriggerKind,
    /// Name for people.
    pub title: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// JSON Schema (draft 2020-12) of the configuration.
    pub config_schema: Value,
    /// A poller's time between two looks unless the trigger says otherwise, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
    /// Calls that are made at upload, as a check and as documentation.
    #[serde(default)]
    pub examples: Vec<Example>,
}

/// A call with made-up input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Name for people.
    pub name: String,
    /// Configuration; must fit the schema.
    #[serde(default)]
    pub config: Value,
    /// Context of the call; what is left out is made up.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub context: Value,
    /// For a trigger: the message, event, request or cursor.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// The exit expected of a node, or whether a matcher matches; unchecked when absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub expect: Value,
}

/// What a plugin wants to use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Requests it wants to make; none: no `http`.
    pub http: Vec<HttpRule>,
    /// Whose values it wants to keep; none: no `kv`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv: Option<KvScopes>,
    /// Secrets it wants to use.
    pub secrets: Vec<SecretWish>,
    /// Lines in its log.
    pub log: bool,
    /// The time.
    pub clock: bool,
    /// Randomness.
    pub random: bool,
    /// Settings it reads.
    pub config: Vec<ConfigKey>,
}

/// A set of HTTP requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// `api.example.com`, `*.example.com` (any depth, not the domain itself), with `:port` when it is not the scheme's
    /// own; `*` in a manifest: hosts that only the bot's owner can name.
    pub host: String,
    /// Methods; empty: all.
    #[serde(default)]
    pub methods: Vec<String>,
    /// What a path begins with, by whole segments; empty: all.
    #[serde(default)]
    pub path_prefixes: Vec<String>,
}

/// Whose values a plugin keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KvScopes {
    /// The bot's.
    pub bot: bool,
    /// Each contact's.
    pub contact: bool,
}

/// A secret that a plugin wants to use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretWish {
    /// Name, upper snake case.
    pub name: String,
    /// What it is and where to get it.
    #[serde(default)]
    pub description: String,
}

/// A setting that a plugin reads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigKey {
    /// Name, snake case.
    pub key: String,
    /// What it is.
    #[serde(default)]
    pub description: String,
}
