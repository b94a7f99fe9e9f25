//! Manifest ∩ operator ∩ owner.

use domain::plugin::{Capabilities, Grant, HttpRule, KvScopes};

use super::{HostPattern, OperatorPolicy, paths};

/// What all three agree on, as a grant.
pub fn intersect(manifest: &Capabilities, operator: &OperatorPolicy, grant: &Grant) -> Grant {
    let wished = rules(&manifest.http, &operator.http);
    let kv = manifest.kv.zip(grant.kv).map(|(wished, granted)| KvScopes {
        bot: wished.bot && operator.kv.bot && granted.bot,
        contact: wished.contact && operator.kv.contact && granted.contact,
    });
    let secrets = grant
        .secrets
        .iter()
        .filter(|binding| operator.secrets && manifest.secrets.iter().any(|wish| wish.name == binding.name));
    let config =
        grant.config.iter().filter(|(key, _)| operator.config && manifest.config.iter().any(|wish| wish.key == **key));
    Grant {
        http: rules(&wished, &grant.http),
        kv: kv.filter(|scopes| scopes.bot || scopes.contact),
        secrets: secrets.cloned().collect(),
        log: manifest.log && operator.log && grant.log,
        clock: manifest.clock && operator.clock && grant.clock,
        random: manifest.random && operator.random && grant.random,
        config: config.map(|(key, value)| (key.clone(), value.clone())).collect(),
    }
}

/// The requests that both lists allow.
fn rules(left: &[HttpRule], right: &[HttpRule]) -> Vec<HttpRule> {
    let pairs = left.iter().flat_map(|a| right.iter().map(move |b| (a, b)));
    let mut both: Vec<HttpRule> = Vec::new();
    for rule in pairs.filter_map(|(a, b)| rule(a, b)) {
        if !both.contains(&rule) {
            both.push(rule);
        }
    }
    both
}

fn rule(left: &HttpRule, right: &HttpRule) -> Option<HttpRule> {
    let host = HostPattern::parse(&left.host).ok()?.and(&HostPattern::parse(&right.host).ok()?)?;
    let methods = match (left.methods.is_empty(), right.methods.is_empty()) {
        (true, _) => right.methods.clone(),
        (_, true) => left.methods.clone(),
        _ => {
            let both: Vec<_> = left.methods.iter().filter(|method| right.methods.contains(method)).cloned().collect();
            if both.is_empty() {
                return None;
            }
            both
        }
    };
    let path_prefixes = match (left.path_prefixes.is_empty(), right.path_prefixes.is_empty()) {
        (true, _) => right.path_prefixes.clone(),
        (_, true) => left.path_prefixes.clone(),
        _ => {
            let pairs = left.path_prefixes.iter().flat_map(|a| right.path_prefixes.iter().map(move |b| (a, b)));
            let both: Vec<_> = pairs.filter_map(|(a, b)| paths::both(a, b)).collect();
            if both.is_empty() {
                return None;
            }
            both
        }
    };
    Some(HttpRule { host: host.to_string(), methods, path_prefixes })
}
