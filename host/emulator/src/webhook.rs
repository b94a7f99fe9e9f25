//! Webhook bodies as Meta writes them.

use domain::Time;
use serde_json::{Value, json};

use crate::{config::Number, log::Sent};

/// Bytes as Meta sends them: everything outside ASCII is escaped.
pub(crate) fn body(entry: &Value) -> Vec<u8> {
    let json = json!({ "object": "whatsapp_business_account", "entry": entry }).to_string();
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_ascii() {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                text.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    text.into_bytes()
}

/// One entry with one change of the field `messages`; `name` is `messages` or `statuses`.
pub(crate) fn entry(number: &Number, name: &str, items: &[Value], contacts: &[Value]) -> Value {
    let mut value = json!({
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": number.display_phone_number,
            "phone_number_id": number.phone_number_id,
        },
        name: items,
    });
    if !contacts.is_empty() {
        value["contacts"] = json!(contacts);
    }
    json!({ "id": number.waba_id, "changes": [{ "field": "messages", "value": value }] })
}

/// An entry of `statuses`. `failed` is the code when the word is `failed`.
pub(crate) fn status(sent: &Sent, word: &str, failed: Option<i64>, at: Time) -> Value {
    let mut status = json!({ "id": sent.wamid, "status": word, "timestamp": at.timestamp().to_string() });
    let is_group = sent.body["recipient_type"] == "group";
    if is_group {
        status["recipient_type"] = json!("group");
    }
    let recipient = if sent.to_phone || is_group { "recipient_id" } else { "recipient_user_id" };
    status[recipient] = json!(sent.to);
    if let Some(data) = sent.body.get("biz_opaque_callback_data") {
        status["biz_opaque_callback_data"] = data.clone();
    }
    if let Some(code) = failed {
        let meaning = whatsapp::errors::meaning(code).unwrap_or("the emulator was told to fail");
        status["errors"] =
            json!([{ "code": code, "title": meaning, "message": meaning, "error_data": { "details": meaning } }]);
    } else if matches!(word, "sent" | "delivered" | "read") {
        let category = if sent.kind == "template" { "utility" } else { "service" };
        status["pricing"] = json!({ "billable": sent.kind == "template", "pricing_model": "PMP", "type": "regular", "category": category });
    }
    status
}
