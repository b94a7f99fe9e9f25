//! A world for tests: HTTP answers that a test scripts, values in memory, a clock that stands still.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use domain::{
    Clock, TestClock, Time,
    plugin::{Capabilities, Grant, Manifest, NodeCause, PluginEffect, PluginOutcome, PluginPin},
};
use plugin_host::{
    AdmissionLimits, BreakerLimits, CallError, Called, Caller, Commit, Compiler, Exchange, ExchangeError, Host,
    HostSettings, KvChanges, KvEntry, KvExpiry, KvScope, KvUsage, Limits, Loaded, OperatorPolicy, Reply, Rights,
    ServiceError, Services,
};
use serde_json::json;
use tokio::sync::Semaphore;

type Values = BTreeMap<(KvScope, String), KvEntry>;
type Answer = Box<dyn Fn(&Exchange) -> Result<Reply, ExchangeError> + Send + Sync>;

/// What the world keeps.
pub(crate) struct World {
    pub(crate) exchanges: Mutex<Vec<Exchange>>,
    pub(crate) answer: Answer,
    /// What an exchange waits for: one permit each.
    pub(crate) gate: Option<Arc<Semaphore>>,
    pub(crate) kv: Mutex<Values>,
    pub(crate) commits: Mutex<Vec<(KvChanges, Option<PluginOutcome>)>>,
    /// How many commits to refuse as if others had been faster.
    pub(crate) conflicts: Mutex<u32>,
    pub(crate) secrets: BTreeMap<String, String>,
    pub(crate) clock: TestClock,
}

impl Default for World {
    fn default() -> Self {
        Self {
            exchanges: Mutex::default(),
            answer: Box::new(|_| Ok(Reply { status: 200, headers: Vec::new(), body: b"fine".to_vec() })),
            gate: None,
            kv: Mutex::default(),
            commits: Mutex::default(),
            conflicts: Mutex::default(),
            secrets: BTreeMap::new(),
            clock: clock(),
        }
    }
}

pub(crate) fn clock() -> TestClock {
    TestClock::at(Time::from_timestamp(1_700_000_000, 0).unwrap())
}

#[async_trait::async_trait]
impl Services for World {
    async fn exchange(&self, exchange: Exchange) -> Result<Reply, ExchangeError> {
        let answer = (self.answer)(&exchange);
        self.exchanges.lock().unwrap().push(exchange);
        if let Some(gate) = &self.gate {
            gate.acquire().await.unwrap().forget();
        }
        answer
    }

    async fn kv_get(&self, scope: KvScope, key: &str) -> Result<Option<KvEntry>, ServiceError> {
        Ok(self.kv.lock().unwrap().get(&(scope, key.to_owned())).cloned())
    }

    async fn kv_keys(
        &self,
        scope: KvScope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, ServiceError> {
        let kv = self.kv.lock().unwrap();
        let keys = kv.keys().filter(|(of, key)| *of == scope && key.starts_with(prefix)).map(|(_, key)| key.clone());
        Ok(keys.filter(|key| after.is_none_or(|after| key.as_str() > after)).take(limit as usize).collect())
    }

    async fn kv_usage(&self, scope: KvScope) -> Result<KvUsage, ServiceError> {
        let kv = self.kv.lock().unwrap();
        let own = kv.iter().filter(|((of, _), _)| *of == scope);
        let bytes = own.clone().map(|((_, key), entry)| (key.len() + entry.value.len()) as u64).sum();
        Ok(KvUsage { keys: own.count() as u64, bytes })
    }

    async fn kv_commit(&self, changes: &KvChanges, outcome: Option<&PluginOutcome>) -> Result<Commit, ServiceError> {
        self.commits.lock().unwrap().push((changes.clone(), outcome.cloned()));
        let mut conflicts = self.conflicts.lock().unwrap();
        if *conflicts > 0 {
            *conflicts -= 1;
            return Ok(Commit::Conflict);
        }
        let mut kv = self.kv.lock().unwrap();
        let version = |kv: &Values, scope, key: &str| kv.get(&(scope, key.to_owned())).map(|entry| entry.version);
        if changes.checks.iter().any(|check| version(&kv, check.scope, &check.key) != check.version) {
            return Ok(Commit::Conflict);
        }
        for write in &changes.writes {
            let key = (write.scope, write.key.clone());
            assert_ne!(write.expiry, KvExpiry::After(0));
            let version = version(&kv, key.0, &key.1).unwrap_or(0) + 1;
            match write.value.clone() {
                Some(value) => kv.insert(key, KvEntry { value, version }),
                None => kv.remove(&key),
            };
        }
        Ok(Commit::Done)
    }

    async fn secret(&self, name: &str) -> Result<Option<String>, ServiceError> {
        Ok(self.secrets.get(name).cloned())
    }

    fn now(&self) -> Time {
        self.clock.now()
    }

    fn random(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).unwrap();
    }
}

/// Settings with room for everything that tests do.
pub(crate) fn settings() -> HostSettings {
    HostSettings {
        limits_max: limits(),
        admission: AdmissionLimits {
            calls: 16,
            calls_per_tenant: 8,
            calls_per_plugin: 8,
            waiting_per_tenant: 1000,
            wait: Duration::from_secs(30),
        },
        breaker: BreakerLimits { failures: 1000, rest: Duration::from_secs(30) },
        allows_wasi: false,
        compiler: Compiler::InProcess,
        cache: None,
        ready_bytes_max: 64 << 20,
    }
}

pub(crate) fn limits() -> Limits {
    Limits { cpu_ms: 200, wall_ms: 20_000, memory_bytes: 16 << 20, ..Limits::usual() }
}

pub(crate) fn host() -> Arc<Host> {
    host_with(settings())
}

pub(crate) fn host_with(settings: HostSettings) -> Arc<Host> {
    Host::new(settings, Arc::new(clock())).unwrap()
}

pub(crate) async fn load(host: &Host, component: Vec<u8>) -> Arc<Loaded> {
    let digest = plugin_host::digest_of(&component);
    host.load(&digest, async { Ok(component) }).await.unwrap()
}

/// One who may do all that these capabilities say.
pub(crate) fn caller(world: Arc<World>, capabilities: serde_json::Value, grant: serde_json::Value) -> Caller {
    let capabilities: Capabilities = serde_json::from_value(capabilities).unwrap();
    let grant: Grant = serde_json::from_value(grant).unwrap();
    Caller {
        tenant: 1,
        limits: limits(),
        rights: Arc::new(Rights::new(capabilities, OperatorPolicy::everything(), grant)),
        has_contact: true,
        services: world,
    }
}

/// One who may log.
pub(crate) fn plain_caller() -> Caller {
    caller(Arc::default(), json!({ "log": true }), json!({ "log": true }))
}

pub(crate) fn effect() -> PluginEffect {
    PluginEffect {
        plugin: PluginPin { name: "sample".into(), version: "1.0.0".into(), digest: String::new() },
        node_type: "step".into(),
        config: json!({ "text": "hello" }),
        context: json!({ "contact": { "name": "Ada" } }),
        state: None,
        cause: NodeCause::Enter,
        retries: 0,
        idempotency_key: "1:1".into(),
    }
}

/// The failure's kind and sentence.
pub(crate) fn failure<T: std::fmt::Debug>(called: &Called<T>) -> (domain::plugin::FailureKind, String) {
    match &called.result {
        Err(CallError::Failure(failure)) => (failure.kind, failure.message.clone()),
        other => panic!("this is no failure: {other:?}"),
    }
}

pub(crate) fn read_manifest(value: serde_json::Value) -> Manifest {
    serde_json::from_value(value).unwrap()
}
