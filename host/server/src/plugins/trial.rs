//! Trying a version with made-up input: everything is shown and nothing is kept.

use std::sync::Arc;

use domain::{
    BotId, ContactId, UserId,
    plugin::{Grant, NodeCause, PluginEffect, PluginFailure, PluginPin},
};
use plugin_host::{CallError, Called, HookRequest, LogLine, Occurrence, TriggerCall, Usage};
use serde_json::{Value, json};
use storage::{Plugin, PluginVersion};

use super::{Plugins, services::Mode, setup, setup::Setup};

/// What is tried.
#[derive(Debug)]
pub struct Trial {
    /// Who tries.
    pub user: UserId,
    /// With whose grants, secrets and values: a bot of that user. None: with what every plugin may do.
    pub bot: Option<BotId>,
    /// With which contact's values.
    pub contact: Option<ContactId>,
    /// Whether requests are made; if not, they are refused.
    pub allows_http: bool,
    /// Configuration.
    pub config: Value,
    /// Context.
    pub context: Value,
    /// What is called.
    pub call: TrialCall,
}

/// What of a plugin is called.
#[derive(Debug)]
pub enum TrialCall {
    /// A node.
    Node {
        /// Its type.
        node_type: String,
        /// What the last call returned.
        state: Option<Value>,
        /// Why it is called.
        cause: NodeCause,
    },
    /// A matcher.
    Matches(String, Occurrence),
    /// A webhook handler.
    Handle(String, HookRequest),
    /// A poller.
    Poll(String, Option<Value>),
}

/// What came of a trial.
#[derive(Debug)]
pub struct TrialOutcome {
    /// What the plugin answered, as JSON; or why there is no answer.
    pub result: Result<Value, CallError>,
    /// What it cost.
    pub usage: Usage,
    /// What it logged.
    pub logs: Vec<LogLine>,
    /// What it was denied, each once: sentences that name the missing lines.
    pub denials: Vec<String>,
    /// What it may do: to be told from what it asks for.
    pub allowed: Grant,
}

impl Plugins {
    /// Tries a version. It waits for room in a queue of its own, and its failures do not count against the plugin.
    ///
    /// # Errors
    /// When the database refuses, or the code cannot be loaded.
    pub async fn try_out(
        &self,
        plugin: &Plugin,
        version: PluginVersion,
        trial: Trial,
    ) -> storage::Result<Result<TrialOutcome, PluginFailure>> {
        let (grant, secrets) = match trial.bot {
            Some(bot) => {
                let mut tx = self.db.read().await?;
                let grant = tx.plugin_grant(plugin.id, bot).await?;
                let sealed = tx.plugin_secrets(plugin.id, bot).await?;
                tx.commit().await?;
                (grant.unwrap_or_else(Grant::harmless), setup::open(&self.secrets, sealed))
            }
            None => (Grant::harmless(), setup::HeldSecrets::new()),
        };
        let setup = Setup {
            plugin: plugin.id,
            name: plugin.name.clone(),
            rights: Arc::new(setup::rights(&version.manifest, &self.config.policy, grant.clone())),
            limits: self.limits(plugin),
            secrets: Arc::new(secrets),
            tenant: UserId(-trial.user.0),
            is_own: plugin.owner_id == trial.user,
            version: version.version,
            digest: version.digest,
        };
        let code = match self.code(&setup.digest).await {
            Ok(code) => code,
            Err(failure) => return Ok(Err(failure)),
        };
        let call_id = format!("trial-{}", self.clock.now().timestamp_micros());
        let mode = Mode::Trial { allows_http: trial.allows_http };
        let bot = trial.bot.unwrap_or(BotId(0));
        let caller = self.caller(&setup, bot, trial.contact, &call_id, mode);
        let Trial { config, context, call, .. } = trial;
        let asked =
            |trigger_type, config, context| TriggerCall { trigger_type, config, context, call_id: call_id.clone() };
        let outcome = match call {
            TrialCall::Node { node_type, state, cause } => {
                let pin = PluginPin {
                    name: setup.name.clone(),
                    version: setup.version.clone(),
                    digest: setup.digest.clone(),
                };
                let idempotency_key = call_id.clone();
                let effect =
                    PluginEffect { plugin: pin, node_type, config, context, state, cause, retries: 0, idempotency_key };
                shown(self.host.node(&code, &caller, &effect).await, |step| json!({ "step": step }))
            }
            TrialCall::Matches(trigger_type, occurrence) => {
                let called =
                    self.host.matches(&code, &caller, &asked(trigger_type, config, context), &occurrence).await;
                shown(called, |found| {
                    let found = found.map(
                        |found| json!({ "score": found.score, "extracted": found.extracted, "reason": found.reason }),
                    );
                    json!({ "recognition": found })
                })
            }
            TrialCall::Handle(trigger_type, request) => {
                let called = self.host.handle(&code, &caller, &asked(trigger_type, config, context), &request).await;
                shown(called, |handling| {
                    let body = String::from_utf8_lossy(&handling.body);
                    let answer = json!({ "status": handling.status, "headers": handling.headers, "body": body });
                    json!({ "handling": { "answer": answer, "events": handling.events } })
                })
            }
            TrialCall::Poll(trigger_type, cursor) => {
                let call = asked(trigger_type, config, context);
                let called = self.host.poll(&code, &caller, &call, cursor.as_ref()).await;
                shown(called, |finding| {
                    let (events, cursor, next) = (finding.events, finding.cursor, finding.next_in_ms);
                    json!({ "finding": { "events": events, "cursor": cursor, "next_in_ms": next } })
                })
            }
        };
        let Called { result, usage, logs, denials } = outcome;
        let result = result.map_err(|error| setup.for_owner_only(error));
        Ok(Ok(TrialOutcome { result, usage, logs, denials, allowed: grant }))
    }
}

fn shown<T>(called: Called<T>, show: impl FnOnce(T) -> Value) -> Called<Value> {
    let Called { result, usage, logs, denials } = called;
    Called { result: result.map(show), usage, logs, denials }
}
