//! What a contact sees of the node.

use chatboost_sdk::{json, testing::Harness};
use hello::Plugin;

#[test]
fn the_contact_is_greeted_by_name() {
    let mut harness = Harness::of::<Plugin>();
    let mut play = harness.node("hello", json!({ "greeting": "Hello" }));
    play.enter().says(&["Hello Ada!"]).leaves_by("next");
}

#[test]
fn a_contact_without_a_name_is_greeted_too() {
    let mut harness = Harness::of::<Plugin>();
    harness.contact().first_name = None;
    harness.node("hello", json!({ "greeting": "Hello" })).enter().says(&["Hello you!"]);
}
