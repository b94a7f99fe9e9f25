//! Sentences that say which line is missing, ready to be pasted.

use std::fmt;

use serde_json::json;
use url::Url;

use crate::KvScope;

/// Why something is denied: which line of what is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial(String);

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Denial> for String {
    fn from(denial: Denial) -> Self {
        denial.0
    }
}

/// Which of the three do not agree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Missing {
    manifest: bool,
    operator: bool,
    grant: bool,
}

impl Missing {
    pub(super) fn of(manifest: bool, operator: bool, grant: bool) -> Self {
        Self { manifest, operator, grant }
    }

    pub(super) fn is_nothing(self) -> bool {
        !(self.manifest || self.operator || self.grant)
    }
}

/// The operator's line for a capability as a whole.
const OPERATOR_SWITCH: &str = "PLUGIN_CAPABILITIES";
/// The operator's line for hosts.
const OPERATOR_HOSTS: &str = "PLUGIN_HTTP_HOSTS";

impl Denial {
    pub(super) fn http(method: &str, url: &Url, host_is_known: bool, missing: Missing) -> Self {
        let host = url.host_str().unwrap_or_default().trim_end_matches('.');
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let mut rule = json!({ "host": host, "methods": [method] });
        if host_is_known {
            rule["path_prefixes"] = json!([url.path()]);
        }
        let what = format!("{method} {}://{host}{} is not allowed", url.scheme(), url.path());
        // No single list lacks it, but no rule of all three together allows it.
        let nothing = missing.is_nothing();
        let missing = if nothing { Missing::of(true, false, true) } else { missing };
        Self::new(
            &what,
            missing,
            &format!("`capabilities.http`: {rule}"),
            &format!("{OPERATOR_HOSTS}={host}"),
            &format!("`http`: {rule}"),
        )
    }

    pub(super) fn kv(scope: KvScope, missing: Missing) -> Self {
        let (what, key) = match scope {
            KvScope::Bot => ("values of the bot may not be kept", "bot"),
            KvScope::Contact => ("values of contacts may not be kept", "contact"),
        };
        let line = json!({ key: true });
        Self::new(
            what,
            missing,
            &format!("`capabilities.kv`: {line}"),
            &format!("{OPERATOR_SWITCH}=kv"),
            &format!("`kv`: {line}"),
        )
    }

    pub(super) fn secret(name: &str, missing: Missing) -> Self {
        let wish = json!({ "name": name, "description": "…" });
        let binding = json!({ "name": name, "hosts": ["…"] });
        Self::new(
            &format!("the secret {name} may not be used"),
            missing,
            &format!("`capabilities.secrets`: {wish}"),
            &format!("{OPERATOR_SWITCH}=secrets"),
            &format!("`secrets`: {binding}"),
        )
    }

    pub(super) fn switch(name: &'static str, missing: Missing) -> Self {
        Self::new(
            &format!("`{name}` may not be used"),
            missing,
            &format!("`capabilities.{name}`: true"),
            &format!("{OPERATOR_SWITCH}={name}"),
            &format!("`{name}`: true"),
        )
    }

    fn new(what: &str, missing: Missing, manifest: &str, operator: &str, grant: &str) -> Self {
        let mut lines = Vec::new();
        if missing.manifest {
            lines.push(format!("the plugin's manifest lacks {manifest}"));
        }
        if missing.operator {
            lines.push(format!("the operator's configuration lacks {operator}"));
        }
        if missing.grant {
            lines.push(format!("the grant for this bot lacks {grant}"));
        }
        Self(format!("{what}: {}", lines.join("; ")))
    }
}
