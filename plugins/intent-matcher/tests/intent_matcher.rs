//! What the trigger does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chatboost_sdk::{Event, Recognition, Value, json, testing::Harness};
use intent_matcher::Plugin;

fn config() -> Value {
    json!({ "intents": [
        { "name": "hours", "phrases": ["opening hours", "when are you open"] },
        { "name": "order", "phrases": ["where is my order", "track my parcel"] },
        { "name": "cancel", "phrases": ["cancel my order"] },
    ] })
}

fn matched(text: &str) -> Option<Recognition> {
    Harness::of::<Plugin>().matches("intent", config(), text).unwrap()
}

fn intent(text: &str) -> Option<String> {
    matched(text).map(|found| found.extracted["intent"].as_str().unwrap().to_owned())
}

#[test]
fn the_examples_come_out_as_they_say() {
    Harness::of::<Plugin>().examples();
}

#[test]
fn typing_errors_case_accents_order_and_chatter_do_not_matter() {
    for (text, expected) in [
        ("Opening hours", "hours"),
        ("OPENNING HOURS???", "hours"),
        ("hours opening", "hours"),
        ("hi, could you please tell me your óppening hours today", "hours"),
        ("whree is my oredr", "order"),
        ("trak my parcell", "order"),
        ("please cancle my order", "cancel"),
    ] {
        assert_eq!(intent(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_meant_otherwise_does_not_match() {
    for text in ["", "🙂", "my horse is open-minded", "I order you to leave", "hours"] {
        assert_eq!(intent(text), None, "{text}");
    }
}

#[test]
fn the_surest_intent_wins_and_says_why() {
    let exact = matched("cancel my order").unwrap();
    assert!((exact.score - 1.0).abs() < 1e-9);
    assert_eq!(exact.reason.as_deref(), Some("100 % like \"cancel my order\" (cancel)"));
    let typed = matched("cancell my order").unwrap();
    assert!(typed.score < exact.score && typed.score > 0.9, "{}", typed.score);
}

#[test]
fn the_bar_can_be_set_and_events_are_no_messages() {
    let mut harness = Harness::of::<Plugin>();
    let mut strict = config();
    strict["minimum_score"] = json!(1.0);
    assert_eq!(harness.matches("intent", strict, "opening hourss").unwrap(), None);
    let event = Event { name: "opt_in".to_owned(), ..Event::default() };
    assert_eq!(harness.matches_event("intent", config(), &event).unwrap(), None);
}

#[test]
fn a_phrase_without_letters_is_a_fault_of_the_configuration() {
    let config = json!({ "intents": [{ "name": "x", "phrases": ["hello", "?!"] }] });
    let fault = Harness::of::<Plugin>().matches("intent", config, "hello").unwrap_err();
    assert!(format!("{fault}").starts_with("/intents/0/phrases/1: "), "{fault}");
}
