//! What a bot's owner allows a plugin.

use serde::{Deserialize, Serialize};

use super::{HttpRule, KvScopes};
use crate::JsonMap;

/// What a bot's owner allows a plugin to use for that bot. In force is only what the manifest wants and the operator
/// allows as well.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grant {
    /// Requests.
    pub http: Vec<HttpRule>,
    /// Whose values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv: Option<KvScopes>,
    /// Secrets, each with the hosts it may go to.
    pub secrets: Vec<SecretBinding>,
    /// Lines in its log.
    pub log: bool,
    /// The time.
    pub clock: bool,
    /// Randomness.
    pub random: bool,
    /// Settings by key; those that the manifest does not name are not shown to the plugin.
    pub config: JsonMap,
}

impl Grant {
    /// What a plugin has before the owner says anything: what neither reaches outwards nor keeps anything.
    pub fn harmless() -> Self {
        Self { log: true, clock: true, random: true, ..Self::default() }
    }
}

/// A secret and where it may go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretBinding {
    /// Name as in the manifest.
    pub name: String,
    /// Hosts as in [`HttpRule::host`]; empty: only for `hmac-sha256`.
    #[serde(default)]
    pub hosts: Vec<String>,
}
