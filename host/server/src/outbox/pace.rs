//! How fast Meta lets a number send, and a number to one contact.
//!
//! Both are kept by the generic cell rate algorithm: one point in time per number and per contact says when the next
//! message would be due at the steady rate; running ahead of it by no more than the burst is allowed.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::{ContactId, Time};

/// One message to a contact every so often, on average (Meta, throughput: pair limit).
const PAIR_INTERVAL: TimeDelta = TimeDelta::seconds(6);
/// How many may be sent to a contact at once; they are borrowed from the future (same source).
const PAIR_BURST: i32 = 45;
/// A number's burst, as a part of a second's worth.
const NUMBER_BURST_MS: i64 = 250;
/// Contacts remembered before those are dropped whose time has passed.
const PRUNE_AT: usize = 20_000;

/// The paces of one host.
#[derive(Debug)]
pub(super) struct Pace {
    /// Between two messages of a number; none: no limit.
    number_interval: Option<TimeDelta>,
    pairs: bool,
    numbers: HashMap<String, Time>,
    contacts: HashMap<ContactId, Time>,
}

impl Pace {
    /// `per_second` 0 switches the pace per number off, `pairs` the one per contact.
    pub(super) fn new(per_second: u32, pairs: bool) -> Self {
        let number_interval = (per_second > 0).then(|| TimeDelta::microseconds(1_000_000 / i64::from(per_second)));
        Self { number_interval, pairs, numbers: HashMap::new(), contacts: HashMap::new() }
    }

    /// Takes the next place in the queue and tells when its turn is: not before `not_before`, which may be far off, for
    /// a message that is tried again. Others are not held up by that one.
    pub(super) fn take(&mut self, number: &str, contact: ContactId, now: Time, not_before: Time) -> Time {
        let mut turn = not_before.max(now);
        if self.pairs {
            let due = self.contacts.get(&contact).copied().unwrap_or(now).max(now);
            turn = turn.max(due - PAIR_INTERVAL * (PAIR_BURST - 1));
            self.contacts.insert(contact, due + PAIR_INTERVAL);
            if self.contacts.len() > PRUNE_AT {
                self.contacts.retain(|_, due| *due > now);
            }
        }
        if let Some(interval) = self.number_interval {
            let due = self.numbers.get(number).copied().unwrap_or(now).max(now);
            turn = turn.max(due - TimeDelta::milliseconds(NUMBER_BURST_MS));
            self.numbers.insert(number.to_owned(), due + interval);
        }
        turn
    }

    /// Whether a message may go right now. Takes a place only if so.
    pub(super) fn take_now(&mut self, number: &str, contact: ContactId, now: Time) -> bool {
        let pair = self.contacts.get(&contact).is_none_or(|due| *due - PAIR_INTERVAL * (PAIR_BURST - 1) <= now);
        let number_free =
            self.numbers.get(number).is_none_or(|due| *due - TimeDelta::milliseconds(NUMBER_BURST_MS) <= now);
        let free = (pair || !self.pairs) && (number_free || self.number_interval.is_none());
        if free {
            self.take(number, contact, now, now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Time {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn forty_five_at_once_then_one_every_six_seconds() {
        let mut pace = Pace::new(0, true);
        let turns: Vec<Time> = (0..48).map(|_| pace.take("n", ContactId(1), start(), start())).collect();
        assert!(turns[..45].iter().all(|turn| *turn == start()));
        assert_eq!(turns[45], start() + TimeDelta::seconds(6));
        assert_eq!(turns[47], start() + TimeDelta::seconds(18));
        assert!(pace.take_now("n", ContactId(2), start()), "other contacts go on");
    }

    #[test]
    fn the_burst_is_paid_back() {
        let mut pace = Pace::new(0, true);
        for _ in 0..45 {
            pace.take("n", ContactId(1), start(), start());
        }
        let later = start() + TimeDelta::seconds(60);
        let free = (0..45).filter(|_| pace.take_now("n", ContactId(1), later)).count();
        assert_eq!(free, 10, "a minute earns ten");
    }

    #[test]
    fn a_number_keeps_its_rate() {
        let mut pace = Pace::new(80, false);
        let last = (0..800).map(|i| pace.take("n", ContactId(i), start(), start())).last().unwrap();
        let seconds = (last - start()).as_seconds_f64();
        assert!((9.5..=10.0).contains(&seconds), "800 messages at 80/s took {seconds}");
        assert!(pace.take_now("other", ContactId(1), start()));
    }

    #[test]
    fn one_message_that_is_put_off_holds_up_no_other() {
        let mut pace = Pace::new(80, true);
        let later = start() + TimeDelta::hours(1);
        assert_eq!(pace.take("n", ContactId(1), start(), later), later);
        assert!(pace.take_now("n", ContactId(2), start()), "another contact of the same number");
        for _ in 0..60 {
            pace.take("n", ContactId(3), start(), start());
        }
        assert!(pace.take("n", ContactId(4), start(), start()) < start() + TimeDelta::seconds(2));
    }

    #[test]
    fn no_limits_when_switched_off() {
        let mut pace = Pace::new(0, false);
        assert!((0..1000).all(|_| pace.take_now("n", ContactId(1), start())));
    }
}
