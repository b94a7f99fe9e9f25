//! This process as one of the hosts that share the work.
//!
//! A host owns the mailboxes it works on only while its lease lasts. It prolongs the lease while it lives; when it
//! dies, another host (or the next start, on SQLite) declares it dead and its mailboxes are free again. A host that was
//! declared dead by mistake (stopped for too long) finds its row gone, drops everything and starts over under a new id.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use domain::{Clock, HostId};
use storage::Db;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long a host may be silent before its work is given to others.
const LEASE: TimeDelta = TimeDelta::seconds(15);
/// How long after asking for a lease a host is sure to have it. Less than the lease, so that nothing begins in the last
/// moment.
const CERTAIN: Duration = Duration::from_secs(12);
/// How often it prolongs its lease.
const RENEW: Duration = Duration::from_secs(4);

/// See the module.
pub(crate) struct Membership {
    db: Db,
    clock: Arc<dyn Clock>,
    name: String,
    id: AtomicI64,
    /// Until when nobody can have declared this host dead, by a clock that never jumps.
    certain_until: Mutex<Instant>,
    renewed: Notify,
}

impl Membership {
    /// Announces this host. On a database that only one host can use, whoever was there before is dead.
    pub(crate) async fn join(db: Db, clock: Arc<dyn Clock>) -> storage::Result<Arc<Self>> {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = format!("{}:{}", machine.trim(), std::process::id());
        let this = Arc::new(Self {
            db,
            clock,
            name,
            id: AtomicI64::new(0),
            certain_until: Mutex::new(Instant::now()),
            renewed: Notify::new(),
        });
        this.register(true).await?;
        Ok(this)
    }

    async fn register(&self, starting: bool) -> storage::Result<()> {
        let asked = Instant::now();
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let freed = tx.bury_hosts(now, starting && !self.db.is_shared()).await?;
        let id = tx.register_host(&self.name, now, now + LEASE).await?;
        tx.commit().await?;
        self.id.store(id.0, Ordering::SeqCst);
        self.is_certain_from(asked);
        if freed > 0 {
            tracing::info!(mailboxes = freed, "took over the work of hosts that are gone");
        }
        Ok(())
    }

    /// This host's id, as of now.
    pub(crate) fn host(&self) -> HostId {
        HostId(self.id.load(Ordering::SeqCst))
    }

    fn is_certain_from(&self, asked: Instant) {
        *self.certain_until.lock().unwrap_or_else(PoisonError::into_inner) = asked + CERTAIN;
        self.renewed.notify_waiters();
    }

    /// Whether this host is still the one it was when it was `host`, and nobody can have declared it dead. Waits for the
    /// lease to be prolonged if that is not sure at the moment.
    pub(crate) async fn is_certain(&self, host: HostId) -> bool {
        if !self.db.is_shared() {
            return true;
        }
        loop {
            let renewed = self.renewed.notified();
            if self.host() != host {
                return false;
            }
            if Instant::now() < *self.certain_until.lock().unwrap_or_else(PoisonError::into_inner) {
                return true;
            }
            renewed.await;
        }
    }

    /// Prolongs the lease and buries the dead, until told to stop. Only needed where hosts share a database.
    /// `freed` is called when mailboxes became free, `dead` when this host was declared dead and begins anew.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken, freed: impl Fn(), dead: impl Fn()) {
        if !self.db.is_shared() {
            return;
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RENEW) => {}
            }
            match self.renew(&dead).await {
                Ok(0) => {}
                Ok(_) => freed(),
                Err(error) => tracing::warn!(%error, "cannot prolong this host's lease"),
            }
        }
    }

    async fn renew(&self, dead: &impl Fn()) -> storage::Result<u64> {
        let asked = Instant::now();
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let alive = tx.renew_lease(self.host(), now + LEASE).await?;
        let buried = tx.bury_hosts(now, false).await?;
        tx.commit().await?;
        if alive {
            self.is_certain_from(asked);
            return Ok(buried);
        }
        tracing::error!("this host was silent for too long and was declared dead; it starts over");
        self.register(false).await?;
        dead();
        Ok(buried + 1)
    }

    /// Signs off: what this host still owned is free for others, or for its next start.
    pub(crate) async fn leave(&self) -> storage::Result<()> {
        let mut tx = self.db.begin().await?;
        tx.sign_off(self.host(), self.clock.now()).await?;
        tx.commit().await
    }
}
