//! From a digest to code that can be called: from memory, from the cache on disk, or compiled.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, PoisonError},
};

use domain::plugin::{FailureKind, PluginFailure};
use lru::LruCache;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex as AsyncMutex;
use wasmtime::{Engine, component::Component};

use crate::{CompileError, Flavour, Host, Loaded, ServiceError, cache::Trusted, run::failure};

/// Code that is ready in memory.
pub(crate) struct Ready {
    loaded: Mutex<Store>,
    bytes_max: usize,
    /// One lock per digest that is being loaded: whoever comes second waits instead of compiling as well.
    loading: Mutex<HashMap<String, Arc<AsyncMutex<()>>>>,
}

struct Store {
    by_digest: LruCache<String, Arc<Loaded>>,
    bytes: usize,
}

impl Ready {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let loaded = Store { by_digest: LruCache::unbounded(), bytes: 0 };
        Self { loaded: Mutex::new(loaded), bytes_max, loading: Mutex::default() }
    }

    fn get(&self, digest: &str) -> Option<Arc<Loaded>> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).by_digest.get(digest).cloned()
    }

    /// Keeps code and lets go of what was not used for longest. What is running keeps its own hold.
    pub(crate) fn put(&self, loaded: &Arc<Loaded>) {
        let mut store = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = store.by_digest.put(loaded.digest().to_owned(), loaded.clone()) {
            store.bytes -= old.code_bytes;
        }
        store.bytes += loaded.code_bytes;
        while store.bytes > self.bytes_max && store.by_digest.len() > 1 {
            let Some((_, old)) = store.by_digest.pop_lru() else { return };
            store.bytes -= old.code_bytes;
        }
    }

    fn lock_for(&self, digest: &str) -> Arc<AsyncMutex<()>> {
        let mut loading = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        loading.retain(|_, lock| Arc::strong_count(lock) > 1);
        loading.entry(digest.to_owned()).or_default().clone()
    }
}

impl Host {
    /// The code of a plugin: from memory or from the cache, or else compiled from what `wasm` brings.
    ///
    /// # Errors
    /// When there is no WebAssembly of that digest, or it does not run on this server.
    pub async fn load(
        &self,
        digest: &str,
        wasm: impl Future<Output = Result<Vec<u8>, ServiceError>>,
    ) -> Result<Arc<Loaded>, PluginFailure> {
        if let Some(loaded) = self.ready.get(digest) {
            return Ok(loaded);
        }
        let lock = self.ready.lock_for(digest);
        let _alone = lock.lock().await;
        if let Some(loaded) = self.ready.get(digest) {
            return Ok(loaded);
        }
        let compatibility = compatibility(&self.engine);
        let code = match self.cached(digest, compatibility).await {
            Some(code) => code,
            None => {
                let wasm = wasm.await.map_err(|error| host_error(error.0))?;
                if digest_of(&wasm) != digest {
                    return Err(host_error("the plugin's code is damaged in the database"));
                }
                let code = self.compiled(&wasm, Flavour::Serving).await?;
                self.cache(digest, compatibility, code).await?
            }
        };
        let loaded = Arc::new(self.link(digest, &code, Flavour::Serving)?);
        self.ready.put(&loaded);
        Ok(loaded)
    }

    /// Compiles for an engine of this host.
    pub(crate) async fn compiled(&self, wasm: &[u8], flavour: Flavour) -> Result<Trusted, PluginFailure> {
        self.settings.compiler.compile(wasm, flavour).await.map(Trusted::fresh).map_err(|error| match error {
            CompileError::Host(why) => host_error(format!("the compiler cannot be run: {why}")),
            error => failure::plain(FailureKind::Unavailable, error.to_string()),
        })
    }

    /// Makes code callable.
    pub(crate) fn link(&self, digest: &str, code: &Trusted, flavour: Flavour) -> Result<Loaded, PluginFailure> {
        let (engine, linkers) = match flavour {
            Flavour::Serving => (&self.engine, &self.linkers),
            Flavour::Metered => (&self.metered, &self.metered_linkers),
        };
        let component = component(engine, code).map_err(|error| host_error(format!("{error:#}")))?;
        linkers.load(digest, &component, flavour == Flavour::Metered).map_err(|error| {
            let message = "the plugin is made for another version of the contract, or imports what there is not";
            PluginFailure {
                kind: FailureKind::Unavailable,
                message: message.into(),
                detail: Some(format!("{error:#}")),
            }
        })
    }

    async fn cached(&self, digest: &str, compatibility: u64) -> Option<Trusted> {
        let (cache, digest) = (self.cache.clone()?, digest.to_owned());
        tokio::task::spawn_blocking(move || cache.get(&digest, compatibility)).await.ok().flatten()
    }

    /// Keeps code on disk, if the disk has room: without it the next start is slower, and that is all.
    pub(crate) async fn cache(
        &self,
        digest: &str,
        compatibility: u64,
        code: Trusted,
    ) -> Result<Trusted, PluginFailure> {
        let Some(cache) = self.cache.clone() else { return Ok(code) };
        let digest = digest.to_owned();
        let kept = tokio::task::spawn_blocking(move || {
            if let Err(error) = cache.put(&digest, compatibility, &code) {
                tracing::warn!(%error, "compiled code was not kept");
            }
            code
        });
        kept.await.map_err(|error| host_error(error.to_string()))
    }
}

/// SHA-256 in lower-case hex.
pub fn digest_of(wasm: &[u8]) -> String {
    hex::encode(Sha256::digest(wasm))
}

/// What tells code for this engine from code for another version, setting or processor.
pub(crate) fn compatibility(engine: &Engine) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    hasher.finish()
}

fn component(engine: &Engine, code: &Trusted) -> wasmtime::Result<Component> {
    // SAFETY: `Trusted` is only made of what wasmtime itself has compiled: by the compiler that the operator has set
    // (`Compiler`), or read from a file whose code of authentication holds under the server's own key (`Cache::get`).
    // Code of another version or setting is refused by wasmtime.
    #[expect(unsafe_code, reason = "there is no other way to load code that was compiled before")]
    unsafe {
        Component::deserialize(engine, code.bytes())
    }
}

fn host_error(message: impl Into<String>) -> PluginFailure {
    failure::plain(FailureKind::HostError, message)
}
