//! What the node does. It is Monday, 2 March 2026, 9 o'clock, unless a test says otherwise.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use appointment_picker::Plugin;
use chatboost_sdk::{Fault, Value, json, kv::Scope, testing::Harness};

fn config(more: &Value) -> Value {
    let mut config = json!({ "times": ["10:00", "09:00", "08:30"], "days_ahead": 3 });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

#[test]
fn the_examples_come_out_as_they_say() {
    Harness::of::<Plugin>().examples();
}

#[test]
fn a_contact_picks_a_day_a_time_and_confirms() {
    let mut harness = Harness::of::<Plugin>();
    let mut play = harness.node("pick", config(&json!({})));
    let turn = play.enter();
    turn.says(&["Which day suits you?"]).waits_for_input();
    assert_eq!(turn.choices(), ["day:2026-03-02", "day:2026-03-03", "day:2026-03-04", "cancel"]);
    let turn = play.tap("day:2026-03-03");
    turn.says(&["At what time on Tuesday 2026-03-03?"]);
    assert_eq!(turn.choices(), ["time:08:30", "time:09:00", "time:10:00", "days"]);
    play.tap("time:09:00").says(&["Tuesday 2026-03-03 at 09:00: shall I book that?"]).waits_for_input();
    let turn = play.tap("yes");
    let appointment = json!({ "date": "2026-03-03", "time": "09:00" });
    turn.says(&["Booked: Tuesday 2026-03-03 at 09:00."]).sets("appointment", appointment.clone()).leaves_by("booked");
    assert_eq!(*turn.emits("custom.appointment_booked"), appointment);
    let booked: Value = harness.stored(Scope::Bot, "appointments:2026-03-03").unwrap();
    assert_eq!(booked, json!({ "09:00": 1 }));
}

#[test]
fn what_is_over_or_booked_is_not_offered() {
    let mut harness = Harness::of::<Plugin>();
    harness.store(Scope::Bot, "appointments:2026-03-03", &json!({ "08:30": 1, "10:00": 1 }));
    harness.store(Scope::Bot, "appointments:2026-03-04", &json!({ "08:30": 1, "09:00": 1, "10:00": 2 }));
    let mut play = harness.node("pick", config(&json!({})));
    assert_eq!(play.enter().choices(), ["day:2026-03-02", "day:2026-03-03", "cancel"]);
    assert_eq!(play.tap("day:2026-03-02").choices(), ["time:10:00", "days"], "it is 9 o'clock");
    assert_eq!(play.tap("days").choices()[0], "day:2026-03-02");
    assert_eq!(play.tap("day:2026-03-03").choices(), ["time:09:00", "days"]);
}

#[test]
fn the_slower_of_two_is_told_and_offered_the_rest() {
    let mut harness = Harness::of::<Plugin>();
    let mut play = harness.node("pick", config(&json!({})));
    play.enter();
    play.tap("day:2026-03-03");
    play.tap("time:09:00");
    play.world().store(Scope::Bot, "appointments:2026-03-03", &json!({ "09:00": 1 }));
    let turn = play.tap("yes");
    turn.says(&["That was just taken, sorry.", "At what time on Tuesday 2026-03-03?"]).waits_for_input();
    assert_eq!(turn.choices(), ["time:08:30", "time:10:00", "days"]);
    assert!(turn.actions.variables.is_empty());
}

#[test]
fn several_places_can_be_taken() {
    let mut harness = Harness::of::<Plugin>();
    for places_left in [true, false] {
        let mut play = harness.node("pick", config(&json!({ "places": 2, "times": ["10:00"], "days_ahead": 1 })));
        play.enter().waits_for_input();
        play.tap("day:2026-03-02");
        play.tap("time:10:00");
        play.tap("yes").leaves_by("booked");
        let again = harness.node("pick", config(&json!({ "places": 2, "times": ["10:00"], "days_ahead": 1 }))).enter();
        if places_left {
            again.waits_for_input();
        } else {
            again.leaves_by("none_free");
        }
    }
}

#[test]
fn long_lists_have_pages_within_whatsapps_limit() {
    let mut harness = Harness::of::<Plugin>();
    harness.at("2026-03-01T20:00:00Z");
    let mut play = harness.node("pick", config(&json!({ "days_ahead": 30 })));
    let mut days = vec![];
    let mut turn = play.enter();
    loop {
        let choices = turn.choices();
        assert!(choices.len() <= 10, "{choices:?}");
        days.extend(choices.iter().filter(|id| id.starts_with("day:")).cloned());
        if !choices.contains(&"more".to_owned()) {
            break;
        }
        turn = play.tap("more");
    }
    assert_eq!(days.len(), 21, "weekdays of 30 days: {days:?}");
    assert!(days.is_sorted());
}

#[test]
fn answers_that_are_no_choices_are_asked_again_and_end_at_the_third() {
    let mut harness = Harness::of::<Plugin>();
    let mut play = harness.node("pick", config(&json!({})));
    play.enter();
    play.say("tomorrow").says(&["Please choose from the list.", "Which day suits you?"]).waits_for_input();
    play.tap("day:2026-03-03").waits_for_input();
    play.say("nine").says(&["Please choose from the list.", "At what time on Tuesday 2026-03-03?"]);
    play.say("nine!").waits_for_input();
    play.say("9!!").leaves_by("cancelled");
}

#[test]
fn it_can_be_cancelled_and_runs_out() {
    let mut harness = Harness::of::<Plugin>();
    let mut play = harness.node("pick", config(&json!({ "timeout_seconds": 60 })));
    play.enter();
    play.tap("cancel").leaves_by("cancelled");
    play.enter();
    play.tap("day:2026-03-03");
    play.time_out().leaves_by("timed_out");
    play.enter();
    play.force().leaves_by("cancelled");
}

#[test]
fn titles_fit_whatsapps_limits_in_other_languages_too() {
    let weekdays = ["Понедельник длинный", "Вторник", "Среда", "Четверг", "Пятница", "Суббота", "Воскресенье"];
    let mut harness = Harness::of::<Plugin>();
    let texts = json!({ "weekdays": weekdays, "which_day": "Когда?" });
    let turn = harness.node("pick", config(&json!({ "texts": texts }))).enter();
    turn.says(&["Когда?"]);
    for (_, title) in turn.messages()[0].choices() {
        assert!(title.chars().count() <= 24, "{title}");
    }
}

#[test]
fn faults_of_the_configuration_are_named() {
    for (more, pointer) in [
        (json!({ "times": ["09:00", "24:00"] }), "/times/1"),
        (json!({ "closed_on": ["Christmas"] }), "/closed_on/0"),
        (json!({ "days": ["someday"] }), ""),
    ] {
        let turn = Harness::of::<Plugin>().node("pick", config(&more)).enter();
        assert!(matches!(turn.fault(), Fault::InvalidConfig { pointer: found, .. } if found == pointer), "{turn:?}");
    }
}
