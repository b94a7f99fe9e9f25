//! What a plugin says of itself.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Capabilities;

/// A plugin's description of itself. [`plugin!`](crate::plugin!) makes it of what the plugin's types say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Node types.
    #[serde(default)]
    pub nodes: Vec<NodeSpec>,
    /// Trigger types.
    #[serde(default)]
    pub triggers: Vec<TriggerSpec>,
    /// What it wants to use. What is not here is denied whatever is granted.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// A type of node. In flows its `type` is `<plugin>/<name>`.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// let spec = NodeSpec::new("opening-hours", "Opening hours")
///     .description("Leaves by `open` or `closed`.")
///     .category("Logic")
///     .exit("open", "Open")
///     .exit("closed", "Closed")
///     .example(Example::new("Always open").config(json!({ "hours": [] })).expect("open"));
/// assert_eq!(spec.exits.len(), 2);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSpec {
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
    /// JSON Schema of the configuration; made of the type by the SDK.
    pub config_schema: Value,
    /// Calls that are made at upload, as a check and as documentation.
    #[serde(default)]
    pub examples: Vec<Example>,
}

impl NodeSpec {
    /// A node type that has no exits yet. `name` is in kebab case, `title` is for people.
    pub fn new(name: &str, title: &str) -> Self {
        Self { name: name.to_owned(), title: title.to_owned(), ..Self::default() }
    }

    /// What it does, for people.
    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// Where an editor lists it, e.g. `Logic`.
    pub fn category(mut self, category: &str) -> Self {
        self.category = Some(category.to_owned());
        self
    }

    /// One more way out: its name in snake case, and its name for people.
    pub fn exit(mut self, name: &str, title: &str) -> Self {
        self.exits.push(Exit { name: name.to_owned(), title: Some(title.to_owned()) });
        self
    }

    /// One more example.
    pub fn example(mut self, example: Example) -> Self {
        self.examples.push(example);
        self
    }
}

/// A way out of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// Name, snake case.
    pub name: String,
    /// Name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What a trigger type is asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TriggerKind {
    /// Says whether a message or event is meant for it: [`Matcher`](crate::Matcher).
    #[default]
    Matcher,
    /// Handles requests to its address: [`WebhookHandler`](crate::WebhookHandler).
    Webhook,
    /// Looks for what is new: [`Poller`](crate::Poller).
    Poller,
}

/// A type of trigger.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerSpec {
    /// Name, kebab case, unique in the plugin.
    #[serde(rename = "type")]
    pub name: String,
    /// Which of the calls it answers; set by the SDK.
    pub kind: TriggerKind,
    /// Name for people.
    pub title: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// JSON Schema of the configuration; made of the type by the SDK.
    pub config_schema: Value,
    /// A poller's time between two looks unless the trigger says otherwise, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
    /// Calls that are made at upload, as a check and as documentation.
    #[serde(default)]
    pub examples: Vec<Example>,
}

impl TriggerSpec {
    /// A trigger type. `name` is in kebab case, `title` is for people.
    pub fn new(name: &str, title: &str) -> Self {
        Self { name: name.to_owned(), title: title.to_owned(), ..Self::default() }
    }

    /// What it does, for people.
    pub fn description(mut self, text: &str) -> Self {
        text.clone_into(&mut self.description);
        self
    }

    /// A poller's seconds between two looks, unless the trigger says otherwise.
    pub fn interval_seconds(mut self, seconds: u32) -> Self {
        self.interval_seconds = Some(seconds);
        self
    }

    /// One more example.
    pub fn example(mut self, example: Example) -> Self {
        self.examples.push(example);
        self
    }
}

/// A call with made-up input, made at every upload.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
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
    /// Of a node: the message that the contact writes when the node waits. Of a matcher: the message or event. Of a webhook
    /// handler: `{method?, path?, query?, headers?: {…}, body?: text or JSON}`. Of a poller: the cursor.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub input: Value,
    /// The exit by which a node leaves, or `wait_input`, …; whether a matcher matches; the status that a webhook handler
    /// answers; how many events a poller finds; `fault:permanent`, …. Unchecked when null.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub expect: Value,
}

impl Example {
    /// An example with a name for people and nothing else.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), config: Value::Object(serde_json::Map::new()), ..Self::default() }
    }

    /// The configuration.
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// The context, as far as it matters.
    pub fn context(mut self, context: Value) -> Self {
        self.context = context;
        self
    }

    /// What the contact writes, or what a trigger is asked about.
    pub fn input(mut self, input: Value) -> Self {
        self.input = input;
        self
    }

    /// What must come of it.
    pub fn expect(mut self, expect: impl Into<Value>) -> Self {
        self.expect = expect.into();
        self
    }
}
