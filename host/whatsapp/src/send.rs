//! Messages of ours as the requests Meta wants.

use domain::{Address, OutgoingMessage};
use serde_json::{Value, json};

/// The body of `POST /{phone_number_id}/messages`.
///
/// A phone goes into `to`, a business-scoped user id into `recipient`. `callback_data` (at most 512 characters; empty
/// leaves it out) comes back with every status, so that a send whose answer was lost can still be recognised.
/// `context` is the wamid to quote; reactions carry their own and take none.
pub fn request(to: &Address, message: &OutgoingMessage, callback_data: &str, context: Option<&str>) -> Value {
    let mut body = json!({
        "messaging_product": "whatsapp",
        "recipient_type": "individual",
        "type": message.kind,
    });
    match to {
        Address::Phone(digits) => body["to"] = json!(digits),
        Address::Bsuid(id) => body["recipient"] = json!(id),
    }
    if let Some(wamid) = context.filter(|_| message.kind != "reaction") {
        body["context"] = json!({ "message_id": wamid });
    }
    if !callback_data.is_empty() {
        body["biz_opaque_callback_data"] = json!(callback_data);
    }
    body[&message.kind] = message.content.clone();
    body
}

/// The body, for the same path, that marks an inbound message and all before it as read, and with `typing` shows
/// that an answer is being written, until it comes or 25 seconds pass (Meta, typing indicators).
pub fn mark_read(wamid: &str, typing: bool) -> Value {
    let mut body = json!({ "messaging_product": "whatsapp", "status": "read", "message_id": wamid });
    if typing {
        body["typing_indicator"] = json!({ "type": "text" });
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> OutgoingMessage {
        OutgoingMessage { kind: "text".into(), content: json!({ "body": body }) }
    }

    #[test]
    fn a_phone_is_addressed_by_to() {
        assert_eq!(
            request(&Address::Phone("16505551234".into()), &text("Hi"), "m17", Some("wamid.A")),
            json!({
                "messaging_product": "whatsapp", "recipient_type": "individual", "to": "16505551234",
                "type": "text", "text": {"body": "Hi"}, "context": {"message_id": "wamid.A"},
                "biz_opaque_callback_data": "m17",
            })
        );
    }

    #[test]
    fn a_business_scoped_id_is_addressed_by_recipient() {
        let body = request(&Address::Bsuid("US.1".into()), &text("Hi"), "", None);
        assert_eq!(body["recipient"], "US.1");
        assert!(body.get("to").is_none() && body.get("context").is_none());
        assert!(body.get("biz_opaque_callback_data").is_none());
    }

    #[test]
    fn a_reaction_takes_no_context() {
        let reaction =
            OutgoingMessage { kind: "reaction".into(), content: json!({"message_id": "wamid.A", "emoji": "👍"}) };
        assert!(
            request(&Address::Phone("16505551234".into()), &reaction, "", Some("wamid.B")).get("context").is_none()
        );
    }

    #[test]
    fn reading_and_typing_share_a_body() {
        assert!(mark_read("wamid.A", false).get("typing_indicator").is_none());
        assert_eq!(mark_read("wamid.A", true)["typing_indicator"]["type"], "text");
    }
}
