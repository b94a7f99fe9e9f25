//! This host's share of a number's rate, where several hosts send.
//!
//! A tenth of the rate is divided among the hosts that send and used without asking, so that an answer now and then waits
//! for nobody. The rest the database gives away in turns (`storage/rates.rs`): a host asks for as many messages as it has,
//! at most a quarter of a second's worth, and is told from when on it may send them. What it has not sent soon after is
//! lost, so that turns of several hosts cannot pile up: together they are never ahead of the rate by more than about half
//! a second's worth, of the second's worth that Meta takes at once.

use chrono::TimeDelta;
use domain::Time;

/// The part of the rate that is used without asking.
const UNASKED_PART: i32 = 10;
/// The most that is asked for: so much of what may be sent in a second.
const TURN: TimeDelta = TimeDelta::milliseconds(250);
/// How long after its time a turn may still be used.
const GRACE: TimeDelta = TimeDelta::milliseconds(100);
/// How far what came in may be ahead before messages that are sent unasked wait for it.
const HEARD_AHEAD: TimeDelta = TimeDelta::milliseconds(250);
/// The most that is asked for on behalf of messages that came in.
const HEARD_MAX: TimeDelta = TimeDelta::seconds(10);

/// What is asked of the database for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// So many messages.
    pub(super) count: usize,
    /// How much of the number's time that is.
    pub(super) time: TimeDelta,
    /// How much of it is for messages that came in: those that go out come after it.
    pub(super) heard: TimeDelta,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Share {
    /// When the next message may go without asking.
    unasked_due: Time,
    turn: Option<Turn>,
    /// Until when the number is busy with what came in, which counts like what goes out.
    heard_due: Time,
    /// Since when `sent` is counted.
    counted_from: Time,
    sent: usize,
    sent_before: usize,
}

/// Messages that may be sent in a while.
#[derive(Debug)]
struct Turn {
    from: Time,
    until: Time,
    left: usize,
}

impl Share {
    pub(super) fn new(now: Time) -> Self {
        Self { unasked_due: now, turn: None, heard_due: now, counted_from: now, sent: 0, sent_before: 0 }
    }

    /// From when on a message may go, as far as is known.
    pub(super) fn free_at(&self, now: Time) -> Time {
        let unasked = self.unasked_due.max(self.heard_due - HEARD_AHEAD);
        self.turn(now).map_or(unasked, |turn| turn.from.min(unasked))
    }

    fn turn(&self, now: Time) -> Option<&Turn> {
        self.turn.as_ref().filter(|turn| turn.left > 0 && now <= turn.until)
    }

    /// A message goes. `interval`: between two messages of the number, of all `hosts` together.
    pub(super) fn take(&mut self, interval: TimeDelta, hosts: i32, now: Time) {
        self.count(now);
        self.sent += 1;
        match self.turn.as_mut().filter(|turn| turn.left > 0 && turn.from <= now && now <= turn.until) {
            Some(turn) => turn.left -= 1,
            None => self.unasked_due = self.unasked_due.max(now) + interval * UNASKED_PART * hosts,
        }
    }

    fn count(&mut self, now: Time) {
        if now >= self.counted_from + TURN {
            self.sent_before = if now < self.counted_from + TURN * 2 { self.sent } else { 0 };
            self.sent = 0;
            self.counted_from = now;
        }
    }

    /// Messages came in.
    pub(super) fn hear(&mut self, interval: TimeDelta, messages: i32, now: Time) {
        self.heard_due = self.heard_due.max(now) + interval * messages;
    }

    /// What to ask for when so many messages wait: for these, and for as many as were sent lately, since more of them will
    /// come. None while there is a turn.
    pub(super) fn wanted(&mut self, queued: usize, interval: TimeDelta, now: Time) -> Option<Wanted> {
        if queued == 0 || self.turn(now).is_some() {
            return None;
        }
        self.count(now);
        let most = TURN.num_microseconds().unwrap_or(1) / interval.num_microseconds().unwrap_or(1).max(1);
        let most = usize::try_from(most).unwrap_or(1).max(1);
        let count = (queued + self.sent.max(self.sent_before)).min(most);
        let heard = (self.heard_due - now).clamp(TimeDelta::zero(), HEARD_MAX);
        let messages = i32::try_from(count).unwrap_or(i32::MAX);
        // What is used without asking is not given away.
        let time = interval * messages * UNASKED_PART / (UNASKED_PART - 1) + heard;
        Some(Wanted { count, time, heard })
    }

    /// The clock was set back.
    pub(super) fn set_back(&mut self, by: TimeDelta) {
        self.unasked_due -= by;
        self.heard_due -= by;
        self.counted_from -= by;
        // What the database has given away is dated by hosts; it is asked again.
        self.turn = None;
    }

    /// What was asked for may be sent from a time on.
    pub(super) fn grant(&mut self, wanted: Wanted, from: Time, now: Time) {
        let from = (from + wanted.heard).max(now);
        // What came in since it was asked for is asked for next.
        self.heard_due -= wanted.heard;
        let until = from + (wanted.time - wanted.heard).max(TURN) + GRACE;
        self.turn = Some(Turn { from, until, left: wanted.count });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: TimeDelta = TimeDelta::microseconds(12_500);

    fn at(milliseconds: i64) -> Time {
        "2026-01-01T00:00:00Z".parse::<Time>().unwrap() + TimeDelta::milliseconds(milliseconds)
    }

    /// Hosts with as much to send as they can, in steps of 5 ms: what each has sent, and when.
    fn campaign(hosts: usize, steps: i64) -> (Vec<usize>, Vec<Time>) {
        let mut shares: Vec<Share> = (0..hosts).map(|_| Share::new(at(0))).collect();
        let (mut due, mut sent, mut times) = (at(0), vec![0; hosts], Vec::new());
        for now in (0..steps).map(|step| at(5 * step)) {
            for (host, share) in shares.iter_mut().enumerate() {
                if let Some(wanted) = share.wanted(1_000, INTERVAL, now) {
                    let from = due.max(now - GRACE);
                    due = from + wanted.time;
                    share.grant(wanted, from, now);
                }
                while share.free_at(now) <= now {
                    share.take(INTERVAL, i32::try_from(hosts).unwrap(), now);
                    sent[host] += 1;
                    times.push(now);
                }
            }
        }
        (sent, times)
    }

    #[test]
    fn hosts_together_use_the_rate_and_keep_it() {
        for hosts in [2, 3, 10] {
            let (sent, times) = campaign(hosts, 2_000);
            let total = sent.iter().sum::<usize>();
            assert!((720..=850).contains(&total), "{total} by {hosts} hosts in ten seconds at 80/s");
            let least = sent.iter().min().unwrap();
            assert!(least * hosts * 2 > total, "each has its part: {sent:?}");
            // As Meta counts: 80 a second, a second's worth at once.
            let mut due = at(0);
            for now in times {
                assert!(due - INTERVAL * 79 <= now, "{hosts} hosts are too fast at {now}");
                due = due.max(now) + INTERVAL;
            }
        }
    }

    #[test]
    fn a_message_now_and_then_is_sent_without_asking() {
        let mut share = Share::new(at(0));
        assert!(share.free_at(at(0)) <= at(0));
        share.take(INTERVAL, 3, at(0));
        assert_eq!(share.free_at(at(0)), at(375), "80 a second, a tenth of it, a third of that");
        assert_eq!(share.wanted(0, INTERVAL, at(1)), None);
        let wanted = share.wanted(1, INTERVAL, at(1)).unwrap();
        assert_eq!(wanted.count, 2, "the one that waits, and one more, as lately");
        share.grant(wanted, at(50), at(2));
        assert_eq!((share.free_at(at(2)), share.wanted(5, INTERVAL, at(2))), (at(50), None));
        assert_eq!(share.free_at(at(401)), at(375), "a turn that was not used is lost");
    }

    #[test]
    fn what_came_in_is_asked_for_as_well() {
        let mut share = Share::new(at(0));
        share.hear(INTERVAL, 8, at(0));
        let silent = Share::new(at(0)).wanted(1, INTERVAL, at(0)).unwrap();
        let wanted = share.wanted(1, INTERVAL, at(0)).unwrap();
        assert_eq!(wanted.time, silent.time + INTERVAL * 8);
        share.grant(wanted, at(0), at(0));
        assert!(share.turn(at(0)).is_some_and(|turn| turn.from == at(100)), "what goes out comes after what came in");
        share.take(INTERVAL, 2, at(100));
        let again = share.wanted(1, INTERVAL, at(100)).unwrap();
        assert_eq!((again.time, again.heard), (INTERVAL * 2 * 10 / 9, TimeDelta::zero()), "once");
        share.hear(INTERVAL, 80, at(100));
        assert_eq!(share.free_at(at(100)), at(850), "and what is sent unasked waits for it, too");
        share.hear(INTERVAL, 8_000, at(100));
        assert_eq!(share.wanted(1, INTERVAL, at(2_000)).unwrap().heard, HEARD_MAX);
    }
}
