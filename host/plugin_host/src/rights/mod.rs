//! What a call may do: what the manifest asks for, the operator allows and the bot's owner grants, all three.

mod denial;
mod hosts;
mod intersect;
mod paths;

use domain::{
    JsonMap,
    plugin::{Capabilities, Grant, HttpRule, KvScopes, SecretBinding},
};
use url::Url;

pub use denial::Denial;
pub use hosts::HostPattern;
pub use intersect::intersect;

use crate::KvScope;
use denial::Missing;

/// What the operator lets plugins use.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorPolicy {
    /// Requests; `*` as host: all that the egress guard lets out.
    pub http: Vec<HttpRule>,
    /// Whose values may be kept.
    pub kv: KvScopes,
    /// Secrets.
    pub secrets: bool,
    /// Lines in the log.
    pub log: bool,
    /// The time.
    pub clock: bool,
    /// Randomness.
    pub random: bool,
    /// Settings.
    pub config: bool,
}

impl OperatorPolicy {
    /// Leaves every decision to the owners of plugins and bots.
    pub fn everything() -> Self {
        Self {
            http: vec![HttpRule { host: "*".into(), methods: Vec::new(), path_prefixes: Vec::new() }],
            kv: KvScopes { bot: true, contact: true },
            secrets: true,
            log: true,
            clock: true,
            random: true,
            config: true,
        }
    }
}

/// What a call may do, and which line is missing for what it may not.
#[derive(Debug, Clone, PartialEq)]
pub struct Rights {
    manifest: Capabilities,
    operator: OperatorPolicy,
    grant: Grant,
    in_force: Grant,
}

impl Rights {
    /// The rights that all three agree on.
    pub fn new(manifest: Capabilities, operator: OperatorPolicy, grant: Grant) -> Self {
        let in_force = intersect(&manifest, &operator, &grant);
        Self { manifest, operator, grant, in_force }
    }

    /// What is in force.
    pub fn in_force(&self) -> &Grant {
        &self.in_force
    }

    /// Whether a request may be made.
    ///
    /// # Errors
    /// Which lines are missing.
    pub fn http(&self, method: &str, url: &Url) -> Result<(), Denial> {
        if self.in_force.http.iter().any(|rule| allows(rule, method, url)) {
            return Ok(());
        }
        let lacks = |rules: &[HttpRule]| !rules.iter().any(|rule| allows(rule, method, url));
        // Where the host alone is known, it is the method or the path that is missing.
        let named = |rule: &HttpRule| pattern(rule).is_some_and(|hosts| hosts != HostPattern::Any && hosts.holds(url));
        let host_is_known = self.manifest.http.iter().chain(&self.grant.http).any(named);
        let missing = Missing::of(lacks(&self.manifest.http), lacks(&self.operator.http), lacks(&self.grant.http));
        Err(Denial::http(method, url, host_is_known, missing))
    }

    /// Whether values of this scope may be kept.
    ///
    /// # Errors
    /// Which lines are missing.
    pub fn kv(&self, scope: KvScope) -> Result<(), Denial> {
        let has = |scopes: KvScopes| match scope {
            KvScope::Bot => scopes.bot,
            KvScope::Contact => scopes.contact,
        };
        let has_some = |scopes: Option<KvScopes>| scopes.is_some_and(has);
        let missing = Missing::of(!has_some(self.manifest.kv), !has(self.operator.kv), !has_some(self.grant.kv));
        if missing.is_nothing() { Ok(()) } else { Err(Denial::kv(scope, missing)) }
    }

    /// Where a secret may go.
    ///
    /// # Errors
    /// Which lines are missing.
    pub fn secret(&self, name: &str) -> Result<&SecretBinding, Denial> {
        self.in_force.secrets.iter().find(|binding| binding.name == name).ok_or_else(|| {
            let wished = self.manifest.secrets.iter().any(|wish| wish.name == name);
            let granted = self.grant.secrets.iter().any(|binding| binding.name == name);
            Denial::secret(name, Missing::of(!wished, !self.operator.secrets, !granted))
        })
    }

    /// Whether lines may be logged.
    ///
    /// # Errors
    /// Which lines are missing.
    pub fn log(&self) -> Result<(), Denial> {
        self.switch("log", self.manifest.log, self.operator.log, self.grant.log)
    }

    /// Whether the time may be asked for.
    ///
    /// # Errors
    /// Which lines are missing.
    pub fn clock(&self) -> Result<(), Denial> {
        self.switch("clock", self.manifest.clock, self.operator.clock, self.grant.clock)
    }

    /// Whether randomness may be drawn.
    ///
    /// # Errors
    /// Which lines are missing.
    pub fn random(&self) -> Result<(), Denial> {
        self.switch("random", self.manifest.random, self.operator.random, self.grant.random)
    }

    /// The settings that the plugin sees.
    pub fn settings(&self) -> &JsonMap {
        &self.in_force.config
    }

    fn switch(&self, name: &'static str, manifest: bool, operator: bool, grant: bool) -> Result<(), Denial> {
        let missing = Missing::of(!manifest, !operator, !grant);
        if missing.is_nothing() { Ok(()) } else { Err(Denial::switch(name, missing)) }
    }
}

/// Faults of a rule that somebody wrote, each with a JSON pointer into it. `*` as host is for manifests and operators.
pub fn rule_faults(rule: &HttpRule, may_be_any: bool) -> Vec<(String, String)> {
    let mut faults = Vec::new();
    match HostPattern::parse(&rule.host) {
        Ok(HostPattern::Any) if !may_be_any => {
            faults.push(("/host".into(), "a grant names its hosts; `*` is for manifests".into()));
        }
        Ok(_) => {}
        Err(why) => faults.push(("/host".into(), why)),
    }
    for (index, method) in rule.methods.iter().enumerate() {
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
            faults.push((format!("/methods/{index}"), format!("“{method}” is no method: write for example `GET`")));
        }
    }
    for (index, prefix) in rule.path_prefixes.iter().enumerate() {
        if let Some(why) = paths::fault(prefix) {
            faults.push((format!("/path_prefixes/{index}"), why));
        }
    }
    faults
}

fn pattern(rule: &HttpRule) -> Option<HostPattern> {
    HostPattern::parse(&rule.host).ok()
}

fn allows(rule: &HttpRule, method: &str, url: &Url) -> bool {
    pattern(rule).is_some_and(|hosts| hosts.holds(url))
        && (rule.methods.is_empty() || rule.methods.iter().any(|allowed| allowed == method))
        && (rule.path_prefixes.is_empty() || rule.path_prefixes.iter().any(|prefix| paths::begins(url.path(), prefix)))
}

#[cfg(test)]
mod tests;
