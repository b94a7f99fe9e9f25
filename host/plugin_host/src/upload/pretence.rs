//! A world for checks: it answers everything and does nothing.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use domain::{
    Clock, Time,
    plugin::{Grant, Manifest, PluginOutcome, SecretBinding},
};
use sha2::{Digest, Sha256};

use super::{CPU_MS_MAX, Examination, WALL_MS_MAX};
use crate::{
    Caller, Commit, Exchange, ExchangeError, KvChanges, KvEntry, KvScope, KvUsage, Limits, OperatorPolicy, Reply,
    Rights, ServiceError, Services,
};

/// Who makes the calls of a check: with all that the manifest asks for, or with nothing but the log.
pub(super) fn caller(examination: &Examination, clock: &Arc<dyn Clock>, manifest: Option<&Manifest>) -> Caller {
    let limits = &examination.limits;
    let capabilities = manifest.map(|manifest| manifest.capabilities.clone()).unwrap_or_default();
    let grant = Grant {
        http: capabilities.http.clone(),
        kv: capabilities.kv,
        secrets: capabilities
            .secrets
            .iter()
            .map(|wish| SecretBinding { name: wish.name.clone(), hosts: hosts(manifest) })
            .collect(),
        ..Grant::harmless()
    };
    Caller {
        tenant: examination.tenant,
        limits: Limits { cpu_ms: limits.cpu_ms.min(CPU_MS_MAX), wall_ms: limits.wall_ms.min(WALL_MS_MAX), ..*limits },
        rights: Arc::new(Rights::new(capabilities, OperatorPolicy::everything(), grant)),
        has_contact: true,
        services: Arc::new(Pretence { now: clock.now(), drawn: AtomicU64::new(0), kv: Mutex::default() }),
    }
}

fn hosts(manifest: Option<&Manifest>) -> Vec<String> {
    manifest
        .map(|manifest| manifest.capabilities.http.iter().map(|rule| rule.host.clone()).collect())
        .unwrap_or_default()
}

struct Pretence {
    now: Time,
    drawn: AtomicU64,
    kv: Mutex<BTreeMap<(KvScope, String), KvEntry>>,
}

#[async_trait::async_trait]
impl Services for Pretence {
    async fn exchange(&self, _: Exchange) -> Result<Reply, ExchangeError> {
        Err(ExchangeError::Unreachable("no requests are made while a plugin is checked".into()))
    }

    async fn kv_get(&self, scope: KvScope, key: &str) -> Result<Option<KvEntry>, ServiceError> {
        Ok(self.kv.lock().unwrap_or_else(PoisonError::into_inner).get(&(scope, key.to_owned())).cloned())
    }

    async fn kv_keys(
        &self,
        scope: KvScope,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, ServiceError> {
        let kv = self.kv.lock().unwrap_or_else(PoisonError::into_inner);
        let keys = kv.keys().filter(|(of, key)| *of == scope && key.starts_with(prefix)).map(|(_, key)| key);
        let keys = keys.filter(|key| after.is_none_or(|after| key.as_str() > after));
        Ok(keys.take(limit as usize).cloned().collect())
    }

    async fn kv_usage(&self, scope: KvScope) -> Result<KvUsage, ServiceError> {
        let kv = self.kv.lock().unwrap_or_else(PoisonError::into_inner);
        let mut usage = KvUsage::default();
        for ((_, key), entry) in kv.iter().filter(|((of, _), _)| *of == scope) {
            usage.keys += 1;
            usage.bytes += (key.len() + entry.value.len()) as u64;
        }
        Ok(usage)
    }

    async fn kv_commit(&self, changes: &KvChanges, _: Option<&PluginOutcome>) -> Result<Commit, ServiceError> {
        let mut kv = self.kv.lock().unwrap_or_else(PoisonError::into_inner);
        for write in &changes.writes {
            let key = (write.scope, write.key.clone());
            let version = kv.get(&key).map_or(0, |entry| entry.version) + 1;
            match write.value.clone() {
                Some(value) => kv.insert(key, KvEntry { value, version }),
                None => kv.remove(&key),
            };
        }
        Ok(Commit::Done)
    }

    async fn secret(&self, name: &str) -> Result<Option<String>, ServiceError> {
        Ok(Some(format!("made-up-{name}")))
    }

    fn now(&self) -> Time {
        self.now
    }

    /// The same bytes for every check: an example must give the same twice.
    fn random(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(32) {
            let block = Sha256::digest(self.drawn.fetch_add(1, Relaxed).to_le_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
    }
}
