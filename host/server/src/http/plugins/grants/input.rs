//! What a client may say of a grant.

use domain::{
    JsonMap,
    plugin::{Grant, HttpRule, KvScopes, Manifest, SecretBinding},
};
use plugin_host::{HostPattern, OperatorPolicy, intersect, rule_faults};
use serde_json::json;
use utoipa::ToSchema;

use super::is_secret_wanted;
use crate::http::body::{Body, escape};

/// Most rules, secrets, hosts, methods or paths in one list.
const LIST_MAX: usize = 100;
/// Most characters of a host, a method, a path or a name.
const TEXT_CHARS_MAX: usize = 300;

/// What a plugin may do for a bot. What is absent is not allowed, but for lines in the log, the time and randomness.
#[derive(Debug, ToSchema)]
#[schema(as = PluginGrantInput)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct GrantInput {
    /// Requests it may make.
    http: Option<Vec<HttpRuleInput>>,
    /// Whose values it may keep.
    kv: Option<KvInput>,
    /// Secrets it may use, and where they may go.
    secrets: Option<Vec<SecretBindingInput>>,
    /// Whether it may write into its log.
    #[schema(default = true)]
    log: Option<bool>,
    /// Whether it may know the time.
    #[schema(default = true)]
    clock: Option<bool>,
    /// Whether it may draw random numbers.
    #[schema(default = true)]
    random: Option<bool>,
    /// Settings by key.
    #[schema(value_type = Option<Object>)]
    config: Option<JsonMap>,
}

/// A set of requests.
#[derive(Debug, ToSchema)]
#[schema(as = PluginHttpRule)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct HttpRuleInput {
    /// `api.example.com`, `*.example.com`; with `:port` unless it is the scheme's own.
    host: String,
    /// Methods; all when empty.
    methods: Option<Vec<String>>,
    /// What paths begin with; all when empty.
    path_prefixes: Option<Vec<String>>,
}

/// Whose values a plugin may keep.
#[derive(Debug, ToSchema)]
#[schema(as = PluginKvScopes)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct KvInput {
    /// The bot's.
    bot: Option<bool>,
    /// Each contact's.
    contact: Option<bool>,
}

/// A secret and where it may go.
#[derive(Debug, ToSchema)]
#[schema(as = PluginSecretBinding)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct SecretBindingInput {
    /// Name as in the manifest.
    name: String,
    /// Hosts that requests may carry it to; none: only for signatures.
    hosts: Option<Vec<String>>,
}

/// Reads a grant.
pub(super) fn read(body: &mut Body) -> Grant {
    let mut grant = Grant::harmless();
    let texts = |body: &mut Body, name| body.texts(name, LIST_MAX, TEXT_CHARS_MAX).optional().unwrap_or_default();
    body.list("http", LIST_MAX, |body| HttpRule {
        host: body.text("host").one_line().max(TEXT_CHARS_MAX).required(),
        methods: texts(body, "methods"),
        path_prefixes: texts(body, "path_prefixes"),
    })
    .set(&mut grant.http, false);
    let kv = body.object("kv").optional();
    body.list("secrets", LIST_MAX, |body| SecretBinding {
        name: body.text("name").one_line().max(TEXT_CHARS_MAX).required(),
        hosts: texts(body, "hosts"),
    })
    .set(&mut grant.secrets, false);
    body.boolean("log").set(&mut grant.log, false);
    body.boolean("clock").set(&mut grant.clock, false);
    body.boolean("random").set(&mut grant.random, false);
    body.object("config").set(&mut grant.config, false);
    if let Some(kv) = kv {
        let mut scopes = KvScopes::default();
        for (key, value) in kv {
            match (key.as_str(), value) {
                ("bot", serde_json::Value::Bool(on)) => scopes.bot = on,
                ("contact", serde_json::Value::Bool(on)) => scopes.contact = on,
                ("bot" | "contact", _) => body.fault(&format!("/kv/{key}"), "must be true or false"),
                _ => body.fault(&format!("/kv/{}", escape(&key)), "is unknown: there are `bot` and `contact`"),
            }
        }
        grant.kv = (scopes.bot || scopes.contact).then_some(scopes);
    }
    grant
}

/// Finds what cannot be granted: rules that are none, and what no version of the plugin asks for.
pub(super) fn check(body: &mut Body, grant: &Grant, manifests: &[Manifest]) {
    let everything = OperatorPolicy::everything();
    let in_force = |part: &Grant| {
        manifests.iter().map(|manifest| intersect(&manifest.capabilities, &everything, part)).collect::<Vec<_>>()
    };
    for (n, rule) in grant.http.iter().enumerate() {
        let faults = rule_faults(rule, false);
        if faults.is_empty() {
            let part = Grant { http: vec![rule.clone()], ..Grant::default() };
            if in_force(&part).iter().all(|granted| granted.http.is_empty()) {
                body.fault(&format!("/http/{n}"), not_wanted("capabilities.http", &json!(rule).to_string()));
            }
        }
        for (pointer, detail) in faults {
            body.fault(&format!("/http/{n}{pointer}"), detail);
        }
    }
    if let Some(kv) = grant.kv {
        let wanted =
            |has: fn(KvScopes) -> bool| manifests.iter().any(|manifest| manifest.capabilities.kv.is_some_and(has));
        if kv.bot && !wanted(|kv| kv.bot) {
            body.fault("/kv/bot", not_wanted("capabilities.kv", "{\"bot\":true}"));
        }
        if kv.contact && !wanted(|kv| kv.contact) {
            body.fault("/kv/contact", not_wanted("capabilities.kv", "{\"contact\":true}"));
        }
    }
    for (n, binding) in grant.secrets.iter().enumerate() {
        if !is_secret_wanted(manifests, &binding.name) {
            let line = json!({ "name": binding.name }).to_string();
            body.fault(&format!("/secrets/{n}/name"), not_wanted("capabilities.secrets", &line));
        }
        if grant.secrets[..n].iter().any(|other| other.name == binding.name) {
            body.fault(&format!("/secrets/{n}/name"), "is there twice");
        }
        for (m, host) in binding.hosts.iter().enumerate() {
            let fault = match HostPattern::parse(host) {
                Ok(HostPattern::Any) => Some("a secret goes to hosts by name, not to all".to_owned()),
                Ok(_) => None,
                Err(fault) => Some(fault),
            };
            if let Some(fault) = fault {
                body.fault(&format!("/secrets/{n}/hosts/{m}"), fault);
            }
        }
    }
    for key in grant.config.keys() {
        if !manifests.iter().any(|manifest| manifest.capabilities.config.iter().any(|wish| wish.key == *key)) {
            let line = json!({ "key": key }).to_string();
            body.fault(&format!("/config/{}", escape(key)), not_wanted("capabilities.config", &line));
        }
    }
}

fn not_wanted(place: &str, line: &str) -> String {
    format!("no version of the plugin asks for it: its manifest lacks `{place}`: {line}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<GrantInput>(|body| drop(read(body)));
    }
}
