//! What the harness says about nodes that do what they should not.

use chatboost_sdk::{
    Fault, json,
    log::Level,
    testing::{Harness, Problem},
};
use clumsy::Plugin;

#[test]
fn a_panic_is_a_failure_with_its_text_in_the_log() {
    let mut harness = Harness::of::<Plugin>();
    let turn = harness.node("panic", json!({ "text": "out of beans" })).enter();
    let Err(Problem::Failure { failure, .. }) = &turn.outcome else { panic!("{turn:?}") };
    assert_eq!(failure, "trapped");
    turn.logs(Level::Info, "before the panic").logs(Level::Error, "out of beans");
    assert!(turn.actions.is_empty());
}

#[test]
fn faults_come_as_they_are() {
    let mut harness = Harness::of::<Plugin>();
    let mut fault = |kind: &str| harness.node("faulty", json!({ "kind": kind })).enter().fault().clone();
    assert_eq!(fault("retryable"), Fault::Retryable { message: "later".into(), retry_after_ms: Some(1000) });
    assert_eq!(fault("permanent"), Fault::Permanent { message: "never".into(), code: Some("no_way".into()) });
    assert_eq!(fault("x"), Fault::config("/kind", "there is no such fault"));
}

#[test]
#[should_panic(expected = "which is none of its exits")]
fn an_exit_that_is_not_in_the_manifest_fails_the_test() {
    Harness::native::<Plugin>().node("nonsense", json!({})).enter();
}

#[test]
fn a_host_that_is_not_in_the_manifest_is_denied_with_the_missing_line() {
    let turn = Harness::of::<Plugin>().node("greedy", json!({})).enter();
    let Fault::Permanent { message, code } = turn.fault() else { panic!("{turn:?}") };
    assert_eq!(code.as_deref(), Some("http_denied"));
    assert!(message.contains("not-in-the-manifest.example.com"), "{message}");
}

#[test]
#[should_panic(expected = "nobody asked for GET https://example.com/")]
fn answers_that_nobody_asked_for_fail_the_test() {
    let mut harness = Harness::native::<Plugin>();
    harness.answers(chatboost_sdk::testing::Scripted::new("GET", "https://example.com/"));
}

#[test]
#[should_panic(expected = "the node waits for no message")]
fn a_contact_cannot_answer_what_was_not_asked() {
    let mut harness = Harness::native::<Plugin>();
    let mut play = harness.node("faulty", json!({ "kind": "permanent" }));
    play.enter();
    play.say("Hello?");
}
