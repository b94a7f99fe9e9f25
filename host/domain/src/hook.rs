//! Triggers that are not about messages and built-in events: webhooks, and what plugins bring.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{JsonMap, plugin::TriggerKind};

/// A webhook trigger without a plugin: JSON comes in, templates say whom it is about. Templates see `body` (the item, or
/// the whole body), `headers` (names in lower case), `query` and `now`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WebhookRule {
    /// JSON pointer to a list in the body, each of whose items is an event of its own; none: the body is one event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<String>,
    /// Template of the contact's phone or business-scoped user id.
    pub contact: String,
    /// Template of the name for a contact that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_name: Option<String>,
    /// Initial variables, with templates in their texts.
    #[serde(default)]
    pub initial_state: JsonMap,
    /// Template of an id; an event whose id this trigger has seen is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<String>,
    /// Template that is empty, `false`, `0` or `none` for events to pass over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// How requests are signed; none: whoever knows the address may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureRule>,
}

/// How requests are signed: HMAC-SHA256 of the body, or of a text made of the time and the body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureRule {
    /// Name of the header with the signature, in lower case.
    pub header: String,
    /// What stands before the signature in the header, e.g. `sha256=`.
    #[serde(default)]
    pub prefix: String,
    /// How the signature is written.
    #[serde(default)]
    pub encoding: SignatureEncoding,
    /// Name of the header with the time in seconds since 1970, in lower case. What is signed is then
    /// `<time>.<body>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_header: Option<String>,
    /// How many seconds that time may be away from now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tolerance_seconds: Option<u32>,
}

/// How a signature is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureEncoding {
    /// Hexadecimal, upper or lower case.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

/// A trigger of a plugin. It always runs the newest version that is switched on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginRule {
    /// Name of the plugin.
    pub plugin: String,
    /// Trigger type within the plugin.
    #[serde(rename = "type")]
    pub trigger_type: String,
    /// Which of the calls it answers, as its manifest said when the trigger was saved.
    #[serde(rename = "plugin_kind")]
    pub kind: TriggerKind,
    /// Configuration; fits the type's schema.
    #[serde(default)]
    pub config: Value,
    /// Of a matcher: what it is asked about, `message` and names of events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listens_to: Vec<String>,
    /// Of a poller: seconds between two looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval_seconds: Option<u32>,
}

impl PluginRule {
    /// The word of `listens_to` for messages.
    pub const MESSAGE: &str = "message";

    /// Whether it is a matcher that is to be asked about messages, or about events of a name.
    pub fn listens_to(&self, what: &str) -> bool {
        self.kind == TriggerKind::Matcher && self.listens_to.iter().any(|known| known == what)
    }
}
