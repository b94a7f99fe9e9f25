//! How much Meta takes: per number, per contact, per app and per account.
//!
//! All are kept by the generic cell rate algorithm: what is taken is borrowed from the future, up to a burst, and has to
//! be paid back. What is refused costs nothing.

use std::collections::{BTreeMap, HashMap};

use chrono::TimeDelta;
use domain::Time;
use serde::{Deserialize, Serialize};

/// Seconds between two messages of a number to one contact, on average (Meta, throughput: pair limit).
const PAIR_SECONDS: i64 = 6;
/// How many of them may come at once (same source).
const PAIR_BURST: i32 = 45;

/// How much is taken. The default is everything. As JSON it is the body of `POST /emulator/limits`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Messages per second of each number, sent and received, with a second's worth at once; beyond that 130429.
    pub messages_per_second: Option<u32>,
    /// Numbers that have another rate. Those with more than 80 tell the throughput level `HIGH`.
    pub numbers: BTreeMap<String, u32>,
    /// Whether a contact gets 45 messages of a number at once and then one in 6 seconds; beyond that 131056.
    pub pairs: bool,
    /// Sends with one access token; beyond that 4.
    pub app: Option<Calls>,
    /// Sends of one account; beyond that 80007.
    pub account: Option<Calls>,
}

/// So many calls in so many seconds, in any distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// How many.
    pub most: u32,
    /// In how many seconds.
    pub seconds: u32,
}

impl Limits {
    /// What Meta lets a number of the usual throughput do.
    pub fn of_meta() -> Self {
        Self { messages_per_second: Some(80), pairs: true, ..Self::default() }
    }

    /// The throughput level that Meta tells of a number.
    pub(crate) fn level(&self, number: &str) -> &'static str {
        if self.numbers.get(number).is_some_and(|rate| *rate > 80) { "HIGH" } else { "STANDARD" }
    }

    fn of_number(&self, number: &str) -> Option<Calls> {
        let rate = self.numbers.get(number).copied().or(self.messages_per_second)?;
        Some(Calls { most: rate, seconds: 1 })
    }
}

/// Who sends what to whom.
pub(crate) struct Call<'a> {
    pub(crate) token: &'a str,
    pub(crate) account: &'a str,
    pub(crate) number: &'a str,
    pub(crate) to: &'a str,
}

/// What has been taken.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    apps: HashMap<String, Time>,
    accounts: HashMap<String, Time>,
    numbers: HashMap<String, Time>,
    pairs: HashMap<(String, String), Time>,
}

impl Ledger {
    /// Takes a send, or tells the code it is refused with.
    pub(crate) fn take(&mut self, limits: &Limits, call: &Call<'_>, now: Time) -> Result<(), i64> {
        let pair = (call.number.to_owned(), call.to.to_owned());
        let pairs = limits.pairs.then(|| (TimeDelta::seconds(PAIR_SECONDS), PAIR_BURST));
        let checks = [
            (4, self.apps.get(call.token), limits.app.map(Calls::terms)),
            (80_007, self.accounts.get(call.account), limits.account.map(Calls::terms)),
            (130_429, self.numbers.get(call.number), limits.of_number(call.number).map(Calls::terms)),
            (131_056, self.pairs.get(&pair), pairs),
        ];
        for (code, due, terms) in checks {
            if let (Some(due), Some((interval, burst))) = (due, terms)
                && *due - interval * (burst - 1) > now
            {
                return Err(code);
            }
        }
        let [app, account, number, pair_terms] = checks.map(|(.., terms)| terms);
        charge(&mut self.apps, call.token.to_owned(), app, now);
        charge(&mut self.accounts, call.account.to_owned(), account, now);
        charge(&mut self.numbers, call.number.to_owned(), number, now);
        charge(&mut self.pairs, pair, pair_terms, now);
        Ok(())
    }

    /// A number gets a message.
    pub(crate) fn hear(&mut self, limits: &Limits, number: &str, now: Time) {
        charge(&mut self.numbers, number.to_owned(), limits.of_number(number).map(Calls::terms), now);
    }
}

fn charge<K: std::hash::Hash + Eq>(dues: &mut HashMap<K, Time>, key: K, terms: Option<(TimeDelta, i32)>, now: Time) {
    if let Some((interval, _)) = terms {
        let due = dues.entry(key).or_insert(now);
        *due = (*due).max(now) + interval;
    }
}

impl Calls {
    /// Time per call, and how many at once.
    fn terms(self) -> (TimeDelta, i32) {
        let most = self.most.max(1);
        let interval = TimeDelta::microseconds(i64::from(self.seconds) * 1_000_000 / i64::from(most));
        (interval, i32::try_from(most).unwrap_or(i32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Time {
        "2026-01-01T00:00:00Z".parse::<Time>().unwrap() + TimeDelta::milliseconds(millis)
    }

    fn call<'a>(number: &'a str, to: &'a str) -> Call<'a> {
        Call { token: "t", account: "a", number, to }
    }

    /// How many of `n` are taken, and the code of the first that is not.
    fn burst(ledger: &mut Ledger, limits: &Limits, n: usize, to: &str, now: Time) -> (usize, Option<i64>) {
        let mut refused = None;
        let taken = (0..n).filter(|_| ledger.take(limits, &call("1", to), now).map_err(|c| refused = Some(c)).is_ok());
        (taken.count(), refused)
    }

    #[test]
    fn a_pair_gets_a_burst_that_it_pays_back() {
        let (mut ledger, limits) = (Ledger::default(), Limits { pairs: true, ..Limits::default() });
        assert_eq!(burst(&mut ledger, &limits, 50, "x", at(0)), (45, Some(131_056)));
        assert_eq!(burst(&mut ledger, &limits, 1, "x", at(5_900)), (0, Some(131_056)));
        assert_eq!(burst(&mut ledger, &limits, 50, "x", at(60_000)), (10, Some(131_056)), "a minute earns ten");
        assert_eq!(burst(&mut ledger, &limits, 45, "y", at(60_000)), (45, None), "others are not concerned");
    }

    #[test]
    fn a_number_has_a_rate_and_what_it_gets_counts() {
        let (mut ledger, limits) = (Ledger::default(), Limits::of_meta());
        ledger.hear(&limits, "1", at(0));
        let mut taken = 0;
        for person in 0..100 {
            taken += burst(&mut ledger, &limits, 1, &person.to_string(), at(0)).0;
        }
        assert_eq!(taken, 79);
        assert_eq!(burst(&mut ledger, &limits, 1, "z", at(0)).1, Some(130_429));
        assert_eq!(burst(&mut ledger, &limits, 20, "z", at(100)).0, 8);
        assert!(ledger.take(&limits, &call("2", "z"), at(100)).is_ok(), "another number");
    }

    #[test]
    fn apps_and_accounts_have_budgets() {
        let calls = Some(Calls { most: 10, seconds: 60 });
        for (limits, code) in
            [(Limits { app: calls, ..Limits::default() }, 4), (Limits { account: calls, ..Limits::default() }, 80_007)]
        {
            let mut ledger = Ledger::default();
            assert_eq!(burst(&mut ledger, &limits, 20, "x", at(0)), (10, Some(code)));
            assert_eq!(burst(&mut ledger, &limits, 20, "x", at(12_000)).0, 2);
        }
        assert!(serde_json::from_str::<Limits>(r#"{"pair": true}"#).is_err(), "an unknown word");
        let fast = Limits { numbers: BTreeMap::from([("1".to_owned(), 1_000)]), ..Limits::of_meta() };
        assert_eq!((fast.level("1"), fast.level("2")), ("HIGH", "STANDARD"));
    }
}
