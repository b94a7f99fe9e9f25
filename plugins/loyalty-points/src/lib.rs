//! Nodes for points of loyal customers.

use chatboost_sdk::prelude::*;

/// Under which key a contact's points are kept.
const KEY: &str = "points";
/// How many reasons are remembered, so that each counts once.
const REASONS_MAX: usize = 100;

/// A contact's points.
#[data]
#[derive(Default)]
struct Account {
    balance: u64,
    /// What was counted already, the oldest first.
    #[serde(default)]
    counted: Vec<String>,
}

/// Gives points.
#[config]
struct Award {
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    points: u32,
    /// What they are for, e.g. the number of an order: the same counts once. Without, they are given every time.
    #[serde(default)]
    once_for: Option<String>,
    /// The variable that gets the new balance.
    #[serde(default = "points")]
    store_in: String,
}

/// Takes points, if there are enough.
#[config]
struct Redeem {
    /// How many.
    #[schemars(range(min = 1, max = 1_000_000))]
    points: u32,
    /// The variable that gets the new balance, or the present one when there are not enough.
    #[serde(default = "points")]
    store_in: String,
}

/// Tells the points.
#[config]
struct Balance {
    /// The variable that gets the balance.
    #[serde(default = "points")]
    store_in: String,
}

fn points() -> String {
    "points".to_owned()
}

impl Node for Award {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("award", "Award points")
            .description("Adds to the contact's points.")
            .category("Loyalty")
            .exit("awarded", "Awarded")
            .exit("counted_before", "Counted before")
            .example(
                Example::new("For an order").config(json!({ "points": 10, "once_for": "order-7" })).expect("awarded"),
            )
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        if self.points == 0 {
            return Err(Fault::config("/points", "at least 1"));
        }
        let reason = self.once_for.as_deref().map(str::trim).filter(|reason| !reason.is_empty());
        let mut counts = true;
        let account = kv::contact().update(KEY, |old: Option<Account>| {
            let mut account = old.unwrap_or_default();
            counts = reason.is_none_or(|reason| account.counted.iter().all(|known| known != reason));
            if counts {
                account.balance += u64::from(self.points);
                account.counted.extend(reason.map(str::to_owned));
                let surplus = account.counted.len().saturating_sub(REASONS_MAX);
                account.counted.drain(..surplus);
            }
            account
        })?;
        visit.set(&self.store_in, account.balance);
        if !counts {
            return Ok(Outcome::next("counted_before"));
        }
        visit.emit("custom.points_awarded", json!({ "points": self.points, "balance": account.balance }));
        Ok(Outcome::next("awarded"))
    }
}

impl Node for Redeem {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("redeem", "Redeem points")
            .description("Takes from the contact's points, if there are enough.")
            .category("Loyalty")
            .exit("redeemed", "Redeemed")
            .exit("not_enough", "Not enough")
            .example(Example::new("Nothing there").config(json!({ "points": 10 })).expect("not_enough"))
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        if self.points == 0 {
            return Err(Fault::config("/points", "at least 1"));
        }
        let mut enough = false;
        let account = kv::contact().update(KEY, |old: Option<Account>| {
            let mut account = old.unwrap_or_default();
            let left = account.balance.checked_sub(self.points.into());
            enough = left.is_some();
            account.balance = left.unwrap_or(account.balance);
            account
        })?;
        visit.set(&self.store_in, account.balance);
        if !enough {
            return Ok(Outcome::next("not_enough"));
        }
        visit.emit("custom.points_redeemed", json!({ "points": self.points, "balance": account.balance }));
        Ok(Outcome::next("redeemed"))
    }
}

impl Node for Balance {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("balance", "Points balance")
            .description("Puts the contact's points into a variable.")
            .category("Loyalty")
            .exit("some", "Has points")
            .exit("none", "Has none")
            .example(Example::new("Nothing there").expect("none"))
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        let balance = kv::contact().get::<Account>(KEY)?.unwrap_or_default().balance;
        visit.set(&self.store_in, balance);
        Ok(Outcome::next(if balance > 0 { "some" } else { "none" }))
    }
}

plugin! {
    title: "Loyalty points",
    capabilities: Capabilities::none().log().kv_contact(),
    nodes: [Award, Redeem, Balance],
}
