//! What a contact sees of the node.

use chatboost_sdk::{json, testing::Harness};
use waiting::Plugin;

#[test]
fn a_number_is_kept_and_the_flow_goes_on() {
    let mut harness = Harness::of::<Plugin>();
    let mut play = harness.node("ask-number", json!({ "question": "How old are you?", "store_in": "age" }));
    play.enter().says(&["How old are you?"]).waits_for_input();
    play.say("very").says(&["Please write a number, such as 42."]).waits_for_input();
    play.say("36").sets("age", 36).leaves_by("answered");
}

#[test]
fn it_gives_up_in_the_end() {
    let mut harness = Harness::of::<Plugin>();
    let config = json!({ "question": "How old are you?", "store_in": "age", "attempts": 1, "timeout_seconds": 60 });
    let mut play = harness.node("ask-number", config);
    play.enter().waits_for_input();
    play.say("very").leaves_by("given_up");
    play.enter().waits_for_input();
    play.time_out().leaves_by("timed_out");
}
