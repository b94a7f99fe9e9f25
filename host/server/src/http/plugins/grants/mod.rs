//! What bots' owners allow plugins.

pub(in crate::http) mod delete;
pub(in crate::http) mod get;
mod input;
pub(in crate::http) mod put;

use domain::{
    BotId,
    plugin::{Capabilities, Grant, Manifest},
};
use plugin_host::{OperatorPolicy, intersect};
use serde::Serialize;
use serde_json::json;
use storage::{Plugin, Tx};
use utoipa::ToSchema;

use crate::{http::problem::Result, plugins::in_order};

/// What a plugin may do for a bot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginGrant)]
pub(in crate::http) struct GrantView {
    #[schema(value_type = i64)]
    bot_id: BotId,
    /// Whether somebody has said something; else it is what every plugin may do.
    is_set: bool,
    /// What the bot's owner allows.
    #[schema(value_type = Object)]
    allowed: Grant,
    /// What of it is in force: what the newest version asks for and the operator allows as well.
    #[schema(value_type = Object)]
    in_force: Grant,
    /// What the newest version asks for and the grant does not give, each as a line to be put into the grant.
    missing: Vec<String>,
    /// What it asks for and the operator does not allow.
    refused_by_operator: Vec<String>,
}

impl GrantView {
    fn new(bot_id: BotId, set: Option<Grant>, newest: Option<&Manifest>, operator: &OperatorPolicy) -> Self {
        let is_set = set.is_some();
        let allowed = set.unwrap_or_else(Grant::harmless);
        let none = Capabilities::default();
        let wanted = newest.map_or(&none, |manifest| &manifest.capabilities);
        Self {
            bot_id,
            is_set,
            in_force: intersect(wanted, operator, &allowed),
            missing: missing(wanted, &allowed),
            refused_by_operator: refused(wanted, operator),
            allowed,
        }
    }
}

/// The manifests of all versions of a plugin, highest first: flows may run any of them. And the newest that is switched
/// on.
pub(super) async fn manifests(tx: &mut Tx, plugin: &Plugin) -> Result<(Vec<Manifest>, Option<Manifest>)> {
    let (mut all, mut newest) = (Vec::new(), None);
    for head in in_order(tx.plugin_versions(plugin.id).await?) {
        if let Some(version) = tx.plugin_version(plugin.id, &head.version).await? {
            if newest.is_none() && version.is_enabled {
                newest = Some(version.manifest.clone());
            }
            all.push(version.manifest);
        }
    }
    Ok((all, newest))
}

/// Whether any version of a plugin asks for a secret of that name.
pub(super) fn is_secret_wanted(manifests: &[Manifest], name: &str) -> bool {
    manifests.iter().any(|manifest| manifest.capabilities.secrets.iter().any(|wish| wish.name == name))
}

/// What is wanted and not granted, as lines of a grant.
pub(super) fn missing(wanted: &Capabilities, grant: &Grant) -> Vec<String> {
    let everything = OperatorPolicy::everything();
    let mut lines = Vec::new();
    for rule in &wanted.http {
        let one = Capabilities { http: vec![rule.clone()], ..Capabilities::default() };
        if intersect(&one, &everything, grant).http.is_empty() {
            lines.push(format!("`http`: {}", json!(rule)));
        }
    }
    if let Some(kv) = wanted.kv {
        let has = grant.kv.unwrap_or_default();
        if (kv.bot && !has.bot) || (kv.contact && !has.contact) {
            lines.push(format!("`kv`: {}", json!(kv)));
        }
    }
    for wish in &wanted.secrets {
        if !grant.secrets.iter().any(|binding| binding.name == wish.name) {
            lines.push(format!("`secrets`: {}", json!({ "name": wish.name, "hosts": ["…"] })));
        }
    }
    for (name, wants, has) in
        [("log", wanted.log, grant.log), ("clock", wanted.clock, grant.clock), ("random", wanted.random, grant.random)]
    {
        if wants && !has {
            lines.push(format!("`{name}`: true"));
        }
    }
    for wish in &wanted.config {
        if !grant.config.contains_key(&wish.key) {
            lines.push(format!("`config`: {}", json!({ &wish.key: "…" })));
        }
    }
    lines
}

/// What is wanted and the operator does not allow, as lines of the operator's configuration.
pub(super) fn refused(wanted: &Capabilities, operator: &OperatorPolicy) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in &wanted.http {
        let one = Capabilities { http: vec![rule.clone()], ..Capabilities::default() };
        let all = Grant { http: vec![rule.clone()], ..Grant::default() };
        if intersect(&one, operator, &all).http.is_empty() {
            lines.push(format!("PLUGIN_HTTP_HOSTS={}", rule.host));
        }
    }
    let kv = wanted.kv.unwrap_or_default();
    for (name, wants, has) in [
        ("kv", (kv.bot && !operator.kv.bot) || (kv.contact && !operator.kv.contact), false),
        ("secrets", !wanted.secrets.is_empty(), operator.secrets),
        ("log", wanted.log, operator.log),
        ("clock", wanted.clock, operator.clock),
        ("random", wanted.random, operator.random),
        ("config", !wanted.config.is_empty(), operator.config),
    ] {
        if wants && !has {
            lines.push(format!("PLUGIN_CAPABILITIES={name}"));
        }
    }
    lines
}
