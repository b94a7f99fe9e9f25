//! This process as one of the hosts that share the work.
//!
//! A host owns the mailboxes it works on only while its lease lasts. It prolongs the lease while it lives; when it
//! dies, another host (or the next start, on SQLite) declares it dead and its mailboxes are free again. A host that was
//! declared dead by mistake (stopped for too long) finds its row gone, drops everything and starts over under a new id.
//!
//! Where several hosts share a database, leases go by the database's clock; whether this host's own is certain goes by a
//! clock that never jumps.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::TimeDelta;
use domain::{Clock, HostId, HostRole};
use storage::{Db, Host};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::pause::jittered;

/// How long a host may be silent before its work is given to others.
const LEASE: TimeDelta = TimeDelta::seconds(15);
/// How long after asking for a lease a host is sure to have it. Less than the lease, so that nothing begins in the last
/// moment.
const CERTAIN: Duration = Duration::from_secs(12);
/// How often it prolongs its lease.
const RENEW: Duration = Duration::from_secs(4);
/// How long it waits for the database with that before it tries anew, over another connection: twice within the time that
/// the lease is certain.
const RENEWED_WITHIN: Duration = Duration::from_secs(4);
/// How soon it tries again when the lease could not be prolonged.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// What a host learns while it prolongs its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Mailboxes are free whose host is gone.
    Freed,
    /// This host was declared dead, owns nothing any more and begins anew.
    Reborn,
    /// There are so many hosts now that send, this one included.
    Workers(usize),
}

/// See the module.
pub(crate) struct Membership {
    db: Db,
    clock: Arc<dyn Clock>,
    name: String,
    role: HostRole,
    id: AtomicI64,
    /// Until when nobody can have declared this host dead, by a clock that never jumps.
    certain_until: Mutex<Instant>,
    renewed: Notify,
    /// The hosts that there were at the last look, but this one.
    others: Mutex<Vec<Host>>,
    /// Hosts have come or gone: look now.
    changed: Notify,
}

impl Membership {
    /// Announces this host. On a database that only one host can use, whoever was there before is dead.
    pub(crate) async fn join(db: Db, clock: Arc<dyn Clock>, role: HostRole) -> storage::Result<Arc<Self>> {
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let name = format!("{}:{}", machine.trim(), std::process::id());
        let this = Arc::new(Self {
            db,
            clock,
            name,
            role,
            id: AtomicI64::new(0),
            certain_until: Mutex::new(Instant::now()),
            renewed: Notify::new(),
            others: Mutex::default(),
            changed: Notify::new(),
        });
        this.register(true).await?;
        Ok(this)
    }

    async fn register(&self, starting: bool) -> storage::Result<()> {
        let asked = Instant::now();
        let mut tx = self.db.begin().await?;
        let now = tx.lease_clock(self.clock.now()).await?;
        let freed = tx.bury_hosts(now, self.clock.now(), starting && !self.db.is_shared()).await?;
        let id = tx.register_host(&self.name, self.role, now, now + LEASE).await?;
        let hosts = tx.hosts().await?;
        tx.commit().await?;
        self.id.store(id.0, Ordering::SeqCst);
        self.note(hosts);
        self.is_certain_from(asked);
        if freed > 0 {
            tracing::info!(mailboxes = freed, "took over the work of hosts that are gone");
        }
        Ok(())
    }

    fn note(&self, mut hosts: Vec<Host>) {
        let here = self.host();
        hosts.retain(|host| host.id != here);
        *self.others.lock().unwrap_or_else(PoisonError::into_inner) = hosts;
    }

    /// Whether this host runs contacts and sends.
    pub(crate) fn works(&self) -> bool {
        self.role.works()
    }

    /// How many hosts send, this one included, as of the last look.
    pub(crate) fn workers(&self) -> usize {
        let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        others.iter().filter(|host| host.role.works()).count() + usize::from(self.role.works())
    }

    /// Another host that runs contacts: each time another one, if there are several.
    pub(crate) fn another_worker(&self) -> Option<HostId> {
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        let next = others.iter().position(|host| host.role.works())?;
        others.rotate_left(next + 1);
        others.last().map(|host| host.id)
    }

    /// A host came or went: look soon.
    pub(crate) fn hosts_changed(&self) {
        self.changed.notify_one();
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
        loop {
            let renewed = self.renewed.notified();
            if self.host() != host {
                return false;
            }
            if self.is_certain_now() {
                return true;
            }
            renewed.await;
        }
    }

    /// Whether nobody can have declared this host dead at this moment.
    pub(crate) fn is_certain_now(&self) -> bool {
        !self.db.is_shared() || Instant::now() < *self.certain_until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prolongs the lease and buries the dead, until told to stop. Only needed where hosts share a database.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken, tell: impl Fn(News)) {
        if !self.db.is_shared() {
            return;
        }
        let mut workers = 0;
        loop {
            if workers != self.workers() {
                workers = self.workers();
                tell(News::Workers(workers));
            }
            let pause = match timeout(RENEWED_WITHIN, self.renew()).await {
                Ok(Ok(news)) => {
                    news.into_iter().for_each(&tell);
                    jittered(RENEW)
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "cannot prolong this host's lease");
                    jittered(TRY_AGAIN)
                }
                Err(_) => {
                    tracing::warn!("cannot prolong this host's lease: the database does not answer");
                    jittered(TRY_AGAIN)
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn renew(&self) -> storage::Result<Vec<News>> {
        let asked = Instant::now();
        let mut tx = self.db.begin().await?;
        let now = tx.lease_clock(self.clock.now()).await?;
        let alive = tx.renew_lease(self.host(), now + LEASE).await?;
        tx.commit().await?;
        if !alive {
            tracing::error!("this host was silent for too long and was declared dead; it starts over");
            self.register(false).await?;
            return Ok(vec![News::Reborn, News::Freed]);
        }
        self.is_certain_from(asked);
        // In a transaction of its own: whatever holds up a burial must not cost this host its own lease.
        let mut tx = self.db.begin().await?;
        let freed = tx.bury_hosts(now, self.clock.now(), false).await?;
        let hosts = tx.hosts().await?;
        tx.commit().await?;
        self.note(hosts);
        Ok(if freed > 0 { vec![News::Freed] } else { Vec::new() })
    }

    /// Signs off: what this host still owned is free for others, or for its next start.
    pub(crate) async fn leave(&self) -> storage::Result<()> {
        let mut tx = self.db.begin().await?;
        tx.sign_off(self.host(), self.clock.now()).await?;
        tx.commit().await
    }
}
