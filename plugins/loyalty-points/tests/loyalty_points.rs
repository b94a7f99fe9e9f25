//! What the nodes do.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chatboost_sdk::{Fault, Value, json, kv::Scope, testing::Harness};
use loyalty_points::Plugin;

fn balance(harness: &mut Harness) -> u64 {
    harness.stored::<Value>(Scope::Contact, "points").map_or(0, |account| account["balance"].as_u64().unwrap())
}

#[test]
fn the_examples_come_out_as_they_say() {
    Harness::of::<Plugin>().examples();
}

#[test]
fn points_add_up_and_are_told() {
    let mut harness = Harness::of::<Plugin>();
    harness.node("balance", json!({})).enter().leaves_by("none").sets("points", 0);
    let turn = harness.node("award", json!({ "points": 30 })).enter();
    turn.leaves_by("awarded").sets("points", 30);
    assert_eq!(*turn.emits("custom.points_awarded"), json!({ "points": 30, "balance": 30 }));
    harness.node("award", json!({ "points": 12, "store_in": "card.points" })).enter().sets("card.points", 42);
    harness.node("balance", json!({})).enter().leaves_by("some").sets("points", 42);
}

#[test]
fn the_same_reason_counts_once() {
    let mut harness = Harness::of::<Plugin>();
    let award = json!({ "points": 5, "once_for": "order-7" });
    harness.node("award", award.clone()).enter().leaves_by("awarded");
    let again = harness.node("award", award).enter();
    again.leaves_by("counted_before").sets("points", 5);
    assert!(again.actions.events.is_empty());
    harness
        .node("award", json!({ "points": 5, "once_for": "order-8" }))
        .enter()
        .leaves_by("awarded")
        .sets("points", 10);
    harness.node("award", json!({ "points": 1, "once_for": " " })).enter().leaves_by("awarded");
    harness.node("award", json!({ "points": 1, "once_for": "" })).enter().leaves_by("awarded").sets("points", 12);
}

#[test]
fn only_the_last_hundred_reasons_are_remembered() {
    let mut harness = Harness::of::<Plugin>();
    for order in 0..=100 {
        harness.node("award", json!({ "points": 1, "once_for": order.to_string() })).enter().leaves_by("awarded");
    }
    harness.node("award", json!({ "points": 1, "once_for": "1" })).enter().leaves_by("counted_before");
    harness.node("award", json!({ "points": 1, "once_for": "0" })).enter().leaves_by("awarded");
}

#[test]
fn points_that_are_not_there_cannot_be_redeemed() {
    let mut harness = Harness::of::<Plugin>();
    harness.node("redeem", json!({ "points": 1 })).enter().leaves_by("not_enough").sets("points", 0);
    harness.store(Scope::Contact, "points", &json!({ "balance": 10 }));
    let turn = harness.node("redeem", json!({ "points": 10 })).enter();
    turn.leaves_by("redeemed").sets("points", 0);
    assert_eq!(*turn.emits("custom.points_redeemed"), json!({ "points": 10, "balance": 0 }));
    harness.node("redeem", json!({ "points": 1 })).enter().leaves_by("not_enough");
    assert_eq!(balance(&mut harness), 0);
}

#[test]
fn nothing_is_no_number_of_points() {
    for node in ["award", "redeem"] {
        let turn = Harness::of::<Plugin>().node(node, json!({ "points": 0 })).enter();
        assert_eq!(*turn.fault(), Fault::config("/points", "at least 1"));
    }
}
