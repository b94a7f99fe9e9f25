//! The world that the harness tells of, as the runtime asks for it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chatboost_sdk::{
    http::{HttpError, Request as HttpRequest},
    kv::Scope,
    testing::protocol::{Reply as Line, Request as Answer, Stored, World},
};
use chrono::{DateTime, TimeDelta};
use domain::{Time, plugin::PluginOutcome};
use plugin_host::{
    Commit, Exchange, ExchangeError, KvChanges, KvEntry, KvExpiry, KvScope, KvUsage, Reply, ServiceError, Services,
};

use super::wire::Wire;

/// A stored value and its key.
type Values = BTreeMap<(KvScope, String), Held>;

/// A stored value.
#[derive(Debug, Clone)]
struct Held {
    value: Vec<u8>,
    version: u64,
    expires_at_ms: Option<u64>,
}

/// See the module.
pub(super) struct PretendedWorld {
    world: World,
    wire: Option<Arc<Wire>>,
    values: Mutex<Values>,
    drawn: Mutex<u64>,
}

impl PretendedWorld {
    pub(super) fn new(world: World, wire: Arc<Wire>) -> Self {
        Self::of(world, Some(wire))
    }

    /// A world with nothing in it.
    pub(super) fn nowhere() -> Self {
        Self::of(World::default(), None)
    }

    fn of(mut world: World, wire: Option<Arc<Wire>>) -> Self {
        let now = world.now_ms;
        let values = std::mem::take(&mut world.kv)
            .into_iter()
            .filter(|stored| stored.expires_at_ms.is_none_or(|at| at > now))
            .map(|Stored { scope, key, value, version, expires_at_ms }| {
                ((scope_in(scope), key), Held { value, version, expires_at_ms })
            })
            .collect();
        Self { world, wire, values: Mutex::new(values), drawn: Mutex::new(0) }
    }

    /// All values as they are now.
    pub(super) fn kv(&self) -> Vec<Stored> {
        let tell = |((scope, key), held): (&(KvScope, String), &Held)| Stored {
            scope: scope_out(*scope),
            key: key.clone(),
            value: held.value.clone(),
            version: held.version,
            expires_at_ms: held.expires_at_ms,
        };
        self.values().iter().map(tell).collect()
    }

    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn expiry(&self, expiry: KvExpiry, before: Option<&Held>) -> Option<u64> {
        match expiry {
            KvExpiry::Never => None,
            KvExpiry::After(seconds) => Some(self.world.now_ms + u64::from(seconds) * 1000),
            KvExpiry::Kept => before.and_then(|held| held.expires_at_ms),
        }
    }
}

#[async_trait::async_trait]
impl Services for PretendedWorld {
    async fn exchange(&self, exchange: Exchange) -> Result<Reply, ExchangeError> {
        let lost = |why: String| ExchangeError::Unreachable(format!("the test harness is gone: {why}"));
        let wire = self.wire.as_ref().ok_or_else(|| lost("there is none".to_owned()))?;
        let text = |(name, value): (String, Vec<u8>)| (name, String::from_utf8_lossy(&value).into_owned());
        let request = HttpRequest {
            method: exchange.method,
            url: exchange.url.into(),
            headers: exchange.headers.into_iter().map(text).collect(),
            body: exchange.body,
            timeout_ms: u32::try_from(exchange.timeout_ms).ok(),
        };
        wire.write(&Line::Http { request }).await.map_err(lost)?;
        let answer = match wire.read().await.map_err(lost)? {
            Some(Answer::HttpAnswer { result }) => result,
            Some(_) => return Err(lost("it said something else than an answer".to_owned())),
            None => return Err(lost("it ended".to_owned())),
        };
        match answer {
            Ok(response) if response.body.len() as u64 > exchange.body_bytes_max => Err(ExchangeError::TooLarge),
            Ok(response) => Ok(Reply {
                status: response.status,
                headers: response.headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect(),
                body: response.body,
            }),
            Err(HttpError::Denied(why)) => Err(ExchangeError::Refused(why)),
            Err(HttpError::TimedOut) => Err(ExchangeError::TimedOut),
            Err(HttpError::TooLarge(_)) => Err(ExchangeError::TooLarge),
            Err(error) => Err(ExchangeError::Unreachable(error.to_string())),
        }
    }

    async fn kv_get(&self, scope: KvScope, key: &str) -> Result<Option<KvEntry>, ServiceError> {
        let values = self.values();
        let held = values.get(&(scope, key.to_owned()));
        Ok(held.map(|held| KvEntry { value: held.value.clone(), version: held.version }))
    }

    async fn kv_keys(
        &self,
        scope: KvScope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, ServiceError> {
        let values = self.values();
        let keys = values.keys().filter(|(of, _)| *of == scope).map(|(_, key)| key);
        let keys = keys.filter(|key| key.starts_with(prefix) && after.is_none_or(|after| key.as_str() > after));
        Ok(keys.take(limit as usize).cloned().collect())
    }

    async fn kv_usage(&self, scope: KvScope) -> Result<KvUsage, ServiceError> {
        let values = self.values();
        let held = values.iter().filter(|((of, _), _)| *of == scope);
        Ok(held.fold(KvUsage::default(), |usage, ((_, key), held)| KvUsage {
            keys: usage.keys + 1,
            bytes: usage.bytes + (key.len() + held.value.len()) as u64,
        }))
    }

    async fn kv_commit(&self, changes: &KvChanges, _outcome: Option<&PluginOutcome>) -> Result<Commit, ServiceError> {
        let mut values = self.values();
        let version = |values: &Values, scope, key: &str| values.get(&(scope, key.to_owned())).map(|held| held.version);
        if changes.checks.iter().any(|check| version(&values, check.scope, &check.key) != check.version) {
            return Ok(Commit::Conflict);
        }
        let next = values.values().map(|held| held.version).max().unwrap_or(0) + 1;
        for write in &changes.writes {
            let place = (write.scope, write.key.clone());
            let expires_at_ms = self.expiry(write.expiry, values.get(&place));
            match &write.value {
                Some(value) => drop(values.insert(place, Held { value: value.clone(), version: next, expires_at_ms })),
                None => drop(values.remove(&place)),
            }
        }
        Ok(Commit::Done)
    }

    async fn secret(&self, name: &str) -> Result<Option<String>, ServiceError> {
        Ok(self.world.secrets.get(name).cloned())
    }

    fn now(&self) -> Time {
        let since = TimeDelta::milliseconds(i64::try_from(self.world.now_ms).unwrap_or(i64::MAX));
        DateTime::UNIX_EPOCH + since
    }

    /// Looks random and is the same in every run.
    fn random(&self, bytes: &mut [u8]) {
        use sha2::{Digest, Sha256};

        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        for part in bytes.chunks_mut(32) {
            *drawn += 1;
            let block = Sha256::digest([self.world.seed.to_le_bytes(), drawn.to_le_bytes()].concat());
            part.copy_from_slice(&block[..part.len()]);
        }
    }
}

fn scope_in(scope: Scope) -> KvScope {
    match scope {
        Scope::Bot => KvScope::Bot,
        Scope::Contact => KvScope::Contact,
    }
}

fn scope_out(scope: KvScope) -> Scope {
    match scope {
        KvScope::Bot => Scope::Bot,
        KvScope::Contact => Scope::Contact,
    }
}
