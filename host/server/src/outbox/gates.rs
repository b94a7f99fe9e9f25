//! What must not be sent at the moment: pauses that Meta asked for, and bots that are not well.
//!
//! A pause has a scope: an app (an access token stands for it), an account, a number or a contact. Everything else goes
//! on. When it is over, one message goes first; the others follow once Meta has taken it.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
};

use chrono::TimeDelta;
use domain::{BotId, ContactId, Time};
use storage::{Health, Stops};

use crate::credentials::Credentials;

/// How long the others wait for the outcome of the first message after a pause.
const SCOUT_PATIENCE: TimeDelta = TimeDelta::seconds(30);

/// Pauses remembered before those are dropped that have been over for long.
const PRUNE_AT: usize = 10_000;
/// How long that is.
const FORGOTTEN_AFTER: TimeDelta = TimeDelta::hours(1);

/// What a pause is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    App(u64),
    Account(String),
    Number(String),
    Contact(ContactId),
}

/// How long pauses are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Backoff {
    /// The first.
    pub(super) first: TimeDelta,
    /// How many times longer each further one is.
    pub(super) factor: i32,
    /// The longest.
    pub(super) longest: TimeDelta,
}

impl Backoff {
    /// The pause after so many in a row.
    pub(super) fn after(self, times: u32) -> TimeDelta {
        (0..times.min(20)).fold(self.first, |pause, _| (pause * self.factor).min(self.longest)).min(self.longest)
    }
}

#[derive(Debug)]
struct Pause {
    until: Time,
    /// How many in a row there were before it.
    times: u32,
    /// Until when the first message after it is on its way.
    scouting: Option<Time>,
}

/// What a bot's messages share with those of other bots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sender {
    app: u64,
    account: Option<String>,
}

impl Sender {
    pub(super) fn of(credentials: &Credentials) -> Self {
        let mut hasher = DefaultHasher::new();
        credentials.access_token.reveal().hash(&mut hasher);
        Self { app: hasher.finish(), account: credentials.account.clone() }
    }

    /// The pause of its app.
    pub(super) fn app(&self) -> Key {
        Key::App(self.app)
    }

    /// The pause of its account, or of its app where the account is not known.
    pub(super) fn account(&self) -> Key {
        self.account.clone().map_or_else(|| self.app(), Key::Account)
    }
}

/// A bot that is not well, or was not a moment ago.
#[derive(Debug)]
struct Halt {
    stops: Stops,
    /// When the next message is tried all the same.
    probe_at: Time,
    /// The bot's revision that says so; none while that is not stored yet.
    revision: Option<i64>,
}

/// Grows with every pause that begins and every bot that falls ill.
pub(super) type Epoch = u64;

/// What stands in the way of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// Nothing until then.
    Pause(Time),
    /// Its bot is not well.
    Halt,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gates {
    pauses: HashMap<Key, Pause>,
    senders: HashMap<BotId, Sender>,
    halts: HashMap<BotId, Halt>,
    epoch: Epoch,
}

impl Gates {
    /// The present epoch.
    pub(super) fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Until when a message has to wait that was let go in `epoch`, if it would not be any more.
    pub(super) fn shut_since(
        &self,
        epoch: Epoch,
        bot: BotId,
        number: &str,
        kind: &str,
        contact: ContactId,
        now: Time,
    ) -> Option<Time> {
        if self.epoch == epoch {
            return None;
        }
        let paused = self.closed_until(bot, number, now).max(self.contact_closed_until(contact, now));
        paused.or_else(|| self.halts(bot, kind).then_some(now))
    }

    /// Meta asks for a pause. `began`: when the request was made that it refused; those that were on their way together
    /// make one pause. Returns its end, and whether it is a new one.
    pub(super) fn close(&mut self, key: Key, backoff: Backoff, began: Time, now: Time) -> (Time, bool) {
        let times = match self.pauses.get(&key) {
            Some(pause) if began < pause.until && now < pause.until => return (pause.until, false),
            Some(pause) if began < pause.until => pause.times,
            Some(pause) => pause.times + 1,
            None => 0,
        };
        let until = now + backoff.after(times);
        self.epoch += 1;
        self.pauses.insert(key, Pause { until, times, scouting: None });
        if self.pauses.len() > PRUNE_AT {
            self.pauses.retain(|_, pause| pause.until + FORGOTTEN_AFTER > now);
        }
        (until, true)
    }

    /// Another host was asked for a pause until then.
    pub(super) fn hold(&mut self, key: Key, until: Time) {
        let times = self.pauses.get(&key).map_or(0, |pause| pause.times);
        if self.pauses.get(&key).is_none_or(|pause| pause.until < until) {
            self.pauses.insert(key, Pause { until, times, scouting: None });
            self.epoch += 1;
        }
    }

    /// The clock was set back. Pauses stay as long as they were.
    pub(super) fn set_back(&mut self, by: TimeDelta) {
        for pause in self.pauses.values_mut() {
            pause.until -= by;
            pause.scouting = pause.scouting.map(|until| until - by);
        }
        for halt in self.halts.values_mut() {
            halt.probe_at -= by;
        }
    }

    /// Meta took a message, or refused it for another reason.
    pub(super) fn open(&mut self, key: &Key, began: Time) {
        if self.pauses.get(key).is_some_and(|pause| began >= pause.until) {
            self.pauses.remove(key);
        }
    }

    /// Opens whatever a message of this bot, number and contact went through.
    pub(super) fn passed(&mut self, sender: &Sender, number: &str, contact: ContactId, began: Time) {
        if !self.pauses.is_empty() {
            for key in [sender.app(), sender.account(), Key::Number(number.to_owned()), Key::Contact(contact)] {
                self.open(&key, began);
            }
        }
    }

    /// Until when nothing of this bot goes out from this number.
    pub(super) fn closed_until(&self, bot: BotId, number: &str, now: Time) -> Option<Time> {
        self.keys(bot, number).filter_map(|key| self.pauses.get(&key)?.closed_until(now)).max()
    }

    /// Until when nothing goes out to a contact.
    pub(super) fn contact_closed_until(&self, contact: ContactId, now: Time) -> Option<Time> {
        self.pauses.get(&Key::Contact(contact)).map(|pause| pause.until).filter(|until| *until > now)
    }

    /// Whether there is no pause of any kind, not even one that is over and not yet proven to be.
    pub(super) fn is_clear(&self, bot: BotId, number: &str, contact: ContactId) -> bool {
        self.pauses.is_empty()
            || !self.keys(bot, number).chain([Key::Contact(contact)]).any(|key| self.pauses.contains_key(&key))
    }

    /// A message goes: after a pause it is the first, and the others wait for its outcome.
    pub(super) fn pass(&mut self, bot: BotId, number: &str, now: Time) {
        if self.pauses.is_empty() {
            return;
        }
        for key in self.keys(bot, number).collect::<Vec<_>>() {
            if let Some(pause) = self.pauses.get_mut(&key) {
                pause.scouting = Some(now + SCOUT_PATIENCE);
            }
        }
    }

    fn keys(&self, bot: BotId, number: &str) -> impl Iterator<Item = Key> + use<> {
        let none = self.pauses.is_empty();
        let sender = self.senders.get(&bot).filter(|_| !none);
        let number = (!none).then(|| Key::Number(number.to_owned()));
        sender.map(|sender| [sender.app(), sender.account()]).into_iter().flatten().chain(number)
    }

    /// What a bot's messages share with others, as far as known.
    pub(super) fn sender(&self, bot: BotId) -> Option<&Sender> {
        self.senders.get(&bot)
    }

    /// What the database says of a bot. What this host has found out meanwhile and not stored yet holds.
    pub(super) fn note_bot(
        &mut self,
        bot: BotId,
        revision: i64,
        credentials: Option<&Credentials>,
        health: &Health,
        now: Time,
    ) {
        match credentials.map(Sender::of) {
            Some(sender) => drop(self.senders.insert(bot, sender)),
            None => drop(self.senders.remove(&bot)),
        }
        if self.halts.get(&bot).is_some_and(|halt| halt.revision.is_none_or(|known| known >= revision)) {
            return;
        }
        if health.stops == Stops::Nothing {
            self.halts.remove(&bot);
        } else {
            // Somebody may have mended it while this host did not look: the first message finds out.
            self.halts.insert(bot, Halt { stops: health.stops, probe_at: now, revision: Some(revision) });
        }
    }

    /// A bot is not well. `false` when that is known.
    pub(super) fn halt(&mut self, bot: BotId, stops: Stops, probe_at: Time) -> bool {
        let known = self.halts.get(&bot).is_some_and(|halt| halt.stops == stops);
        self.halts.insert(bot, Halt { stops, probe_at, revision: None });
        self.epoch += u64::from(!known);
        !known
    }

    /// A bot is well again. `false` when it was before.
    pub(super) fn heal(&mut self, bot: BotId, now: Time) -> bool {
        let known = self.halts.get(&bot).is_none_or(|halt| halt.stops == Stops::Nothing);
        if !known {
            self.halts.insert(bot, Halt { stops: Stops::Nothing, probe_at: now, revision: None });
        }
        !known
    }

    /// What this host found out is stored with this revision; none when the bot is gone.
    pub(super) fn stored(&mut self, bot: BotId, revision: Option<i64>) {
        match (revision, self.halts.get_mut(&bot)) {
            (Some(revision), Some(halt)) => halt.revision = Some(revision),
            _ => drop(self.halts.remove(&bot)),
        }
    }

    /// A person has changed a bot: what is known of it is to be learned anew.
    pub(super) fn forget_bot(&mut self, bot: BotId) {
        self.halts.remove(&bot);
        self.senders.remove(&bot);
    }

    /// Whether messages of a type wait for their bot to get well.
    pub(super) fn halts(&self, bot: BotId, kind: &str) -> bool {
        self.halts.get(&bot).is_some_and(|halt| halt.stops.stops(kind))
    }

    /// When the next message of a bot that is not well is tried all the same.
    pub(super) fn probe_at(&self, bot: BotId) -> Option<Time> {
        self.halts.get(&bot).map(|halt| halt.probe_at)
    }

    /// What stands in the way of a message. The first one that is due when its bot is to be tried again passes, and
    /// the next has to wait until `next_probe`.
    pub(super) fn obstacle(
        &mut self,
        bot: BotId,
        kind: &str,
        contact: ContactId,
        next_probe: Time,
        now: Time,
    ) -> Option<Obstacle> {
        if let Some(until) = self.contact_closed_until(contact, now) {
            return Some(Obstacle::Pause(until));
        }
        let halt = self.halts.get_mut(&bot).filter(|halt| halt.stops.stops(kind))?;
        if halt.probe_at > now {
            return Some(Obstacle::Halt);
        }
        halt.probe_at = next_probe;
        None
    }
}

impl Pause {
    fn closed_until(&self, now: Time) -> Option<Time> {
        Some(self.scouting.unwrap_or(self.until)).filter(|until| *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SecretText;

    const SOON: Backoff = Backoff { first: TimeDelta::seconds(1), factor: 4, longest: TimeDelta::seconds(20) };

    fn at(seconds: i64) -> Time {
        "2026-01-01T00:00:00Z".parse::<Time>().unwrap() + TimeDelta::seconds(seconds)
    }

    fn gates() -> Gates {
        let mut gates = Gates::default();
        for (bot, token, account) in [(1, "a", Some("x")), (2, "a", Some("y")), (3, "b", Some("x")), (4, "b", None)] {
            let credentials = Credentials {
                phone_number_id: bot.to_string(),
                access_token: SecretText::new(token),
                account: account.map(str::to_owned),
            };
            gates.senders.insert(BotId(bot), Sender::of(&credentials));
        }
        gates
    }

    fn closed(gates: &Gates, now: Time) -> Vec<i64> {
        (1..5).filter(|bot| gates.closed_until(BotId(*bot), &bot.to_string(), now).is_some()).collect()
    }

    #[test]
    fn a_pause_holds_for_what_shares_its_scope_only() {
        for (key, hit) in [
            (gates().senders[&BotId(1)].app(), vec![1, 2]),
            (gates().senders[&BotId(1)].account(), vec![1, 3]),
            (gates().senders[&BotId(4)].account(), vec![3, 4]),
            (Key::Number("2".into()), vec![2]),
            (Key::Contact(ContactId(7)), vec![]),
        ] {
            let mut gates = gates();
            gates.close(key.clone(), SOON, at(0), at(0));
            assert_eq!(closed(&gates, at(0)), hit, "{key:?}");
            assert_eq!(closed(&gates, at(1)), Vec::<i64>::new(), "{key:?} is over");
        }
    }

    #[test]
    fn refusals_of_requests_that_were_out_together_make_one_pause_and_later_ones_longer_pauses() {
        let (mut gates, key) = (gates(), Key::Number("1".into()));
        assert_eq!(gates.close(key.clone(), SOON, at(0), at(0)), (at(1), true));
        assert_eq!(gates.close(key.clone(), SOON, at(0), at(0)), (at(1), false));
        assert_eq!(gates.close(key.clone(), SOON, at(1), at(1)), (at(5), true));
        assert_eq!(gates.close(key.clone(), SOON, at(5), at(5)), (at(21), true));
        assert_eq!(gates.close(key.clone(), SOON, at(21), at(21)), (at(41), true), "no longer than the longest");
        gates.open(&key, at(40));
        assert!(!gates.pauses.is_empty(), "what was asked before the end proves nothing");
        gates.open(&key, at(41));
        assert_eq!(gates.close(key, SOON, at(42), at(42)), (at(43), true), "short again");
    }

    #[test]
    fn what_was_let_go_before_a_pause_is_called_back_and_what_after_it_is_not() {
        let (mut gates, contact) = (gates(), ContactId(1));
        let before = gates.epoch();
        gates.close(Key::Number("1".into()), SOON, at(0), at(0));
        gates.halt(BotId(2), Stops::All, at(600));
        let shut = |epoch, bot: i64| gates.shut_since(epoch, BotId(bot), &bot.to_string(), "text", contact, at(0));
        assert_eq!((shut(before, 1), shut(before, 2), shut(before, 3)), (Some(at(1)), Some(at(0)), None));
        assert_eq!((shut(gates.epoch(), 1), shut(gates.epoch(), 2)), (None, None), "the first after it");
    }

    #[test]
    fn after_a_pause_one_goes_first() {
        let (mut gates, bot) = (gates(), BotId(1));
        gates.close(Key::Number("1".into()), SOON, at(0), at(0));
        assert_eq!(gates.closed_until(bot, "1", at(1)), None);
        assert!(!gates.is_clear(bot, "1", ContactId(1)));
        gates.pass(bot, "1", at(1));
        assert_eq!(gates.closed_until(bot, "1", at(1)), Some(at(1) + SCOUT_PATIENCE));
        let sender = gates.senders[&bot].clone();
        gates.passed(&sender, "1", ContactId(1), at(1));
        assert!(gates.is_clear(bot, "1", ContactId(1)));
    }

    #[test]
    fn a_bot_that_is_not_well_tries_one_message_now_and_then() {
        let (mut gates, bot) = (gates(), BotId(1));
        assert!(gates.halt(bot, Stops::Templates, at(600)));
        let mut seen = |kind: &str, now| gates.obstacle(bot, kind, ContactId(1), now + TimeDelta::seconds(600), now);
        assert_eq!(seen("text", at(1)), None);
        assert_eq!(seen("template", at(1)), Some(Obstacle::Halt));
        assert_eq!(seen("template", at(600)), None, "the probe");
        assert_eq!(seen("template", at(600)), Some(Obstacle::Halt));
        assert!(gates.heal(bot, at(601)) && !gates.heal(bot, at(601)));
        assert!(!gates.halts(bot, "template"));
    }

    #[test]
    fn what_the_database_says_holds_unless_this_host_knows_better() {
        let (mut gates, bot) = (gates(), BotId(1));
        let ok = Health {
            status: "ok".into(),
            stops: Stops::Nothing,
            code: None,
            detail: None,
            since: None,
            checked_at: None,
        };
        let ill = Health { status: "restricted".into(), stops: Stops::All, ..ok.clone() };
        gates.halt(bot, Stops::All, at(600));
        gates.note_bot(bot, 5, None, &ok, at(1));
        assert!(gates.halts(bot, "text"), "not stored yet");
        gates.stored(bot, Some(6));
        gates.note_bot(bot, 6, None, &ill, at(1));
        assert_eq!(gates.probe_at(bot), Some(at(600)));
        gates.note_bot(bot, 7, None, &ok, at(1));
        assert!(!gates.halts(bot, "text"), "somebody has mended it");
        gates.note_bot(bot, 8, None, &ill, at(2));
        assert_eq!(gates.probe_at(bot), Some(at(2)));
        gates.forget_bot(bot);
        assert!(!gates.halts(bot, "text") && gates.sender(bot).is_none());
    }
}
