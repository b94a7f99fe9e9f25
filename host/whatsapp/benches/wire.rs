//! What it costs to read what Meta posts and to write what it is sent.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

use std::process::ExitCode;

use domain::{Address, OutgoingMessage, Time};
use measure::{Bench, Operation};
use serde_json::{Value, json};
use whatsapp::{
    send, signature,
    webhook::{self, Batch},
};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The body of a POST.
fn post(value: &Value) -> String {
    let change = |value: &Value| {
        let mut value = value.clone();
        value["messaging_product"] = json!("whatsapp");
        value["metadata"] = json!({"display_phone_number": "15550001111", "phone_number_id": "106540352242922"});
        json!({"field": "messages", "value": value})
    };
    json!({"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change(value)]}]})
        .to_string()
}

/// So many texts, each from somebody else.
fn texts(count: usize) -> String {
    let from = |number: usize| format!("4917012345{number:02}");
    let contact = |number| json!({"profile": {"name": "Ada Lovelace"}, "wa_id": from(number)});
    let message = |number| {
        json!({
            "from": from(number), "id": format!("wamid.{number:056}"), "timestamp": "1760000000", "type": "text",
            "text": {"body": "Hello, do you still have the small one in blue?"},
        })
    };
    let contacts: Vec<_> = (0..count).map(contact).collect();
    post(&json!({"contacts": contacts, "messages": (0..count).map(message).collect::<Vec<_>>()}))
}

fn status() -> String {
    post(&json!({"statuses": [{
        "id": format!("wamid.{:056}", 1), "status": "delivered", "timestamp": "1760000000",
        "recipient_id": "491701234500", "biz_opaque_callback_data": "42",
        "pricing": {"billable": true, "pricing_model": "PMP", "category": "service", "type": "regular"},
    }]}))
}

fn parse(body: String, updates: usize) -> impl FnMut() -> Batch {
    let received_at = Time::from_timestamp(1_760_000_001, 0).unwrap();
    let parse = move || webhook::parse(body.as_bytes(), received_at).unwrap();
    let batch = parse();
    assert!(batch.odd.is_empty() && batch.updates.len() == updates, "{batch:?}");
    parse
}

fn verify(body: String) -> impl FnMut() -> bool {
    let header = signature::sign(SECRET, body.as_bytes());
    let verify = move || signature::verify(SECRET, body.as_bytes(), Some(&header));
    assert!(verify());
    verify
}

fn request() -> impl FnMut() -> String {
    let to = Address::Phone("491701234500".to_owned());
    let content = json!({"body": "Yes, we do. Shall I put it aside for you?", "preview_url": false});
    let message = OutgoingMessage { kind: "text".to_owned(), content };
    move || send::request(&to, &message, "42", None).to_string()
}

fn main() -> ExitCode {
    Bench::new(env!("CARGO_MANIFEST_DIR"), "wire")
        .operation(Operation::new("parse_text", || parse(texts(1), 1)))
        .operation(Operation::new("parse_10_texts", || parse(texts(10), 10)))
        .operation(Operation::new("parse_status", || parse(status(), 1)))
        .operation(Operation::new("verify_signature", || verify(texts(1))))
        .operation(Operation::new("send_request", request))
        .main()
}
