//! Who is to be sent to, and in which order: lanes, timers and the queues of the numbers.
//!
//! A lane holds the unsettled messages of a contact. Its first message waits for a point in time, stands in the queue of
//! its number, or is on its way. What has to wait for long is not kept here: it is parked in the database.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use chrono::TimeDelta;
use domain::{BotId, ContactId, DeliveryStatus, MessageId, Time};
use storage::{SendResult, Unsent};

use super::{
    gates::{Gates, Obstacle},
    health::{HealthChange, PROBE_EVERY, RECHECK_HELD},
    pace::Pace,
    share::Wanted,
};

/// What has to wait longer than this is parked.
const PARK_AFTER: TimeDelta = TimeDelta::seconds(60);

/// A clock that shows this much less than before was set back; less is what threads see of each other.
const SET_BACK: TimeDelta = TimeDelta::seconds(1);

/// A queue: messages of a bot from a number.
type QueueKey = (BotId, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing is decided.
    Idle,
    /// The first message waits until then.
    Waiting(Time),
    /// The first message stands in the queue of its number.
    Ready,
    /// The first message is on its way, or about to be; or the lane is about to be parked.
    Busy,
}

#[derive(Debug)]
pub(super) struct Lane {
    pub(super) queue: VecDeque<Unsent>,
    pub(super) stage: Stage,
}

impl Lane {
    pub(super) fn new(stage: Stage) -> Self {
        Self { queue: VecDeque::new(), stage }
    }
}

/// What a round of the committer is to do.
#[derive(Debug, Default)]
pub(super) struct Drawn {
    /// First messages whose turn has come.
    pub(super) turns: Vec<Unsent>,
    /// Contacts to be parked, and until when.
    pub(super) parks: Vec<(ContactId, Time)>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct State {
    pub(super) lanes: HashMap<ContactId, Lane>,
    timers: BTreeSet<(Time, ContactId)>,
    queues: HashMap<QueueKey, VecDeque<ContactId>>,
    /// The queues that are not empty; the one whose turn it is comes first.
    active: VecDeque<QueueKey>,
    /// Lanes that have to wait for long.
    parks: Vec<(ContactId, Time)>,
    pub(super) pace: Pace,
    pub(super) gates: Gates,
    pub(super) results: Vec<(ContactId, MessageId, SendResult)>,
    /// What was found out about bots and is to be stored.
    pub(super) health: Vec<HealthChange>,
    /// When Meta was last asked for a number's throughput.
    pub(super) asked: HashMap<String, Time>,
    /// Whether no other host sends messages.
    alone: bool,
    /// What the clock showed last.
    latest: Time,
}

impl State {
    pub(super) fn new(pace: Pace, alone: bool, now: Time) -> Self {
        Self {
            lanes: HashMap::new(),
            timers: BTreeSet::new(),
            queues: HashMap::new(),
            active: VecDeque::new(),
            parks: Vec::new(),
            pace,
            gates: Gates::default(),
            results: Vec::new(),
            health: Vec::new(),
            asked: HashMap::new(),
            alone,
            latest: now,
        }
    }

    /// The clock shows `now`. If it was set back, what waits here waits as long as it was to, instead of as much longer.
    pub(super) fn notice(&mut self, now: Time) {
        let by = self.latest - now;
        self.latest = now;
        if by < SET_BACK {
            return;
        }
        tracing::warn!(seconds = by.num_seconds(), "the clock was set back");
        self.pace.set_back(by);
        self.gates.set_back(by);
        self.timers = std::mem::take(&mut self.timers).into_iter().map(|(at, contact)| (at - by, contact)).collect();
        for (_, _, result) in &mut self.results {
            if let SendResult::Again { at, .. } | SendResult::Spared { at } | SendResult::Held { until: Some(at), .. } =
                result
                // Else it came up after the clock was set back.
                && *at >= now + by
            {
                *at -= by;
            }
        }
        for lane in self.lanes.values_mut() {
            if let Stage::Waiting(at) = &mut lane.stage {
                *at -= by;
            }
            for message in &mut lane.queue {
                message.next_attempt_at = message.next_attempt_at.map(|at| at - by);
            }
        }
    }

    /// Decides what the first message of an idle lane waits for, or removes the lane if it is empty.
    pub(super) fn schedule(&mut self, contact: ContactId, now: Time) {
        let Some(lane) = self.lanes.get_mut(&contact) else { return };
        let Some(first) = lane.queue.front() else {
            self.forget(contact);
            return;
        };
        match first.next_attempt_at.filter(|at| *at > now) {
            Some(at) if at > now + PARK_AFTER => {
                lane.stage = Stage::Busy;
                self.parks.push((contact, at));
            }
            Some(at) => self.wait(contact, at),
            None => self.enqueue(contact),
        }
    }

    fn wait(&mut self, contact: ContactId, at: Time) {
        if let Some(lane) = self.lanes.get_mut(&contact) {
            lane.stage = Stage::Waiting(at);
            self.timers.insert((at, contact));
        }
    }

    fn enqueue(&mut self, contact: ContactId) {
        let Some(lane) = self.lanes.get_mut(&contact) else { return };
        let Some(first) = lane.queue.front() else { return };
        lane.stage = Stage::Ready;
        let key = (first.bot_id, first.phone_number_id.clone());
        let queue = self.queues.entry(key.clone()).or_default();
        if queue.is_empty() {
            self.active.push_back(key);
        }
        queue.push_back(contact);
    }

    /// Takes a contact's lane out. What stands in a queue for it is passed over later.
    pub(super) fn take_lane(&mut self, contact: ContactId) -> Option<Lane> {
        let lane = self.lanes.remove(&contact)?;
        if let Stage::Waiting(at) = lane.stage {
            self.timers.remove(&(at, contact));
        }
        Some(lane)
    }

    /// Drops everything about a contact. What stands in a queue for it is passed over later.
    pub(super) fn forget(&mut self, contact: ContactId) {
        self.take_lane(contact);
        if !self.alone {
            self.pace.forget(contact);
        }
    }

    /// Drops everything.
    pub(super) fn forget_all(&mut self) {
        for contact in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.forget(contact);
        }
        self.parks.clear();
    }

    /// Takes up to `most` messages whose turn has come, in turn from all queues, and the lanes that are to be parked.
    pub(super) fn draw(&mut self, now: Time, most: usize) -> Drawn {
        while let Some(&(at, contact)) = self.timers.first()
            && at <= now
        {
            self.timers.pop_first();
            if self.lanes.get(&contact).is_some_and(|lane| lane.stage == Stage::Waiting(at)) {
                self.enqueue(contact);
            }
        }
        let count = self.parks.len().min(most);
        let mut drawn = Drawn { turns: Vec::new(), parks: self.parks.drain(..count).collect() };
        let mut left = self.active.len();
        while left > 0 && drawn.turns.len() + drawn.parks.len() < most {
            let Some(key) = self.active.pop_front() else { break };
            let room = most - drawn.turns.len() - drawn.parks.len();
            let Some(mut queue) = self.queues.remove(&key) else { continue };
            self.draw_from(&key, &mut queue, now, (room / left).max(1), &mut drawn);
            left -= 1;
            if !queue.is_empty() {
                self.active.push_back(key.clone());
                self.queues.insert(key, queue);
            }
        }
        drawn
    }

    fn draw_from(
        &mut self,
        key: &QueueKey,
        queue: &mut VecDeque<ContactId>,
        now: Time,
        most: usize,
        drawn: &mut Drawn,
    ) {
        let (bot, number) = (key.0, key.1.as_str());
        let mut count = 0;
        while count < most && self.gates.closed_until(bot, number, now).is_none() {
            if self.pace.number_free_at(number, now) > now {
                return;
            }
            let Some(contact) = queue.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&contact) else { continue };
            let Some(first) = lane.queue.front() else { continue };
            if lane.stage != Stage::Ready || first.bot_id != bot || first.phone_number_id != number {
                continue;
            }
            let free_at = self.pace.contact_free_at(contact, now);
            if free_at > now {
                self.wait(contact, free_at);
                continue;
            }
            match self.gates.obstacle(bot, &first.kind, contact, now + PROBE_EVERY, now) {
                Some(Obstacle::Pause(until)) => self.wait(contact, until),
                Some(Obstacle::Halt) => {
                    lane.stage = Stage::Busy;
                    // One that was tried before is the one to find out whether its bot is well again.
                    let probe_at = self.gates.probe_at(bot).filter(|_| first.attempts > 0);
                    drawn.parks.push((contact, probe_at.unwrap_or(now + RECHECK_HELD)));
                    count += 1;
                }
                None => {
                    lane.stage = Stage::Busy;
                    drawn.turns.push(first.clone());
                    self.pace.take(number, contact, now);
                    self.gates.pass(bot, number, now);
                    count += 1;
                }
            }
        }
    }

    /// What numbers with messages in their queues want of a rate that several hosts share.
    pub(super) fn wanted(&mut self, now: Time) -> BTreeMap<String, Wanted> {
        let mut queued: BTreeMap<&str, usize> = BTreeMap::new();
        for key in &self.active {
            if self.gates.closed_until(key.0, &key.1, now).is_none() {
                *queued.entry(&key.1).or_default() += self.queues.get(key).map_or(0, VecDeque::len);
            }
        }
        let pace = &mut self.pace;
        queued
            .into_iter()
            .filter_map(|(number, count)| Some((number.to_owned(), pace.wanted(number, count, now)?)))
            .collect()
    }

    /// When the next thing is to do, as far as it hangs on time.
    pub(super) fn next_due(&mut self, now: Time) -> Option<Time> {
        if !self.parks.is_empty() {
            return Some(now);
        }
        let mut next = self.timers.first().map(|(at, _)| *at);
        for (bot, number) in &self.active {
            let closed = self.gates.closed_until(*bot, number, now);
            let free = self.pace.number_free_at(number, now);
            let at = closed.map_or(free, |until| until.max(free));
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        next
    }

    /// Whether a message may go at once, before whatever stands in queues; takes its place if so.
    pub(super) fn take_now(&mut self, bot: BotId, number: &str, kind: &str, contact: ContactId, now: Time) -> bool {
        let free = !self.queues.contains_key(&(bot, number.to_owned()))
            && self.gates.is_clear(bot, number, contact)
            && !self.gates.halts(bot, kind)
            && self.pace.is_free(number, contact, now);
        if free {
            self.pace.take(number, contact, now);
        }
        free
    }

    /// Takes note of what became of a message, as far as it decides what the contact waits for: until when its lane is to
    /// be parked, if so, and else the message that may go at once after it, if there is one.
    pub(super) fn settle(
        &mut self,
        contact: ContactId,
        message: MessageId,
        result: &SendResult,
        now: Time,
    ) -> (Option<Time>, Option<Unsent>) {
        match result {
            SendResult::Spared { .. } => self.pace.refund(contact),
            _ => self.pace.answered(contact, now),
        }
        match result {
            SendResult::Held { until, .. } => (Some(until.unwrap_or(now + RECHECK_HELD)), None),
            SendResult::Again { at, .. } | SendResult::Spared { at } => {
                (Some(*at).filter(|at| *at > now + PARK_AFTER), None)
            }
            SendResult::Accepted { .. } | SendResult::Failed { .. } => (None, self.follower(contact, message, now)),
        }
    }

    fn follower(&mut self, contact: ContactId, after: MessageId, now: Time) -> Option<Unsent> {
        let lane = self.lanes.get(&contact)?;
        if lane.queue.front()?.id != after {
            return None;
        }
        let next = lane.queue.get(1)?.clone();
        let due = next.next_attempt_at.is_none_or(|at| at <= now);
        (due && self.take_now(next.bot_id, &next.phone_number_id, &next.kind, contact, now)).then_some(next)
    }

    /// Brings a lane to what was stored of its first message.
    pub(super) fn apply(&mut self, contact: ContactId, message: MessageId, result: &SendResult) {
        let Some(lane) = self.lanes.get_mut(&contact) else { return };
        if lane.queue.front().is_none_or(|first| first.id != message) {
            return;
        }
        let (at, status) = match result {
            SendResult::Accepted { .. } | SendResult::Failed { .. } => {
                lane.queue.pop_front();
                return;
            }
            SendResult::Again { at, ambiguous: true, .. } => (Some(*at), DeliveryStatus::Sending),
            SendResult::Again { at, .. } | SendResult::Spared { at } => (Some(*at), DeliveryStatus::Queued),
            SendResult::Held { until, .. } => (*until, DeliveryStatus::Queued),
        };
        if let Some(first) = lane.queue.front_mut() {
            first.next_attempt_at = at;
            first.status = status;
            if matches!(result, SendResult::Spared { .. }) {
                first.attempts -= 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use domain::Address;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_that_was_not_handed_over_after_all_has_not_been_tried() {
        let now: Time = "2026-01-01T00:00:00Z".parse().unwrap();
        let (contact, id) = (ContactId(1), MessageId(2));
        let message = Unsent {
            id,
            bot_id: BotId(3),
            contact_id: contact,
            to: Address::Phone("16505550101".into()),
            phone_number_id: "4".into(),
            kind: "text".into(),
            content: json!({ "body": "hi" }),
            status: DeliveryStatus::Sending,
            attempts: 3,
            next_attempt_at: None,
            created_at: now,
        };
        let mut state = State::new(Pace::new(0, false, now), true, now);
        state.lanes.insert(contact, Lane { queue: VecDeque::from([message]), stage: Stage::Busy });
        let attempts = |state: &State| state.lanes[&contact].queue[0].attempts;
        state.apply(contact, id, &SendResult::Spared { at: now });
        assert_eq!(attempts(&state), 2, "as it is stored");
        state.apply(contact, id, &SendResult::Again { at: now, error: json!({}), ambiguous: false });
        assert_eq!(attempts(&state), 2);
    }

    #[test]
    fn what_is_to_be_stored_when_the_clock_is_set_back_waits_no_longer() {
        let now: Time = "2026-01-01T00:00:00Z".parse().unwrap();
        let (hour, soon) = (TimeDelta::hours(1), TimeDelta::seconds(20));
        let mut state = State::new(Pace::new(0, false, now), true, now + hour);
        for (contact, at) in [(1, now + hour + soon), (2, now + soon)] {
            state.results.push((ContactId(contact), MessageId(contact), SendResult::Spared { at }));
        }
        state.notice(now);
        for (contact, _, result) in &state.results {
            assert!(matches!(result, SendResult::Spared { at } if *at == now + soon), "{contact:?}: {result:?}");
        }
    }
}
