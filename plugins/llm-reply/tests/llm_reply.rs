//! What the node does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use chatboost_sdk::{
    Fault, Message, Value, json,
    log::Level,
    testing::{Harness, Scripted},
};
use llm_reply::Plugin;

const URL: &str = "https://llm.example.com/v1/chat/completions";

fn config(more: &Value) -> Value {
    let mut config = json!({ "base_url": "https://llm.example.com/v1/", "model": "small", "instructions": "Be kind." });
    for (name, value) in more.as_object().unwrap() {
        config[name] = value.clone();
    }
    config
}

fn body(messages: &Value) -> Value {
    json!({ "model": "small", "messages": messages, "max_tokens": 500 })
}

fn says(text: &str) -> Value {
    json!({ "choices": [{ "message": { "role": "assistant", "content": text } }], "usage": { "total_tokens": 10 } })
}

fn harness(said: &str) -> Harness {
    let mut harness = Harness::of::<Plugin>();
    harness.secret("LLM_API_KEY", "sk-1");
    harness.context().message = Some(Message::text(said));
    harness
}

#[test]
fn it_answers_what_the_contact_wrote() {
    let mut harness = harness("Are you open?");
    let messages = json!([{ "role": "system", "content": "Be kind." }, { "role": "user", "content": "Are you open?" }]);
    let expected = Scripted::new("POST", URL).when_json(body(&messages)).when_header("authorization", "Bearer sk-1");
    harness.answers(expected.json(200, &says("Yes, until six.")));
    let turn = harness.node("reply", config(&json!({}))).enter();
    turn.says(&["Yes, until six."]).leaves_by("done").sets("reply", "Yes, until six.").sets("reply_tokens", 10);
    turn.logs(Level::Info, "the model answered");
}

#[test]
fn a_conversation_is_remembered_until_the_contact_says_goodbye() {
    let mut harness = harness("Hello");
    harness.answers(Scripted::new("POST", URL).json(200, &says("Hi! Who are you?")));
    let mut play = harness.node("reply", config(&json!({ "answers": 10, "goodbyes": ["Bye"] })));
    play.enter().says(&["Hi! Who are you?"]).waits_for_input();
    let messages = json!([
        { "role": "system", "content": "Be kind." },
        { "role": "user", "content": "Hello" },
        { "role": "assistant", "content": "Hi! Who are you?" },
        { "role": "user", "content": "Ada" },
    ]);
    play.world().answers(Scripted::new("POST", URL).when_json(body(&messages)).json(200, &says("Nice, Ada.")));
    play.say("Ada").says(&["Nice, Ada."]).sets("reply_tokens", 20).waits_for_input();
    play.say(" bye ").says(&[]).leaves_by("done");
}

#[test]
fn the_node_is_left_after_so_many_answers() {
    let mut harness = harness("1");
    for _ in 0..2 {
        harness.answers(Scripted::new("POST", URL).json(200, &says("and")));
    }
    let mut play = harness.node("reply", config(&json!({ "answers": 2, "timeout_seconds": 60 })));
    play.enter().waits_for_input();
    play.say("2").leaves_by("done");
}

#[test]
fn without_a_message_it_waits_for_one_and_not_for_ever() {
    let mut harness = harness("");
    harness.context().message = None;
    let mut play = harness.node("reply", config(&json!({ "timeout_seconds": 60 })));
    play.enter().says(&[]).waits_for_input();
    let picture = Message { kind: "image".to_owned(), ..Message::default() };
    play.say(picture).says(&["I can read texts only, so far."]).waits_for_input();
    play.time_out().leaves_by("timed_out");
}

#[test]
fn what_the_model_is_told_is_limited() {
    let mut harness = harness(&"long ".repeat(100));
    harness.answers(Scripted::new("POST", URL).json(200, &says(&"talk ".repeat(100))));
    let mut play = harness.node("reply", config(&json!({ "answers": 5, "memory_tokens": 100 })));
    play.enter().waits_for_input();
    let messages = json!([{ "role": "system", "content": "Be kind." }, { "role": "user", "content": "And?" }]);
    play.world().answers(Scripted::new("POST", URL).when_json(body(&messages)).json(200, &says("Nothing.")));
    play.say("And?").says(&["Nothing."]);
}

#[test]
fn faults_of_the_service_are_told_apart_and_nothing_is_sent() {
    let fault = |scripted: Scripted| {
        let mut harness = harness("Hello");
        harness.answers(scripted);
        let turn = harness.node("reply", config(&json!({}))).enter();
        assert!(turn.actions.is_empty());
        turn.fault().clone()
    };
    let request = || Scripted::new("POST", URL);
    assert!(matches!(fault(request().text(500, "")), Fault::Retryable { .. }));
    assert!(matches!(
        fault(request().text(429, "").header("retry-after", "20")),
        Fault::Retryable { retry_after_ms: Some(20_000), .. }
    ));
    assert!(matches!(fault(request().json(200, &says(" "))), Fault::Retryable { .. }));
    assert!(matches!(fault(request().json(200, &json!({ "choices": [] }))), Fault::Retryable { .. }));
    assert!(matches!(fault(request().text(401, "")), Fault::Permanent { code: Some(code), .. } if code == "http_401"));
    assert!(matches!(fault(request().json(200, &json!({ "ok": true }))), Fault::Permanent { .. }));
}

#[test]
fn without_a_key_it_says_so() {
    let mut harness = Harness::of::<Plugin>();
    harness.context().message = Some(Message::text("Hello"));
    let turn = harness.node("reply", config(&json!({}))).enter();
    assert!(matches!(turn.fault(), Fault::Permanent { code: Some(code), .. } if code == "secret_missing"));
}
