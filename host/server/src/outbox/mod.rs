//! The outbox: sends queued messages, in order per contact, at the pace Meta allows.
//!
//! Every message is a row before it is a request. A row is `queued`, then `sending` from just before the request until
//! its outcome is stored; the next one of the same contact is marked `sending` in the very commit that stores the
//! outcome of the one before. So a crash leaves at most one message per contact in doubt. Such a message waits a while
//! for a status webhook to prove that it went out, and only then is sent again, counted as ambiguous.
//!
//! ```text
//! add, adopt ─▶ State (lanes, timers, queues of numbers) ─draw─▶ committer ─▶ post ─▶ judge
//!                 ▲   pace: how fast       gates: what is paused   │  ▲                 │
//!                 └──────────────── apply ─────────────────────────┘  └──── results ────┘
//! ```
//!
//! What has to wait for long (hours, or until somebody has mended something) is parked in the database: its mailbox has
//! no owner, and nothing of it is left here.

mod committer;
mod gates;
mod health;
mod judge;
mod learning;
mod pace;
mod post;
mod rates;
mod ride;
mod share;
mod state;
mod throughput;
mod waited;

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
    atomic::{AtomicBool, AtomicUsize},
};

use chrono::TimeDelta;
use domain::{BotId, Clock, ContactId, DeliveryStatus, MessageId, Time};
use storage::{Db, Tx, Unsent};
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    changes::Changes,
    essential,
    host::Membership,
    runner::{BotRuntime, Cache, Runner},
    signals::Signals,
    templates::Templates,
};
use committer::Round;
use health::HealthChange;
use learning::Learning;
use pace::{Pace, RECALL};
use state::{Lane, Stage, State};
use waited::Shut;

/// Most requests in flight at once.
const REQUESTS_MAX: usize = 512;
/// Most contacts with unsettled messages before no more are claimed from the database.
const LANES_MAX: usize = 50_000;

/// What the outbox needs to know.
#[derive(Debug, Clone)]
pub(crate) struct OutboxSettings {
    /// Messages per second and number; 0: no limit.
    pub(crate) messages_per_second: u32,
    /// Whether to keep Meta's pace per contact.
    pub(crate) pair_pacing: bool,
    /// How long a message in doubt waits for a status before it is sent again.
    pub(crate) doubt: TimeDelta,
}

/// See the module.
pub(crate) struct Outbox {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    signals: Arc<Signals>,
    cache: Arc<Cache>,
    templates: Arc<Templates>,
    client: whatsapp::client::Client,
    settings: OutboxSettings,
    state: Mutex<State>,
    /// What is being stored; who has it is the outbox's one writer.
    round: tokio::sync::Mutex<Round>,
    /// Those who will soon let a round ride along.
    rides: AtomicUsize,
    /// Whether the last of them came to nothing.
    rides_fail: AtomicBool,
    changed: Notify,
    /// Messages wait for a turn of their number.
    wanting: Notify,
    requests: Arc<Semaphore>,
    changes: Changes,
    runner: OnceLock<Weak<Runner>>,
    learning: Learning,
    shut: Shut,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Outbox {
    #[expect(clippy::too_many_arguments, reason = "the parts of an outbox, assembled in one place")]
    pub(crate) fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        membership: Arc<Membership>,
        signals: Arc<Signals>,
        cache: Arc<Cache>,
        templates: Arc<Templates>,
        client: whatsapp::client::Client,
        settings: OutboxSettings,
        changes: Changes,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let pace = Pace::new(settings.messages_per_second, settings.pair_pacing, clock.now());
        let state = State::new(pace, !db.is_shared(), clock.now());
        Arc::new(Self {
            db,
            clock,
            membership,
            signals,
            cache,
            templates,
            client,
            settings,
            state: Mutex::new(state),
            round: tokio::sync::Mutex::default(),
            rides: AtomicUsize::new(0),
            rides_fail: AtomicBool::new(false),
            changed: Notify::new(),
            wanting: Notify::new(),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            changes,
            runner: OnceLock::new(),
            learning: Learning::default(),
            shut: Shut::default(),
            stop,
            tasks: TaskTracker::new(),
        })
    }

    /// Who is to be told when a mailbox wants to be looked at. To be set before anything is sent.
    pub(crate) fn tell(&self, runner: &Arc<Runner>) {
        // Set once, where both are made.
        let _set_before = self.runner.set(Arc::downgrade(runner));
    }

    fn runner(&self) -> Option<Arc<Runner>> {
        self.runner.get().and_then(Weak::upgrade)
    }

    /// So many mailboxes were released.
    fn look(&self, released: u64) {
        if let Some(runner) = self.runner()
            && released > 0
        {
            runner.look();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, and what the clock shows. It is asked under the lock, and the state is told: whoever brought a time along
    /// that was asked for before would, if the clock was set back in between, make something wait by as much longer.
    fn at_present(&self) -> (MutexGuard<'_, State>, Time) {
        let mut state = self.state();
        let now = self.clock.now();
        state.notice(now);
        (state, now)
    }

    /// Lets one message of each bot that is not well try its luck: a restart may have mended it.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn probe_all(&self) -> storage::Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        for bot in tx.ill_bots().await? {
            tx.release_held(bot, now, 1).await?;
        }
        tx.commit().await
    }

    /// Starts the committer.
    pub(crate) fn start(self: &Arc<Self>, tasks: &TaskTracker) {
        let outbox = self.clone();
        essential::spawn(tasks, "outbox", async move { committer::run(&outbox).await });
        essential::spawn(tasks, "learning", self.clone().learn());
        essential::spawn(tasks, "turns", self.clone().take_turns());
        let weak = Arc::downgrade(self);
        self.clock.on_move(Arc::new(move || {
            if let Some(outbox) = weak.upgrade() {
                outbox.changed.notify_one();
            }
        }));
    }

    /// Whether a message of a contact is known here.
    pub(crate) fn knows(&self, contact: ContactId, message: MessageId) -> bool {
        self.state().lanes.get(&contact).is_some_and(|lane| lane.queue.iter().any(|known| known.id == message))
    }

    /// Whether any message of a contact is known here.
    pub(crate) fn has(&self, contact: ContactId) -> bool {
        self.state().lanes.contains_key(&contact)
    }

    /// Whether this host takes on more contacts.
    pub(crate) fn has_room(&self) -> bool {
        self.state().lanes.len() < LANES_MAX
    }

    /// How many messages are known here and not settled.
    pub(crate) fn len(&self) -> usize {
        self.state().lanes.values().map(|lane| lane.queue.len()).sum()
    }

    /// How many sends are on their way, or about to be, or answered and not stored yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.state().lanes.values().filter(|lane| lane.stage == Stage::Busy).count()
    }

    /// Takes note of bots as the database has them.
    pub(crate) fn note_bots<'a>(&self, bots: impl Iterator<Item = &'a BotRuntime>) {
        let (mut state, now) = self.at_present();
        for bot in bots {
            state.gates.note_bot(bot.info.id, bot.revision, bot.credentials.as_ref(), &bot.health, now);
        }
    }

    /// A person has changed a bot: what is known of it is to be learned anew, and what waited for it is released.
    pub(crate) fn mended(&self, bot: BotId) {
        self.cache.forget(bot);
        let mut state = self.state();
        state.gates.forget_bot(bot);
        state.health.push(HealthChange::Mended { bot });
        drop(state);
        self.changed.notify_one();
    }

    /// Messages came in at a number: they count like messages that go out.
    pub(crate) fn heard(&self, number: &str, messages: usize) {
        let messages = i32::try_from(messages).unwrap_or(i32::MAX);
        let (mut state, now) = self.at_present();
        state.pace.hear(number, messages, now);
    }

    /// Looks up what these contacts were sent by other processes, as far as that is not known here.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn recall(&self, tx: &mut Tx, contacts: impl Iterator<Item = ContactId>) -> storage::Result<()> {
        let alone = !self.db.is_shared();
        let (strangers, since): (Vec<ContactId>, Time) = {
            let (state, now) = self.at_present();
            (contacts.filter(|contact| state.pace.is_stranger(*contact, alone, now)).collect(), now - RECALL)
        };
        if strangers.is_empty() {
            return Ok(());
        }
        let sent = tx.recent_sends(&strangers, since).await?;
        let (mut state, now) = self.at_present();
        for stranger in strangers {
            let sent = sent.iter().filter(|(contact, _)| *contact == stranger).map(|(_, at)| *at);
            state.pace.recall(stranger, sent, now);
        }
        Ok(())
    }

    /// Takes the right to send a contact's next message at once, if nothing of it is on its way and nothing holds it
    /// back. The message is then to be stored as `sending` and given to [`add`](Self::add); if that fails, the right is
    /// to be [`release`](Self::release)d.
    pub(crate) fn reserve(&self, bot: BotId, contact: ContactId, number: &str, kind: &str) -> bool {
        let (mut state, now) = self.at_present();
        if self.stop.is_cancelled() || state.lanes.contains_key(&contact) {
            return false;
        }
        let free = state.take_now(bot, number, kind, contact, now);
        if free {
            state.lanes.insert(contact, Lane::new(Stage::Busy));
        }
        free
    }

    /// Gives a reserved right back.
    pub(crate) fn release(&self, contact: ContactId) {
        self.state().lanes.remove(&contact);
    }

    /// Takes over messages that were just committed, in order.
    pub(crate) fn add(self: &Arc<Self>, messages: Vec<Unsent>) {
        let mut go = Vec::new();
        let (mut state, now) = self.at_present();
        for message in messages {
            let contact = message.contact_id;
            let lane = state.lanes.entry(contact).or_insert_with(|| Lane::new(Stage::Idle));
            if lane.queue.is_empty() && message.status == DeliveryStatus::Sending {
                go.push(message.clone());
            }
            lane.queue.push_back(message);
            if lane.stage == Stage::Idle {
                state.schedule(contact, now);
            }
        }
        let epoch = state.gates.epoch();
        drop(state);
        for message in go {
            self.post(message, epoch);
        }
        self.changed.notify_one();
    }

    /// Takes over messages that the database has and this host did not know of: queued by API, or left by a host that
    /// died. One that was `sending` is in doubt. To be called while the mailboxes are locked: a moment later the
    /// committer may have settled one of them.
    pub(crate) fn adopt(&self, messages: Vec<Unsent>) {
        if messages.is_empty() {
            return;
        }
        let (mut state, now) = self.at_present();
        for mut message in messages {
            let contact = message.contact_id;
            let lane = state.lanes.entry(contact).or_insert_with(|| Lane::new(Stage::Idle));
            if lane.queue.iter().any(|known| known.id == message.id) {
                continue;
            }
            // The one that is on its way stays the first.
            let first = usize::from(lane.stage == Stage::Busy && !lane.queue.is_empty());
            let place = lane.queue.partition_point(|known| known.id < message.id).max(first);
            if message.status == DeliveryStatus::Sending && message.next_attempt_at.is_none() {
                message.next_attempt_at = Some(now + self.settings.doubt);
            }
            lane.queue.insert(place, message);
            // What was decided of the one that was the first is not true of this one.
            if lane.stage == Stage::Idle || (place == 0 && lane.stage != Stage::Busy) {
                lane.stage = Stage::Idle;
                state.schedule(contact, now);
            }
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Drops everything about a contact that belongs to another host by now.
    pub(crate) fn forget(&self, contact: ContactId) {
        self.state().forget(contact);
    }

    /// Drops everything: this host was declared dead and owns nothing any more.
    pub(crate) fn forget_all(&self) {
        self.state().forget_all();
    }

    /// Waits until no request is in flight.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}
