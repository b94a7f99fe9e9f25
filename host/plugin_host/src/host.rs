//! The host: one engine, who may run, and the calls.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex},
};

use domain::{
    Clock,
    plugin::{FailureKind, Manifest, NodeCause, NodeStep, PluginEffect, PluginFailure, PluginOutcome},
};
use serde_json::Value;
use wasmtime::Engine;

use crate::{
    AdmissionLimits, BreakerLimits, CacheSettings, CallError, Called, Caller, Compiler, Finding, Flavour, Handling,
    HookRequest, Limits, Loaded, Occurrence, OpenCircuit, Recognition, TriggerCall,
    bindings::exports::chatboost::plugin::{node, trigger},
    cache::Cache,
    engine::{self, Room, Ticker},
    load::Ready,
    loaded::Linkers,
    run::{
        admission::Admission,
        answers::Check,
        attempt::{Answer, Request},
        breaker::Breaker,
        failure,
        lanes::Lanes,
    },
};

/// What a host is set up with. There is no default on purpose.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// The most that any call may use; what memory is laid out for.
    pub limits_max: Limits,
    /// Who runs, and who waits.
    pub admission: AdmissionLimits,
    /// When a plugin is left alone.
    pub breaker: BreakerLimits,
    /// Whether components may import WASI 0.2, which gives them nothing.
    pub allows_wasi: bool,
    /// Where code is compiled.
    pub compiler: Compiler,
    /// Where machine code is kept, if it is.
    pub cache: Option<CacheSettings>,
    /// Bytes of machine code that stay in memory. The least recently used goes first.
    pub ready_bytes_max: usize,
}

/// The host cannot be set up.
#[derive(Debug, thiserror::Error)]
#[error("plugins cannot be run: {0}")]
pub struct SetupError(String);

/// How busy a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Calls that run.
    pub running: u32,
    /// Calls that wait.
    pub waiting: u32,
    /// Whether memory comes from a pool. If not, the machine's address space was too small and calls start more slowly.
    pub is_pooled: bool,
}

/// Runs plugins. One for a process.
pub struct Host {
    pub(crate) settings: HostSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) engine: Engine,
    pub(crate) metered: Engine,
    pub(crate) linkers: Linkers,
    pub(crate) metered_linkers: Linkers,
    pub(crate) cache: Option<Arc<Cache>>,
    pub(crate) ready: Ready,
    is_pooled: bool,
    pub(crate) ticker: Arc<Ticker>,
    pub(crate) admission: Arc<Admission>,
    pub(crate) breaker: Breaker,
    pub(crate) lanes: Lanes,
    /// Whose last call of which plugin was long: the next one begins in the slow lane.
    pub(crate) long: Mutex<HashSet<(i64, Arc<str>)>>,
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("is_pooled", &self.is_pooled).finish_non_exhaustive()
    }
}

impl Host {
    /// Sets a host up.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly, the cache's folder cannot be used, or a thread cannot be started.
    pub fn new(settings: HostSettings, clock: Arc<dyn Clock>) -> Result<Arc<Self>, SetupError> {
        // Room for calls that were given up a moment ago and for checks of uploads.
        let calls = settings.admission.calls + settings.admission.calls / 4 + 8;
        let room = Room {
            calls,
            memory_bytes: usize::try_from(settings.limits_max.memory_bytes).unwrap_or(usize::MAX),
            table_elements: usize::try_from(settings.limits_max.table_elements).unwrap_or(usize::MAX),
        };
        let build = || -> wasmtime::Result<_> {
            let (engine, is_pooled) = engine::serving(room)?;
            let metered = engine::plain(Flavour::Metered)?;
            let linkers = Linkers::new(&engine, settings.allows_wasi)?;
            let metered_linkers = Linkers::new(&metered, settings.allows_wasi)?;
            Ok((engine, is_pooled, metered, linkers, metered_linkers))
        };
        let (engine, is_pooled, metered, linkers, metered_linkers) =
            build().map_err(|error| SetupError(format!("{error:#}")))?;
        let ticker = Ticker::start(&[&engine, &metered]).map_err(|error| SetupError(error.to_string()))?;
        let cache = settings.cache.clone().map(|cache| Cache::open(cache, clock.clone())).transpose();
        let cache = cache.map_err(|error| SetupError(format!("the folder for compiled code: {error}")))?;
        Ok(Arc::new(Self {
            cache: cache.map(Arc::new),
            ready: Ready::new(settings.ready_bytes_max),
            admission: Admission::new(settings.admission),
            breaker: Breaker::new(settings.breaker, clock.clone()),
            lanes: Lanes::new(),
            long: Mutex::default(),
            settings,
            clock,
            engine,
            metered,
            linkers,
            metered_linkers,
            is_pooled,
            ticker,
        }))
    }

    /// The most that any call may use.
    pub fn limits_max(&self) -> &Limits {
        &self.settings.limits_max
    }

    /// How busy it is.
    pub fn load_now(&self) -> Load {
        let (running, waiting) = self.admission.counts();
        Load { running, waiting, is_pooled: self.is_pooled }
    }

    /// Circuits that are open.
    pub fn open_circuits(&self) -> Vec<OpenCircuit> {
        self.breaker.open()
    }

    /// What a plugin says of itself. No import but `log` can be used.
    pub async fn describe(&self, plugin: &Arc<Loaded>, caller: &Caller) -> Called<Manifest> {
        let read = |answer, check: &Check<'_>| match answer {
            Answer::Description(text) => check.description(text),
            _ => Err(mixed_up()),
        };
        self.call(plugin, caller, Request::Describe, read, |_| None).await
    }

    /// Calls a node: `execute` on entering, else `resume`.
    pub async fn node(&self, plugin: &Arc<Loaded>, caller: &Caller, effect: &PluginEffect) -> Called<NodeStep> {
        let call = node::Call {
            node_type: effect.node_type.clone(),
            config: printed(&effect.config),
            context: printed(&effect.context),
            state: effect.state.as_ref().map(printed),
            call_id: effect.idempotency_key.clone(),
        };
        let request = match &effect.cause {
            NodeCause::Enter => Request::Execute(call),
            NodeCause::Input(message) => Request::Resume(call, node::Cause::Input(printed(message))),
            NodeCause::TimedOut => Request::Resume(call, node::Cause::TimedOut),
            NodeCause::Elapsed => Request::Resume(call, node::Cause::Elapsed),
            NodeCause::Event(event) => Request::Resume(call, node::Cause::Event(printed(event))),
            NodeCause::Forced => Request::Resume(call, node::Cause::Forced),
        };
        let read = |answer, check: &Check<'_>| match answer {
            Answer::Step(step) => check.step(step),
            _ => Err(mixed_up()),
        };
        self.call(plugin, caller, request, read, |step| Some(PluginOutcome::Step(Box::new(step.clone())))).await
    }

    /// Asks a matcher.
    pub async fn matches(
        &self,
        plugin: &Arc<Loaded>,
        caller: &Caller,
        call: &TriggerCall,
        occurrence: &Occurrence,
    ) -> Called<Option<Recognition>> {
        let occurrence = match occurrence {
            Occurrence::Message(message) => trigger::Occurrence::Message(printed(message)),
            Occurrence::Event(event) => trigger::Occurrence::Event(printed(event)),
        };
        let read = |answer, check: &Check<'_>| match answer {
            Answer::Recognition(found) => check.recognition(found),
            _ => Err(mixed_up()),
        };
        self.call(plugin, caller, Request::Matches(trigger_call(call), occurrence), read, |_| None).await
    }

    /// Gives a request to a webhook handler.
    pub async fn handle(
        &self,
        plugin: &Arc<Loaded>,
        caller: &Caller,
        call: &TriggerCall,
        request: &HookRequest,
    ) -> Called<Handling> {
        let HookRequest { method, path, query, headers, body } = request.clone();
        let request = trigger::HttpRequest { method, path, query, headers, body };
        let read = |answer, check: &Check<'_>| match answer {
            Answer::Handling(handling) => check.handling(handling),
            _ => Err(mixed_up()),
        };
        self.call(plugin, caller, Request::Handle(trigger_call(call), request), read, |_| None).await
    }

    /// Lets a poller look.
    pub async fn poll(
        &self,
        plugin: &Arc<Loaded>,
        caller: &Caller,
        call: &TriggerCall,
        cursor: Option<&Value>,
    ) -> Called<Finding> {
        let read = |answer, check: &Check<'_>| match answer {
            Answer::Finding(finding) => check.finding(finding),
            _ => Err(mixed_up()),
        };
        let request = Request::Poll(trigger_call(call), cursor.map(printed));
        self.call(plugin, caller, request, read, |_| None).await
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.ticker.close();
    }
}

fn trigger_call(call: &TriggerCall) -> trigger::Call {
    trigger::Call {
        trigger_type: call.trigger_type.clone(),
        config: printed(&call.config),
        context: printed(&call.context),
        call_id: call.call_id.clone(),
    }
}

/// A value as JSON. Nothing of a value cannot be printed; and this copies less than its `to_string` does.
fn printed(value: &Value) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn mixed_up() -> CallError {
    let failure: PluginFailure = failure::plain(FailureKind::HostError, "the answer is not of the call");
    failure.into()
}
