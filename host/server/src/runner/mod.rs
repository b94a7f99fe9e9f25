//! The runner: takes contacts with something to do, works their mailboxes through in memory and commits what came of it.
//!
//! ```text
//! ingest, API, timekeeper ──wake──▶ Lanes ──take──▶ load ─▶ Desk::work ─▶ commit ─┬▶ outbox (messages)
//!                                     ▲                                            └▶ effects (calls to the outside)
//!                                     └──────────────── outcome ◀──────────────────────┘
//! ```
//!
//! A batch is whatever became ready while the previous one was committed, so a busy server shares each commit among
//! many contacts and an idle one answers at once.

mod at_once;
mod cache;
mod commit;
mod courtesy;
mod desk;
mod effects;
mod lanes;
mod payload;
mod plugin_calls;
mod tally;
mod timekeeper;

use std::{
    collections::HashMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicI64},
    time::Duration,
};

use chrono::TimeDelta;
use domain::{BotId, Clock, ContactId, ExecutionId, HostId};
use engine::Limits;
use storage::Db;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub(crate) use at_once::Arrived;
pub(crate) use cache::{BotRuntime, Cache};
pub(crate) use courtesy::Courtesies;
pub(crate) use desk::new_execution;
pub(crate) use effects::{Effects, Egress};
pub(crate) use payload::Payload;
pub(crate) use plugin_calls::{ask_one, surroundings, told};
pub(crate) use timekeeper::Timekeeper;

use crate::{
    changes::Changes,
    essential,
    host::Membership,
    outbox::Outbox,
    signals::{Signal, Signals},
};
use desk::{Desk, ITEMS_PER_CONTACT, Need, Tools, Work};
use lanes::{Lanes, Outcome};

/// Most contacts in one batch.
const BATCH_MAX: usize = 128;
/// Most contacts in work before no more are claimed from the database.
const LANES_MAX: usize = 4_096;
/// How long a contact is left alone whose mailbox cannot be handled, through a fault of ours or damaged data.
const TROUBLE_PAUSE: TimeDelta = TimeDelta::minutes(1);
/// How many execution ids are reserved at a time.
const ID_BLOCK: i64 = 1_024;
/// First pause after the database refused; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause while the database refuses.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Runner {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    signals: Arc<Signals>,
    cache: Arc<Cache>,
    outbox: Arc<Outbox>,
    effects: Effects,
    courtesies: Arc<Courtesies>,
    limits: Limits,
    lanes: Lanes,
    timekeeper: Timekeeper,
    ids: Mutex<Range<i64>>,
    /// Batches that were worked through where they came in.
    at_once: AtomicI64,
    changes: Changes,
    stop: CancellationToken,
}

impl Runner {
    #[expect(clippy::too_many_arguments, reason = "the parts of a runner, assembled in one place")]
    pub(crate) fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        membership: Arc<Membership>,
        signals: Arc<Signals>,
        cache: Arc<Cache>,
        outbox: Arc<Outbox>,
        effects: Effects,
        courtesies: Arc<Courtesies>,
        limits: Limits,
        changes: Changes,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            db,
            clock,
            membership,
            signals,
            cache,
            outbox,
            effects,
            courtesies,
            limits,
            lanes: Lanes::default(),
            timekeeper: Timekeeper::default(),
            ids: Mutex::new(0..0),
            at_once: AtomicI64::new(0),
            changes,
            stop,
        })
    }

    /// Starts the workers and the timekeeper.
    pub(crate) fn start(self: &Arc<Self>, tasks: &TaskTracker) {
        // SQLite has one writer: a second worker loads and computes while the first one commits. PostgreSQL commits
        // several batches side by side.
        let workers = if self.db.is_shared() { 4 } else { 2 };
        for worker in 0..workers {
            let runner = self.clone();
            essential::spawn(tasks, "runner", async move { runner.work(worker).await });
        }
        let runner = self.clone();
        essential::spawn(tasks, "timekeeper", async move { timekeeper::run(&runner).await });
        let weak = Arc::downgrade(self);
        self.clock.on_move(Arc::new(move || {
            if let Some(runner) = weak.upgrade() {
                runner.timekeeper.nudge();
            }
        }));
    }

    /// Where the messages go that it comes to.
    pub(crate) fn outbox(&self) -> &Arc<Outbox> {
        &self.outbox
    }

    /// There is something to look at for these contacts, whose mailboxes this host owns.
    pub(crate) fn wake(&self, contacts: impl IntoIterator<Item = ContactId>) {
        self.lanes.wake(contacts);
    }

    /// Something was put into mailboxes that nobody owns: one host is to look for it, this one if it can take it.
    pub(crate) fn look(&self) {
        if self.has_room() {
            self.timekeeper.nudge();
        } else {
            self.signals.free_elsewhere();
        }
    }

    /// Many mailboxes may want an owner: all hosts are to look.
    pub(crate) fn look_together(&self) {
        self.timekeeper.nudge();
        self.signals.send(Signal::Free(None));
    }

    /// Another host says that mailboxes want an owner.
    pub(crate) fn look_here(&self) {
        self.timekeeper.nudge();
    }

    /// This host may not have been told of something: it looks at all that it owns, and for what nobody owns.
    pub(crate) fn look_again(&self) {
        self.timekeeper.overlooked();
    }

    /// Sees that somebody looks at mailboxes that have something new, given with their owners; `host` is what this host
    /// was when it noted that.
    pub(crate) fn see_to(&self, host: HostId, owners: impl IntoIterator<Item = (ContactId, Option<HostId>)>) {
        let (mut ours, mut free) = (Vec::new(), false);
        let mut theirs: HashMap<HostId, Vec<ContactId>> = HashMap::new();
        for (contact, owner) in owners {
            match owner {
                Some(owner) if owner == host => ours.push(contact),
                Some(owner) => theirs.entry(owner).or_default().push(contact),
                None => free = true,
            }
        }
        self.wake(ours);
        for (host, contacts) in theirs {
            self.signals.send(Signal::Mail { host, contacts });
        }
        if free {
            self.look();
        }
    }

    /// Who takes a mailbox that has something new and no owner: this host, if it works, has room and is certainly alive.
    pub(crate) fn claimant(&self) -> Option<HostId> {
        (self.has_room() && self.membership.is_certain_now()).then(|| self.membership.host())
    }

    /// What may have kept a bot from sending is mended. All hosts try again.
    pub(crate) fn mended(&self, bot: BotId) {
        self.heard_mended(bot);
        self.signals.send(Signal::Mended(bot));
    }

    /// The same, as another host says.
    pub(crate) fn heard_mended(&self, bot: BotId) {
        if self.membership.works() {
            self.outbox.mended(bot);
            self.timekeeper.nudge();
        }
    }

    /// Meta says that a number's throughput has changed.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn throughput_changed(&self, number: &str) -> storage::Result<()> {
        self.outbox.throughput_changed(number).await?;
        self.signals.send(Signal::Throughput(number.to_owned()));
        Ok(())
    }

    /// A contact's mailbox was parked: its timers are looked up in the database from now on.
    pub(crate) fn parked(&self, contact: ContactId) {
        self.timekeeper.disown(contact);
    }

    /// Whether this host takes on more contacts.
    pub(crate) fn has_room(&self) -> bool {
        self.membership.works() && !self.stop.is_cancelled() && self.lanes.len() < LANES_MAX && self.outbox.has_room()
    }

    /// How many contacts are in work or wait for a worker.
    pub(crate) fn in_work(&self) -> usize {
        self.lanes.len()
    }

    async fn work(self: Arc<Self>, worker: i64) {
        let mut pause = PAUSE_MIN;
        loop {
            let batch = tokio::select! {
                () = self.stop.cancelled() => return,
                batch = self.lanes.take(BATCH_MAX) => batch,
            };
            match self.run_batch(&batch, worker).await {
                Ok(()) => pause = PAUSE_MIN,
                Err(error) if error.is_transient() => {
                    tracing::warn!(%error, contacts = batch.len(), "the database refused; trying again");
                    for (contact, outcome) in batch {
                        self.lanes.put_back(contact, outcome);
                    }
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                    }
                }
                Err(_) => self.run_one_by_one(batch, worker).await,
            }
        }
    }

    /// One contact's trouble must not hold up the others of its batch.
    async fn run_one_by_one(self: &Arc<Self>, batch: Vec<(ContactId, Option<Outcome>)>, worker: i64) {
        for (contact, outcome) in batch {
            let alone = [(contact, outcome)];
            match self.run_batch(&alone, worker).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    let [(contact, outcome)] = alone;
                    self.lanes.put_back(contact, outcome);
                }
                Err(error) => {
                    tracing::error!(contact.id = %contact, %error, "a contact's mailbox cannot be handled; it is tried again later");
                    self.timekeeper.set(contact, self.clock.now() + TROUBLE_PAUSE, true);
                    self.lanes.finish(contact, false);
                }
            }
        }
    }

    async fn run_batch(self: &Arc<Self>, batch: &[(ContactId, Option<Outcome>)], worker: i64) -> storage::Result<()> {
        // Asked once: a host that is declared dead in between must fail the lock, not pass it under its new id.
        let host = self.membership.host();
        let desks = self.load(batch, host).await?;
        let mut done = Vec::with_capacity(desks.len());
        let mut asking = Vec::new();
        for desk in desks {
            let mut work = self.work_desk(&desk).await?;
            // Before the commit, so that it mostly comes before the answer; a batch that is run again does it again.
            self.courtesies.show(desk.bot.as_deref(), &work.courtesies);
            if let Some(asks) = work.asks.take() {
                asking.push((desk.contact_id(), desk.mailbox.bot_id, asks));
                // Nothing came of it yet that would be worth a commit.
                if work.is_empty() {
                    continue;
                }
            }
            done.push((desk, work));
        }
        commit::commit(self, batch, done, asking, host, worker).await
    }

    /// Loads everything that the batch needs, one query per table.
    async fn load(&self, batch: &[(ContactId, Option<Outcome>)], host: HostId) -> storage::Result<Vec<Desk>> {
        let ids: Vec<ContactId> = batch.iter().map(|(id, _)| *id).collect();
        let mut tx = self.db.read().await?;
        let mut mailboxes = tx.mailboxes(host, &ids).await?;
        let mut items = tx.items(&ids, ITEMS_PER_CONTACT).await?;
        let mut executions = tx.live_executions(&ids).await?;
        let mut contacts: HashMap<_, _> = tx.contacts_by_ids(&ids).await?.into_iter().map(|c| (c.id, c)).collect();
        let mut bot_ids: Vec<BotId> = mailboxes.values().map(|m| m.bot_id).collect();
        bot_ids.sort_unstable();
        bot_ids.dedup();
        let bots = self.cache.bots(&mut tx, &bot_ids).await?;
        tx.commit().await?;
        Ok(batch
            .iter()
            .filter_map(|(id, outcome)| {
                let mailbox = mailboxes.remove(id)?;
                let bot = bots.get(&mailbox.bot_id).cloned();
                let executions = executions.remove(id).unwrap_or_default();
                Some(Desk {
                    bot,
                    contact: contacts.remove(id)?,
                    executions: executions.into_iter().map(Into::into).collect(),
                    items: items.remove(id).unwrap_or_default(),
                    outcome: outcome.clone(),
                    mailbox,
                })
            })
            .collect())
    }

    async fn work_desk(&self, desk: &Desk) -> storage::Result<Work> {
        loop {
            match self.work_at_hand(desk) {
                Ok(work) => return Ok(work),
                Err(Need::Flow(key)) => self.cache.load_flow(&self.db, key).await?,
                Err(Need::Ids) => self.reserve_ids().await?,
            }
        }
    }

    /// Works a desk through with what is in memory.
    fn work_at_hand(&self, desk: &Desk) -> Result<Work, Need> {
        let flow = |key| self.cache.flow(key);
        let mut next_id = || self.ids().next().map(ExecutionId);
        let mut tools = Tools { now: self.clock.now(), limits: &self.limits, flow: &flow, next_id: &mut next_id };
        desk.work(&mut tools)
    }

    fn ids(&self) -> MutexGuard<'_, Range<i64>> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn reserve_ids(&self) -> storage::Result<()> {
        let mut tx = self.db.begin().await?;
        let first = tx.reserve_execution_ids(ID_BLOCK).await?;
        tx.commit().await?;
        *self.ids() = first..first + ID_BLOCK;
        Ok(())
    }
}
