//! What a plugin wants to use.

use serde::{Deserialize, Serialize};

/// What a plugin wants to use. In force is only what the operator and the bot's owner allow as well.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// let wanted = Capabilities::none().log().kv_contact().http("api.example.com", &["GET"], &["/v1"]).secret("API_KEY", "From your account page");
/// assert_eq!(wanted.http[0].path_prefixes, ["/v1"]);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Requests it wants to make.
    pub http: Vec<HttpRule>,
    /// Whose values it wants to keep.
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

impl Capabilities {
    /// Nothing.
    pub fn none() -> Self {
        Self::default()
    }

    /// Lines in the plugin's log.
    pub fn log(mut self) -> Self {
        self.log = true;
        self
    }

    /// The time.
    pub fn clock(mut self) -> Self {
        self.clock = true;
        self
    }

    /// Randomness.
    pub fn random(mut self) -> Self {
        self.random = true;
        self
    }

    /// Requests to a host: `api.example.com`, `*.example.com` (any depth, not the domain itself), with `:port` when it is
    /// not the scheme's own, or `*` for hosts that only the bot's owner can name. No methods or path prefixes means all.
    pub fn http(mut self, host: &str, methods: &[&str], path_prefixes: &[&str]) -> Self {
        let words = |list: &[&str]| list.iter().map(|&word| word.to_owned()).collect();
        self.http.push(HttpRule {
            host: host.to_owned(),
            methods: words(methods),
            path_prefixes: words(path_prefixes),
        });
        self
    }

    /// Values of the bot.
    pub fn kv_bot(mut self) -> Self {
        self.kv.get_or_insert_default().bot = true;
        self
    }

    /// Values of each contact.
    pub fn kv_contact(mut self) -> Self {
        self.kv.get_or_insert_default().contact = true;
        self
    }

    /// A secret: its name in upper snake case, and what it is and where to get it.
    pub fn secret(mut self, name: &str, description: &str) -> Self {
        self.secrets.push(SecretWish { name: name.to_owned(), description: description.to_owned() });
        self
    }

    /// A setting: its name in snake case, and what it is.
    pub fn setting(mut self, key: &str, description: &str) -> Self {
        self.config.push(ConfigKey { key: key.to_owned(), description: description.to_owned() });
        self
    }
}

/// A set of HTTP requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpRule {
    /// The host, as in [`Capabilities::http`].
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
