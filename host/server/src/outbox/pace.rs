//! How fast Meta lets a number send, and a number to one contact.
//!
//! Both are kept by the generic cell rate algorithm: one point in time per number and per contact says when the next
//! message would be due at the steady rate; running ahead of it by no more than the burst is allowed.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::{ContactId, Time};

use super::share::{Share, Wanted};

/// One message to a contact every so often, on average (Meta, throughput: pair limit).
const PAIR_INTERVAL: TimeDelta = TimeDelta::seconds(6);
/// How many may be sent to a contact at once; they are borrowed from the future (same source).
const PAIR_BURST: i32 = 45;
/// How far back a contact's messages are looked at when this host does not know what it owes: the most that fits into
/// this time is more than anybody can owe for longer.
pub(super) const RECALL: TimeDelta = TimeDelta::hours(1);
/// A number's burst, as a part of a second's worth.
const NUMBER_BURST: TimeDelta = TimeDelta::milliseconds(250);
/// How much of what may be sent in a second may leave at once. What waited for a commit leaves later than it was meant to,
/// together with what comes after it; Meta counts when it arrives.
const DEPARTURE_BURST: TimeDelta = TimeDelta::milliseconds(850);
/// How long after the start a number may have sent as much as it may, by the process before.
const AFTERMATH: TimeDelta = TimeDelta::seconds(1);
/// How often a number that was told to slow down gets a part of its rate back.
const RECOVERY: TimeDelta = TimeDelta::seconds(10);
/// That part.
const RECOVERY_STEP: f64 = 0.1;
/// What hosts are told within so much time of each other, they are told together.
const TOGETHER: TimeDelta = TimeDelta::seconds(1);
/// The smallest part of its rate that a number keeps.
const RATE_MIN: f64 = 0.05;
/// Contacts remembered before those are dropped whose time has passed.
const PRUNE_AT: usize = 20_000;

/// The paces of one host.
#[derive(Debug)]
pub(super) struct Pace {
    /// Messages per second of a number of the usual throughput; 0: no limit.
    per_second: u32,
    pairs: bool,
    /// How many hosts send, this one included.
    hosts: i32,
    started: Time,
    numbers: HashMap<String, Bucket>,
    contacts: HashMap<ContactId, Debt>,
}

#[derive(Debug)]
struct Bucket {
    due: Time,
    /// The same for requests as they really leave.
    departure_due: Time,
    /// What Meta grants the number, in multiples of the usual throughput.
    grade: f64,
    /// The part of it that is used; below 1 after Meta said that it was too fast.
    part: f64,
    /// When `part` last changed.
    changed: Time,
    /// What this host may send of it, where several do.
    share: Share,
}

/// What a contact was sent ahead of time.
#[derive(Debug, Clone, Copy)]
struct Debt {
    due: Time,
    /// `due` without the message that is on its way.
    before: Time,
}

impl Pace {
    /// `per_second` 0 switches the pace per number off, `pairs` the one per contact.
    pub(super) fn new(per_second: u32, pairs: bool, now: Time) -> Self {
        Self { per_second, pairs, hosts: 1, started: now, numbers: HashMap::new(), contacts: HashMap::new() }
    }

    /// From when on a number may send.
    pub(super) fn number_free_at(&mut self, number: &str, now: Time) -> Time {
        if self.per_second == 0 {
            return now;
        }
        let hosts = self.hosts;
        let bucket = self.bucket(number, now);
        if hosts > 1 { bucket.share.free_at(now) } else { bucket.due - NUMBER_BURST }
    }

    /// So many hosts send, this one included.
    pub(super) fn set_hosts(&mut self, hosts: usize) {
        self.hosts = i32::try_from(hosts).unwrap_or(i32::MAX).clamp(1, 1_000);
    }

    /// How many hosts send, this one included, as far as was heard.
    pub(super) fn hosts(&self) -> usize {
        usize::try_from(self.hosts).unwrap_or(1)
    }

    /// What to ask the other hosts for when so many messages of a number wait.
    pub(super) fn wanted(&mut self, number: &str, queued: usize, now: Time) -> Option<Wanted> {
        if self.hosts == 1 || self.per_second == 0 {
            return None;
        }
        let per_second = f64::from(self.per_second);
        let bucket = self.bucket(number, now);
        let interval = bucket.interval(per_second);
        bucket.share.wanted(queued, interval, now)
    }

    /// What was asked for may be sent from a time on.
    pub(super) fn grant(&mut self, number: &str, wanted: Wanted, from: Time, now: Time) {
        self.bucket(number, now).share.grant(wanted, from, now);
    }

    /// From when on a contact may be sent to.
    pub(super) fn contact_free_at(&self, contact: ContactId, now: Time) -> Time {
        match self.contacts.get(&contact) {
            Some(debt) if self.pairs => debt.due - PAIR_INTERVAL * (PAIR_BURST - 1),
            _ => now,
        }
    }

    /// Whether a message may go right now.
    pub(super) fn is_free(&mut self, number: &str, contact: ContactId, now: Time) -> bool {
        self.number_free_at(number, now) <= now && self.contact_free_at(contact, now) <= now
    }

    /// A message goes.
    pub(super) fn take(&mut self, number: &str, contact: ContactId, now: Time) {
        if self.pairs {
            let before = self.contacts.get(&contact).map_or(now, |debt| debt.due).max(now);
            self.contacts.insert(contact, Debt { due: before + PAIR_INTERVAL, before });
            if self.contacts.len() > PRUNE_AT {
                self.contacts.retain(|_, debt| debt.due > now);
            }
        }
        self.spend(number, 1, now);
        if self.per_second > 0 {
            let (per_second, hosts) = (f64::from(self.per_second), self.hosts);
            let bucket = self.bucket(number, now);
            bucket.share.take(bucket.interval(per_second), hosts, now);
        }
    }

    /// The message that was taken for a contact has been answered. When Meta counted it is not known; the latest is now.
    pub(super) fn answered(&mut self, contact: ContactId, now: Time) {
        if let Some(debt) = self.contacts.get_mut(&contact) {
            debt.due = debt.due.max(debt.before.max(now) + PAIR_INTERVAL);
        }
    }

    /// The message that was taken for a contact did not leave after all.
    pub(super) fn refund(&mut self, contact: ContactId) {
        if let Some(debt) = self.contacts.get_mut(&contact) {
            debt.due = debt.before;
        }
    }

    fn spend(&mut self, number: &str, messages: i32, now: Time) {
        let per_second = f64::from(self.per_second);
        if self.per_second > 0 {
            let bucket = self.bucket(number, now);
            bucket.due = bucket.due.max(now) + bucket.interval(per_second) * messages;
        }
    }

    /// Messages came in at a number; they count like messages that go out (Meta, throughput).
    pub(super) fn hear(&mut self, number: &str, messages: i32, now: Time) {
        self.spend(number, messages, now);
        if self.per_second > 0 {
            let per_second = f64::from(self.per_second);
            let bucket = self.bucket(number, now);
            bucket.departure_due = bucket.departure_due.max(now) + bucket.interval(per_second) * messages;
            bucket.share.hear(bucket.interval(per_second), messages, now);
        }
    }

    /// A request is about to leave. If too many have left lately, it must not before the time returned.
    pub(super) fn depart(&mut self, number: &str, now: Time) -> Result<(), Time> {
        if self.per_second > 0 {
            let per_second = f64::from(self.per_second);
            let bucket = self.bucket(number, now);
            let free_at = bucket.departure_due - DEPARTURE_BURST;
            if free_at > now {
                return Err(free_at);
            }
            bucket.departure_due = bucket.departure_due.max(now) + bucket.interval(per_second);
        }
        Ok(())
    }

    /// The clock was set back. What is owed stays as much as it was.
    pub(super) fn set_back(&mut self, by: TimeDelta) {
        self.started -= by;
        for bucket in self.numbers.values_mut() {
            bucket.due -= by;
            bucket.departure_due -= by;
            bucket.changed -= by;
            bucket.share.set_back(by);
        }
        for debt in self.contacts.values_mut() {
            debt.due -= by;
            debt.before -= by;
        }
    }

    /// Whether what a contact owes is not known here and has to be [`recall`](Self::recall)ed.
    pub(super) fn is_stranger(&self, contact: ContactId, alone: bool, now: Time) -> bool {
        self.pairs && !self.contacts.contains_key(&contact) && (!alone || now < self.started + RECALL)
    }

    /// What a contact was sent by another process, in order of time.
    pub(super) fn recall(&mut self, contact: ContactId, sent: impl Iterator<Item = Time>, now: Time) {
        // What a clock that was ahead has dated was sent by now.
        let due = sent.fold(now - RECALL, |due, at| due.max(at.min(now)) + PAIR_INTERVAL);
        self.contacts.entry(contact).or_insert(Debt { due, before: due });
    }

    /// Another host may send to the contact from now on: what it owes is not known here any more.
    pub(super) fn forget(&mut self, contact: ContactId) {
        self.contacts.remove(&contact);
    }

    /// What Meta grants a number, in multiples of the usual throughput.
    pub(super) fn set_grade(&mut self, number: &str, grade: f64, now: Time) {
        self.bucket(number, now).grade = grade;
    }

    /// Meta says that a number is too fast.
    pub(super) fn slow_down(&mut self, number: &str, now: Time) {
        let bucket = self.bucket(number, now);
        bucket.part = (bucket.part / 2.0).max(RATE_MIN);
        bucket.changed = now;
    }

    /// The same, as another host was told. Hosts that are told together slow down once.
    pub(super) fn slow_down_once(&mut self, number: &str, now: Time) {
        let bucket = self.bucket(number, now);
        if bucket.part >= 1.0 || bucket.changed + TOGETHER <= now {
            self.slow_down(number, now);
        }
    }

    fn bucket(&mut self, number: &str, now: Time) -> &mut Bucket {
        let bucket = self.numbers.entry(number.to_owned()).or_insert_with(|| {
            let due = if now < self.started + AFTERMATH { now + NUMBER_BURST } else { now };
            Bucket { due, departure_due: due, grade: 1.0, part: 1.0, changed: now, share: Share::new(now) }
        });
        while bucket.part < 1.0 && bucket.changed + RECOVERY <= now {
            bucket.part = (bucket.part + RECOVERY_STEP).min(1.0);
            bucket.changed += RECOVERY;
        }
        bucket
    }
}

impl Bucket {
    /// Between two messages.
    fn interval(&self, per_second: f64) -> TimeDelta {
        let interval = 1_000_000.0 / (per_second * self.grade * self.part);
        #[expect(clippy::cast_possible_truncation, reason = "at most a minute's worth of microseconds")]
        let interval = interval.clamp(1.0, 60_000_000.0) as i64;
        TimeDelta::microseconds(interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: ContactId = ContactId(1);

    fn start() -> Time {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    /// Sends what may go at `now`, at most `most`.
    fn burst(pace: &mut Pace, contact: ContactId, most: usize, now: Time) -> usize {
        (0..most)
            .take_while(|_| pace.is_free("n", contact, now).then(|| pace.take("n", contact, now)).is_some())
            .count()
    }

    #[test]
    fn forty_five_at_once_then_one_every_six_seconds() {
        let mut pace = Pace::new(0, true, start());
        assert_eq!(burst(&mut pace, C, 60, start()), 45);
        assert_eq!(pace.contact_free_at(C, start()), start() + TimeDelta::seconds(6));
        assert_eq!(burst(&mut pace, C, 60, start() + TimeDelta::seconds(6)), 1);
        assert!(pace.is_free("n", ContactId(2), start()), "other contacts go on");
    }

    #[test]
    fn the_burst_is_paid_back() {
        let mut pace = Pace::new(0, true, start());
        burst(&mut pace, C, 45, start());
        assert_eq!(burst(&mut pace, C, 45, start() + TimeDelta::seconds(60)), 10, "a minute earns ten");
    }

    #[test]
    fn what_meta_counted_late_is_owed_from_then_on() {
        let mut pace = Pace::new(0, true, start());
        pace.take("n", C, start());
        pace.answered(C, start() + TimeDelta::seconds(10));
        assert_eq!(burst(&mut pace, C, 60, start() + TimeDelta::seconds(10)), 44);
    }

    #[test]
    fn a_restart_remembers_what_is_owed() {
        let mut before = Pace::new(0, true, start());
        let mut sent = vec![start(); burst(&mut before, C, 45, start())];
        for minute in 1..40 {
            let at = start() + TimeDelta::minutes(minute);
            sent.extend(vec![at; burst(&mut before, C, 60, at)]);
        }
        let later = start() + TimeDelta::minutes(39) + TimeDelta::seconds(20);
        let mut after = Pace::new(0, true, later);
        assert!(after.is_stranger(C, true, later) && !after.is_stranger(C, true, later + RECALL));
        assert!(after.is_stranger(C, false, later + RECALL), "another host may have written to it");
        after.recall(C, sent.into_iter(), later);
        assert!(!after.is_stranger(C, true, later));
        assert_eq!(burst(&mut after, C, 60, later), burst(&mut before, C, 60, later));
    }

    #[test]
    fn a_clock_that_is_set_back_neither_forgives_nor_holds_up() {
        let hour = TimeDelta::hours(1);
        let mut pace = Pace::new(80, true, start());
        let later = start() + hour;
        assert_eq!(burst(&mut pace, C, 15, later), 15);
        pace.set_back(hour);
        let soon = start() + TimeDelta::seconds(2);
        assert!(pace.is_free("n", C, soon) && pace.depart("n", soon).is_ok());
        let mut pair = Pace::new(0, true, start());
        assert_eq!(burst(&mut pair, C, 60, later), 45);
        pair.set_back(hour);
        assert!(!pair.is_free("n", C, start()));
        assert_eq!(burst(&mut pair, C, 60, start() + TimeDelta::seconds(6)), 1);
        let mut other = Pace::new(0, true, start());
        other.recall(C, std::iter::repeat_n(later, 10), start());
        assert_eq!(burst(&mut other, C, 60, start()), 35, "ten were sent by a clock that was ahead");
    }

    #[test]
    fn a_number_keeps_its_rate_whatever_came_in_counts_too() {
        let mut pace = Pace::new(80, false, start());
        let mut sent = 0;
        for tick in 0..1_000 {
            let now = start() + TimeDelta::milliseconds(10 * tick);
            if tick == 0 {
                pace.hear("n", 80, now);
            }
            sent += burst(&mut pace, C, 100, now);
        }
        assert!((700..=740).contains(&sent), "{sent} messages in ten seconds at 80/s after 80 that came in");
        assert!(pace.is_free("other", C, start()));
    }

    #[test]
    fn what_leaves_late_leaves_no_faster_than_meta_takes_it() {
        let mut pace = Pace::new(80, false, start() - TimeDelta::hours(1));
        let left = (0..200).take_while(|_| pace.depart("n", start()).is_ok()).count();
        assert_eq!(left, 69, "less than a second's worth");
        let free_at = pace.depart("n", start()).unwrap_err();
        assert!(free_at <= start() + TimeDelta::milliseconds(13) && pace.depart("n", free_at).is_ok());
        pace.take("n", C, start());
        pace.refund(C);
        assert_eq!(burst(&mut Pace::new(0, true, start()), C, 60, start()), 45);
    }

    #[test]
    fn after_a_start_there_is_no_burst_at_once() {
        let mut pace = Pace::new(80, false, start());
        assert_eq!(burst(&mut pace, C, 100, start()), 1);
        assert_eq!(burst(&mut pace, C, 100, start() + TimeDelta::seconds(2)), 21);
    }

    #[test]
    fn a_number_that_was_too_fast_slows_down_and_recovers() {
        let mut pace = Pace::new(100, false, start());
        let in_a_second = |pace: &mut Pace, from: i64| -> usize {
            (0..100).map(|tick| burst(pace, C, 10, start() + TimeDelta::milliseconds(1_000 * from + 10 * tick))).sum()
        };
        assert!((99..=125).contains(&in_a_second(&mut pace, 5)));
        pace.slow_down("n", start() + TimeDelta::seconds(6));
        assert!((45..=55).contains(&in_a_second(&mut pace, 6)));
        assert!((99..=125).contains(&in_a_second(&mut pace, 120)));
        pace.set_grade("n", 12.5, start() + TimeDelta::seconds(121));
        assert!(in_a_second(&mut pace, 122) >= 950);
    }

    #[test]
    fn no_limits_when_switched_off() {
        let mut pace = Pace::new(0, false, start());
        assert_eq!(burst(&mut pace, C, 1_000, start()), 1_000);
        assert!(!pace.is_stranger(C, false, start()));
    }
}
