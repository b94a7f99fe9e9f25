//! What the node does.

use business_hours::Plugin;
use chatboost_sdk::{Fault, Value, json, testing::Harness};

/// The exit at a time, and the next opening.
fn at(now: &str, config: &Value) -> (String, Option<Value>) {
    let mut harness = Harness::of::<Plugin>();
    harness.at(now);
    let turn = harness.node("business-hours", config.clone()).enter();
    let next = turn.actions.variables.get("state.next").cloned();
    match turn.outcome {
        Ok(chatboost_sdk::testing::protocol::StepOutcome::Next { exit }) => (exit, next),
        other => panic!("{other:?}"),
    }
}

fn weekdays() -> Value {
    json!({
        "hours": [
            { "days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "from": "09:00", "to": "12:00" },
            { "days": ["monday", "tuesday", "wednesday", "thursday", "friday"], "from": "13:00", "to": "17:30" },
        ],
        "closed_on": ["2026-03-03"],
        "store_next_opening_in": "next",
    })
}

#[test]
fn the_examples_come_out_as_they_say() {
    Harness::of::<Plugin>().examples();
}

#[test]
fn the_first_minute_is_open_and_the_last_is_closed() {
    for (time, exit) in [("08:59:59", "closed"), ("09:00:00", "open"), ("11:59:59", "open"), ("12:00:00", "closed")] {
        assert_eq!(at(&format!("2026-03-02T{time}+01:00"), &weekdays()).0, exit, "{time}");
    }
}

#[test]
fn the_next_opening_is_later_that_day_or_on_the_next_day_that_is_not_closed() {
    let next = |now| at(now, &weekdays()).1;
    assert_eq!(next("2026-03-02T12:15:00+01:00"), Some(json!("2026-03-02 13:00")));
    assert_eq!(next("2026-03-02T18:00:00+01:00"), Some(json!("2026-03-04 09:00")), "the 3rd is closed");
    assert_eq!(next("2026-03-06T20:00:00+01:00"), Some(json!("2026-03-09 09:00")), "over the weekend");
    assert_eq!(
        at("2026-03-02T10:00:00Z", &json!({ "hours": [], "store_next_opening_in": "next" })).1,
        Some(Value::Null)
    );
}

#[test]
fn hours_may_go_over_midnight() {
    let bar =
        json!({ "hours": [{ "days": ["saturday"], "from": "20:00", "to": "02:00" }], "closed_on": ["2026-03-08"] });
    for (now, exit) in [
        ("2026-03-07T19:59:00Z", "closed"),
        ("2026-03-07T23:30:00Z", "open"),
        ("2026-03-08T01:59:00Z", "open"),
        ("2026-03-08T02:00:00Z", "closed"),
        ("2026-03-08T21:00:00Z", "closed"),
    ] {
        assert_eq!(at(now, &bar).0, exit, "{now}");
    }
}

#[test]
fn faults_of_the_configuration_are_named() {
    let mut harness = Harness::of::<Plugin>();
    let mut fault = |config| harness.node("business-hours", config).enter().fault().clone();
    let pointer = |fault: Fault| match fault {
        Fault::InvalidConfig { pointer, .. } => pointer,
        other => panic!("{other:?}"),
    };
    let hours = |from: &str, to: &str| json!({ "hours": [{ "days": ["monday"], "from": from, "to": to }] });
    assert_eq!(pointer(fault(hours("9", "17:00"))), "/hours/0/from");
    assert_eq!(pointer(fault(hours("09:00", "25:00"))), "/hours/0/to");
    assert_eq!(pointer(fault(hours("09:00", "09:00"))), "/hours/0/to");
    assert_eq!(pointer(fault(json!({ "hours": [], "closed_on": ["2026-12-25", "tomorrow"] }))), "/closed_on/1");
    assert!(fault(json!({ "hours": [], "closd_on": [] })).to_string().contains("closd_on"));
}
