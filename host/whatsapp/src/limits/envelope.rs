//! A whole request body, as Meta would look at it.

use domain::{Address, Fault};
use serde_json::Value;

use super::{
    CALLBACK_DATA_MAX, Templates, content,
    place::{Check, Need, Place},
};

/// Everything Meta would refuse in the body of a send, with JSON pointers into that body: recipient, type, the
/// object named like it, context and callback data.
pub fn envelope(body: &Value) -> Vec<Fault> {
    let mut check = Check::new(Templates::Filled);
    let root = Place::root(body);
    if !body.is_object() {
        check.fault(&root, "must be an object");
        return check.faults;
    }
    if check.text(&root, "messaging_product", Need::Required, usize::MAX).is_some_and(|word| word != "whatsapp") {
        check.fault_in(&root, "messaging_product", "must be whatsapp");
    }
    recipient(&mut check, &root);
    if let Some(context) = check.object(&root, "context", Need::Optional) {
        check.id(&context, "message_id");
    }
    check.text(&root, "biz_opaque_callback_data", Need::Optional, CALLBACK_DATA_MAX);

    if root.get("type").is_some() {
        check.text(&root, "type", Need::Required, usize::MAX);
    }
    if let Some(kind) = message_type(body) {
        match root.get(kind) {
            Some(place) => content(&mut check, kind, &place),
            None => check.fault_in(&root, kind, "is required"),
        }
    }
    check.faults
}

/// The message type of a request body: its `type`, else the one whose object is there, else `text`. Two of Meta's own
/// samples have no `type`. `None` when the type is no text or empty.
pub fn message_type(body: &Value) -> Option<&str> {
    match body.get("type").filter(|value| !value.is_null()) {
        Some(word) => word.as_str().filter(|word| !word.is_empty()),
        None => Some(TYPES.into_iter().find(|kind| body.get(kind).is_some()).unwrap_or("text")),
    }
}

/// The types that can be sent.
const TYPES: [&str; 11] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "interactive",
    "template",
];

/// `to` or `recipient`; if both are there, `to` wins.
fn recipient(check: &mut Check, root: &Place<'_>) {
    let kind = check.text(root, "recipient_type", Need::Optional, usize::MAX).unwrap_or("individual");
    if !matches!(kind, "individual" | "group") {
        check.fault_in(root, "recipient_type", "must be individual or group");
    }
    let name = if root.get("to").is_none() && root.get("recipient").is_some() { "recipient" } else { "to" };
    let Some(text) = check.text(root, name, Need::Required, usize::MAX) else { return };
    let fits = match Address::parse(text) {
        _ if kind == "group" => true,
        Ok(Address::Phone(_)) => name == "to",
        Ok(Address::Bsuid(_)) => name == "recipient",
        Err(_) => false,
    };
    if !fits {
        let wanted = if name == "to" { "a phone number with country code" } else { "a business-scoped user id" };
        check.fault_in(root, name, format!("must be {wanted}"));
    }
}
