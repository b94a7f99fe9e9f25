//! Plugins at work: what users uploaded, found by what flows and triggers name, and called with what it was granted.
//!
//! Everything about plugins is in the database; what is kept here is compared with `plugin_revision`, so that every host
//! sees a change at the next use, or within half a second.

mod books;
mod call;
mod calls;
mod exchange;
mod ledger;
mod pending;
mod prometheus;
mod revision;
mod services;
mod setup;
mod trial;
mod upload;
mod versions;

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{
    Clock, UserId,
    plugin::{Catalogue, FailureKind, Manifest, PluginFailure, PluginPin, Usable},
};
use lru::LruCache;
use plugin_host::{CacheSettings, CompileLimits, Compiler, Host, HostSettings, Limits};
use storage::{Db, Plugin};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    config::{Config, PluginsConfig},
    egress::EgressAllow,
    secrets::Secrets,
    work::StartError,
};
use exchange::Outside;
use ledger::Ledger;
use revision::Revision;
use setup::{Setup, SetupKey};

pub use call::{HandleCall, MatchCall, PluginError, PollCall, TriggerCall};
pub(crate) use pending::{ATTEMPTS, PendingValues};
pub use plugin_host::{Finding, Handling, HookRequest, Occurrence, Recognition};
pub(crate) use setup::secret_place;
pub use trial::{Trial, TrialCall, TrialOutcome};
pub use upload::{Accepted, UploadError};
pub(crate) use versions::in_order;

/// Most setups kept: plugins times bots.
const SETUPS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Most users whose catalogues are kept.
const CATALOGUES_MAX: NonZeroUsize = NonZeroUsize::new(2_000).unwrap();
/// Most manifests kept.
const MANIFESTS_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
/// Folder in the data folder that keeps machine code.
const CACHE_FOLDER: &str = "plugins";
/// Bytes of machine code on disk.
const CACHE_BYTES_MAX: u64 = 4 << 30;
/// Bytes of machine code in memory.
const READY_BYTES_MAX: usize = 512 << 20;
/// Components that are taken in at once.
const UPLOADS_AT_ONCE: usize = 16;
/// Components that are examined at once; others wait.
const EXAMINATIONS_AT_ONCE: usize = 2;
/// What one compilation may use. An upload compiles twice and must end within the time of a request.
const COMPILE_LIMITS: CompileLimits =
    CompileLimits { memory_bytes: 4 << 30, cpu_seconds: 40, wall: Duration::from_secs(25), code_bytes: 512 << 20 };

/// See the module. One a process.
pub struct Plugins {
    db: Db,
    clock: Arc<dyn Clock>,
    config: PluginsConfig,
    secrets: Secrets,
    host: Arc<Host>,
    outside: Arc<Outside>,
    uploads: Semaphore,
    examinations: Semaphore,
    revision: Revision,
    setups: Mutex<LruCache<SetupKey, (i64, Arc<Setup>)>>,
    catalogues: Mutex<LruCache<UserId, (i64, Arc<Catalogue>)>>,
    manifests: Mutex<LruCache<String, Arc<Manifest>>>,
    ledger: Ledger,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Plugins {
    /// Sets the runtime up. No plugin is loaded before it is needed.
    ///
    /// # Errors
    /// When this machine cannot run WebAssembly, or a client or folder cannot be made.
    pub fn open(db: &Db, clock: &Arc<dyn Clock>, config: &Config, secrets: &Secrets) -> Result<Arc<Self>, StartError> {
        let settings = HostSettings {
            limits_max: config.plugins.limits,
            admission: config.plugins.admission,
            breaker: config.plugins.breaker,
            allows_wasi: config.plugins.allows_wasi,
            compiler: compiler(config)?,
            cache: Some(CacheSettings {
                folder: config.data_dir.join(CACHE_FOLDER),
                key: *secrets.plugin_cache_key(),
                bytes_max: CACHE_BYTES_MAX,
            }),
            ready_bytes_max: READY_BYTES_MAX,
        };
        let host = Host::new(settings, clock.clone())?;
        let outside = Arc::new(Outside::new(EgressAllow::new(&config.egress))?);
        Ok(Arc::new(Self {
            uploads: Semaphore::new(UPLOADS_AT_ONCE),
            examinations: Semaphore::new(EXAMINATIONS_AT_ONCE),
            db: db.clone(),
            clock: clock.clone(),
            config: config.plugins.clone(),
            secrets: secrets.clone(),
            host,
            outside,
            revision: Revision::new(db),
            setups: Mutex::new(LruCache::new(SETUPS_MAX)),
            catalogues: Mutex::new(LruCache::new(CATALOGUES_MAX)),
            manifests: Mutex::new(LruCache::new(MANIFESTS_MAX)),
            ledger: Ledger::default(),
        }))
    }

    /// Something about plugins was changed, and committed, by this process.
    pub fn changed(&self) {
        self.revision.changed();
    }

    /// A turn to hand a component in; none when too many are being handed in.
    pub(crate) fn upload_turn(&self) -> Option<SemaphorePermit<'_>> {
        self.uploads.try_acquire().ok()
    }

    /// What one call of a plugin may use.
    pub fn limits(&self, plugin: &Plugin) -> Limits {
        setup::limits(plugin, &self.config)
    }

    /// What a user can use now, for checking and pinning flows. As of this moment, on every host.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn catalogue(&self, owner: UserId) -> storage::Result<Arc<Catalogue>> {
        let mut tx = self.db.read().await?;
        tx.hold_still().await?;
        let revision = tx.plugin_revision().await?;
        if let Some((known, catalogue)) = lock(&self.catalogues).get(&owner)
            && *known == revision
        {
            return Ok(catalogue.clone());
        }
        let (newest, disabled) = versions::newest(tx.visible_versions(owner).await?);
        let keys: Vec<_> = newest.iter().map(|version| (version.plugin_id, version.version.clone())).collect();
        let mut manifests: std::collections::HashMap<_, _> = tx.manifests(&keys).await?.into_iter().collect();
        tx.commit().await?;
        let usable = newest.into_iter().filter_map(|version| {
            let manifest = Arc::new(manifests.remove(&version.plugin_id)?);
            let pin = PluginPin { name: version.name, version: version.version, digest: version.digest };
            Some(Usable { pin, manifest })
        });
        let catalogue = Arc::new(Catalogue::new(usable, disabled));
        lock(&self.catalogues).put(owner, (revision, catalogue.clone()));
        Ok(catalogue)
    }

    /// What the pinned code says of itself; also of versions that are switched off but still in use.
    ///
    /// # Errors
    /// When it is gone or the database refuses.
    pub async fn manifest(&self, pin: &PluginPin) -> Result<Arc<Manifest>, PluginFailure> {
        if let Some(manifest) = lock(&self.manifests).get(&pin.digest) {
            return Ok(manifest.clone());
        }
        let read = async || {
            let mut tx = self.db.read().await?;
            let manifest = tx.manifest_of(&pin.digest).await?;
            tx.commit().await?;
            Ok(manifest)
        };
        let manifest = read().await.map_err(|error: storage::Error| host_error(&error))?;
        let gone = || failure(FailureKind::Unavailable, format!("{} {} is gone", pin.name, pin.version));
        let manifest = Arc::new(manifest.ok_or_else(gone)?);
        lock(&self.manifests).put(pin.digest.clone(), manifest.clone());
        Ok(manifest)
    }
}

/// The child that compiles: this program again, unless the configuration names another.
fn compiler(config: &Config) -> Result<Compiler, StartError> {
    let program = match &config.plugins.compiler {
        Some(program) => program.clone(),
        None => std::env::current_exe().map_err(StartError::Program)?,
    };
    Ok(Compiler::Child { program, arguments: vec![crate::cli::COMPILE_PLUGIN.into()], limits: COMPILE_LIMITS })
}

fn failure(kind: FailureKind, message: impl Into<String>) -> PluginFailure {
    PluginFailure { kind, message: message.into(), detail: None }
}

/// A fault of ours: logged here, and not shown.
fn host_error(cause: &dyn std::fmt::Display) -> PluginFailure {
    tracing::error!(%cause, "a plugin could not be run");
    failure(FailureKind::HostError, "the server could not run the plugin, and has logged why")
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
