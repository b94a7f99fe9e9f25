//! The outbox: sends queued messages, in order per contact, at the pace Meta allows.
//!
//! Every message is a row before it is a request. A row is `queued`, then `sending` from just before the request until
//! its outcome is stored; the next one of the same contact is marked `sending` in the very commit that stores the
//! outcome of the one before. So a crash leaves at most one message per contact in doubt. Such a message waits a while
//! for a status webhook to prove that it went out, and only then is sent again, counted as ambiguous.

mod committer;
mod pace;
mod post;

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::TimeDelta;
use domain::{Clock, ContactId, DeliveryStatus, MessageId, Time};
use storage::{Db, SendResult, Unsent};
use tokio::sync::{Notify, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{changes::Changes, essential, host::Membership, runner::Cache};
use pace::Pace;

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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LaneState {
    /// Nothing is scheduled.
    Idle,
    /// The first message waits for its turn.
    Scheduled,
    /// The first message is on its way, or about to be.
    Busy,
}

#[derive(Debug)]
struct Lane {
    queue: VecDeque<Unsent>,
    state: LaneState,
    /// When the first message has its turn; its entry in `turns`.
    turn: Option<Time>,
}

impl Lane {
    fn new(state: LaneState) -> Self {
        Self { queue: VecDeque::new(), state, turn: None }
    }
}

#[derive(Debug)]
struct State {
    lanes: HashMap<ContactId, Lane>,
    turns: BTreeSet<(Time, ContactId)>,
    pace: Pace,
    results: Vec<(ContactId, MessageId, SendResult)>,
}

/// See the module.
pub(crate) struct Outbox {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    cache: Arc<Cache>,
    client: whatsapp::client::Client,
    settings: OutboxSettings,
    state: Mutex<State>,
    changed: Notify,
    requests: Arc<Semaphore>,
    changes: Changes,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Outbox {
    #[expect(clippy::too_many_arguments, reason = "the parts of an outbox, assembled in one place")]
    pub(crate) fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        membership: Arc<Membership>,
        cache: Arc<Cache>,
        client: whatsapp::client::Client,
        settings: OutboxSettings,
        changes: Changes,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let pace = Pace::new(settings.messages_per_second, settings.pair_pacing);
        Arc::new(Self {
            db,
            clock,
            membership,
            cache,
            client,
            settings,
            state: Mutex::new(State { lanes: HashMap::new(), turns: BTreeSet::new(), pace, results: Vec::new() }),
            changed: Notify::new(),
            requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
            changes,
            stop,
            tasks: TaskTracker::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the committer.
    pub(crate) fn start(self: &Arc<Self>, tasks: &TaskTracker) {
        let outbox = self.clone();
        essential::spawn(tasks, "outbox", async move { committer::run(&outbox).await });
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

    /// Takes the right to send a contact's next message at once, if nothing of it is on its way and no pace holds it
    /// back. The message is then to be stored as `sending` and given to [`add`](Self::add); if that fails, the right is
    /// to be [`release`](Self::release)d.
    pub(crate) fn reserve(&self, contact: ContactId, number: &str) -> bool {
        let mut state = self.state();
        if self.stop.is_cancelled() || state.lanes.contains_key(&contact) {
            return false;
        }
        let free = state.pace.take_now(number, contact, self.clock.now());
        if free {
            state.lanes.insert(contact, Lane::new(LaneState::Busy));
        }
        free
    }

    /// Gives a reserved right back.
    pub(crate) fn release(&self, contact: ContactId) {
        self.state().lanes.remove(&contact);
    }

    /// Takes over messages that were just committed, in order.
    pub(crate) fn add(self: &Arc<Self>, messages: Vec<Unsent>) {
        let now = self.clock.now();
        let mut go = Vec::new();
        let mut state = self.state();
        for message in messages {
            let contact = message.contact_id;
            let lane = state.lanes.entry(contact).or_insert_with(|| Lane::new(LaneState::Idle));
            if lane.queue.is_empty() && message.status == DeliveryStatus::Sending {
                go.push(message.clone());
            }
            lane.queue.push_back(message);
            if lane.state == LaneState::Idle {
                state.schedule(contact, now);
            }
        }
        drop(state);
        for message in go {
            self.post(message);
        }
        self.changed.notify_one();
    }

    /// Takes over messages that the database has and this host did not know of: queued by API, or left by a host that
    /// died. One that was `sending` is in doubt. To be called while the mailboxes are locked: a moment later the
    /// committer may have settled one of them.
    pub(crate) fn adopt(&self, messages: Vec<Unsent>, now: Time) {
        if messages.is_empty() {
            return;
        }
        let mut state = self.state();
        for mut message in messages {
            let contact = message.contact_id;
            let lane = state.lanes.entry(contact).or_insert_with(|| Lane::new(LaneState::Idle));
            if lane.queue.iter().any(|known| known.id == message.id) {
                continue;
            }
            // The one that is on its way stays the first.
            let first = usize::from(lane.state == LaneState::Busy && !lane.queue.is_empty());
            let place = lane.queue.partition_point(|known| known.id < message.id).max(first);
            if message.status == DeliveryStatus::Sending && message.next_attempt_at.is_none() {
                message.next_attempt_at = Some(now + self.settings.doubt);
            }
            lane.queue.insert(place, message);
            if lane.state == LaneState::Idle {
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
        let mut state = self.state();
        state.lanes.clear();
        state.turns.clear();
    }

    /// Waits until no request is in flight.
    pub(crate) async fn drain(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

impl State {
    /// Gives the first message of an idle lane its turn, or removes the lane if it is empty.
    fn schedule(&mut self, contact: ContactId, now: Time) {
        let Some(lane) = self.lanes.get_mut(&contact) else { return };
        let Some(first) = lane.queue.front() else {
            self.lanes.remove(&contact);
            return;
        };
        let not_before = first.next_attempt_at.unwrap_or(now).max(now);
        let turn = self.pace.take(&first.phone_number_id, contact, now, not_before);
        lane.state = LaneState::Scheduled;
        lane.turn = Some(turn);
        self.turns.insert((turn, contact));
    }

    fn forget(&mut self, contact: ContactId) {
        if let Some(turn) = self.lanes.remove(&contact).and_then(|lane| lane.turn) {
            self.turns.remove(&(turn, contact));
        }
    }
}
