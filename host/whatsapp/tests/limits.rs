//! The limits: the tables of `testdata`, and whole request bodies.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, its helpers too")]

use domain::{Address, OutgoingMessage};
use serde_json::{Value, json};
use whatsapp::{
    limits::{Templates, check, envelope, message_type},
    send,
};

/// Puts texts of the given length where the table says `<n characters>`. Two bytes each, to tell characters from bytes.
fn expand(value: &Value) -> Value {
    match value {
        Value::String(text) => {
            match text.split_once('<').and_then(|(before, rest)| Some((before, rest.strip_suffix(" characters>")?))) {
                Some((before, n)) => json!(format!("{before}{}", "ä".repeat(n.parse().unwrap()))),
                None => value.clone(),
            }
        }
        Value::Array(items) => items.iter().map(expand).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), expand(value))).collect(),
        other => other.clone(),
    }
}

fn pointers(message: &OutgoingMessage, templates: Templates) -> Value {
    check(message, templates).into_iter().map(|fault| fault.pointer).collect()
}

fn table(json: &str) {
    let cases: Vec<Value> = serde_json::from_str(json).unwrap();
    for case in cases {
        let message =
            OutgoingMessage { kind: case["type"].as_str().unwrap().into(), content: expand(&case["content"]) };
        let about = &case["about"];
        assert_eq!(pointers(&message, Templates::Filled), case["faults"], "{about}");
        let open = case.get("open").unwrap_or(&case["faults"]);
        assert_eq!(pointers(&message, Templates::MayRemain), *open, "{about}, to be filled in");
    }
}

#[test]
fn simple_messages() {
    table(include_str!("../testdata/limits_simple.json"));
}

#[test]
fn interactive_messages() {
    table(include_str!("../testdata/limits_interactive.json"));
}

#[test]
fn templates() {
    table(include_str!("../testdata/limits_template.json"));
}

#[test]
fn a_fault_says_what_is_wrong() {
    let message = OutgoingMessage { kind: "text".into(), content: json!({"body": "x".repeat(5000)}) };
    let faults = check(&message, Templates::Filled);
    assert_eq!(faults[0].detail, "must be at most 4096 characters, has 5000");
}

#[test]
fn our_own_requests_pass() {
    let message = OutgoingMessage { kind: "text".into(), content: json!({"body": "hi"}) };
    for to in ["16505551234", "US.13491208655302741918"] {
        let body = send::request(&Address::parse(to).unwrap(), &message, "m1", Some("wamid.A"));
        assert_eq!(envelope(&body), []);
    }
}

#[test]
fn envelopes_are_checked_whole() {
    let good = json!({"messaging_product": "whatsapp", "to": "+1 650-555-1234", "text": {"body": "no type is a text"}});
    assert_eq!(envelope(&good), []);
    for (place, wrong, pointer) in [
        ("messaging_product", json!("messenger"), "/messaging_product"),
        ("messaging_product", json!(null), "/messaging_product"),
        ("to", json!("bob"), "/to"),
        ("to", json!(16_505_551_234_u64), "/to"),
        ("to", json!(null), "/to"),
        ("to", json!("US.1"), "/to"),
        ("recipient_type", json!("crowd"), "/recipient_type"),
        ("type", json!("image"), "/image"),
        ("type", json!(""), "/type"),
        ("text", json!({"body": ""}), "/text/body"),
        ("context", json!({}), "/context/message_id"),
        ("biz_opaque_callback_data", json!("x".repeat(513)), "/biz_opaque_callback_data"),
    ] {
        let mut body = good.clone();
        body[place] = wrong.clone();
        let found: Vec<String> = envelope(&body).into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(found, [pointer], "{place} {wrong}");
    }
    let untyped = json!({"messaging_product": "whatsapp", "to": "16505551234", "interactive": {"type": "button"}});
    assert_eq!(message_type(&untyped), Some("interactive"));
    assert_eq!(envelope(&untyped)[0].pointer, "/interactive/body");
    assert_eq!(envelope(&json!([]))[0].pointer, "");
    let group = json!({"messaging_product": "whatsapp", "recipient_type": "group", "to": "R3JvdXA", "type": "text", "text": {"body": "x"}});
    assert_eq!(envelope(&group), []);
}
