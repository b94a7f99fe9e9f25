//! `chatboost plugin harness`: calls of a component for the SDK's test harness. What is said over standard input and
//! output stands in `chatboost_sdk::testing::protocol`.

mod answers;
mod wire;
mod world;

use std::{path::Path, sync::Arc};

use chatboost_sdk::testing::protocol::{Call, Entry, Reply, Request, Returned, Usage};
use domain::{
    SystemClock,
    plugin::{Grant, HttpRule, Manifest, PluginEffect, PluginPin, SecretBinding},
};
use plugin_host::{Called, Caller, Host, Limits, Loaded, OperatorPolicy, Rights, TriggerCall, digest_of};
use serde_json::Value;

use super::host;
use wire::Wire;
use world::PretendedWorld;

/// A component, ready to be called.
struct Opened {
    host: Arc<Host>,
    loaded: Arc<Loaded>,
    manifest: Manifest,
}

pub(super) async fn run() -> Result<(), String> {
    let wire = Arc::new(Wire::new());
    let mut opened: Option<Opened> = None;
    while let Some(request) = wire.read().await? {
        let reply = match (request, &opened) {
            (Request::Open { component }, None) => match open(&component).await {
                Ok((component, manifest)) => {
                    opened = Some(component);
                    Reply::Opened { manifest: Box::new(manifest) }
                }
                Err(reason) => Reply::Refused { reason },
            },
            (Request::Open { .. }, Some(_)) => Reply::Refused { reason: "a component is open already".to_owned() },
            (Request::Call(call), Some(opened)) => Reply::Returned(Box::new(opened.call(*call, &wire).await)),
            (Request::Call(_), None) => Reply::Refused { reason: "no component is open".to_owned() },
            (Request::HttpAnswer { .. }, _) => Reply::Refused { reason: "nothing was asked".to_owned() },
        };
        wire.write(&reply).await?;
    }
    Ok(())
}

async fn open(path: &Path) -> Result<(Opened, chatboost_sdk::Manifest), String> {
    let wasm = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let host = host::host(Arc::new(SystemClock))?;
    let digest = digest_of(&wasm);
    let loaded = host.load(&digest, async { Ok(wasm) }).await.map_err(|failure| words(&failure))?;
    let nobody = Caller {
        tenant: 0,
        limits: Limits::usual(),
        rights: Arc::new(Rights::new(Default::default(), OperatorPolicy::everything(), Grant::default())),
        has_contact: false,
        services: Arc::new(PretendedWorld::nowhere()),
    };
    let manifest = host.describe(&loaded, &nobody).await.result.map_err(|error| format!("{error:?}"))?;
    let value = serde_json::to_value(&manifest).map_err(|error| error.to_string())?;
    let told = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Ok((Opened { host, loaded, manifest }, told))
}

fn words(failure: &domain::plugin::PluginFailure) -> String {
    match &failure.detail {
        Some(detail) => format!("{}: {detail}", failure.message),
        None => failure.message.clone(),
    }
}

/// A grant of everything that a manifest wants, secrets to every host of it.
pub(in crate::cli::plugin) fn all(manifest: &Manifest) -> Grant {
    let wanted = &manifest.capabilities;
    let hosts: Vec<String> = wanted.http.iter().map(|rule: &HttpRule| rule.host.clone()).collect();
    let bind = |name: &String| SecretBinding { name: name.clone(), hosts: hosts.clone() };
    Grant {
        http: wanted.http.clone(),
        kv: wanted.kv,
        secrets: wanted.secrets.iter().map(|wish| bind(&wish.name)).collect(),
        log: wanted.log,
        clock: wanted.clock,
        random: wanted.random,
        config: Default::default(),
    }
}

impl Opened {
    async fn call(&self, call: Call, wire: &Arc<Wire>) -> Returned {
        let Call { entry, config, context, call_id, world } = call;
        let settings = world.settings.clone();
        let services = Arc::new(PretendedWorld::new(world, wire.clone()));
        let rights = Rights::new(
            self.manifest.capabilities.clone(),
            OperatorPolicy::everything(),
            Grant { config: settings, ..all(&self.manifest) },
        );
        let caller = Caller {
            tenant: 0,
            limits: Limits::usual(),
            rights: Arc::new(rights),
            has_contact: !context["contact"].is_null(),
            services: services.clone(),
        };
        let trigger = |trigger_type: String| TriggerCall {
            trigger_type,
            config: config.clone(),
            context: context.clone(),
            call_id: call_id.clone(),
        };
        let (host, loaded) = (&self.host, &self.loaded);
        let (result, usage, logs) = match entry {
            Entry::Node { node_type, state, cause } => {
                let effect = PluginEffect {
                    plugin: self.pin(),
                    node_type,
                    config,
                    context,
                    state,
                    cause: answers::cause(cause),
                    retries: 0,
                    idempotency_key: call_id,
                };
                parts(host.node(loaded, &caller, &effect).await, answers::step)
            }
            Entry::Matcher { trigger_type, occurrence } => {
                let occurrence = answers::occurrence(occurrence);
                parts(host.matches(loaded, &caller, &trigger(trigger_type), &occurrence).await, answers::recognition)
            }
            Entry::Webhook { trigger_type, request } => {
                let request = answers::hook_request(request);
                parts(host.handle(loaded, &caller, &trigger(trigger_type), &request).await, answers::handling)
            }
            Entry::Poller { trigger_type, cursor } => {
                let call = trigger(trigger_type);
                parts(host.poll(loaded, &caller, &call, cursor.as_ref()).await, answers::finding)
            }
        };
        Returned { result, kv: services.kv(), logs, usage: Some(usage) }
    }

    fn pin(&self) -> PluginPin {
        PluginPin {
            name: self.manifest.name.clone(),
            version: self.manifest.version.clone(),
            digest: self.loaded.digest().to_owned(),
        }
    }
}

type Parts = (chatboost_sdk::testing::protocol::CallResult, Usage, Vec<chatboost_sdk::testing::protocol::LogLine>);

/// A finished call in the harness's words.
fn parts<T>(called: Called<T>, tell: impl FnOnce(T) -> chatboost_sdk::testing::protocol::CallResult) -> Parts {
    let Called { result, usage, logs, .. } = called;
    let usage = Usage {
        instructions: usage.instructions.unwrap_or(0),
        memory_bytes: usage.peak_memory_bytes,
        cpu_us: usage.cpu_us,
    };
    let result = match result {
        Ok(answer) => tell(answer),
        Err(error) => answers::error(error),
    };
    (result, usage, logs.into_iter().map(answers::log_line).collect())
}

/// A value read as another type that has the same shape in JSON.
fn same_shape<T: serde::Serialize, U: serde::de::DeserializeOwned>(value: T) -> Result<U, String> {
    let value: Value = serde_json::to_value(value).map_err(|error| error.to_string())?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}
