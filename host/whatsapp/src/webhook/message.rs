//! One entry of `value.messages`: what a person sent.

use domain::Time;
use serde_json::{Value, json, value::RawValue};

use super::{
    fields::Fields,
    people::{self, People},
    time::timestamp,
};

/// A message from a person, or their change to an earlier one.
///
/// Holds personal data throughout (a wamid contains the phone number): not for logs.
#[derive(Debug, Clone, PartialEq)]
pub struct Inbound {
    /// Meta's id of the message; with the number's id it is the key that redeliveries share.
    pub wamid: String,
    /// Sender's phone in digits. Absent for people who hide it behind a username.
    pub from: Option<String>,
    /// Sender's business-scoped user id. With `from` absent too, the sender is unknown and no reply is possible.
    pub bsuid: Option<String>,
    /// Sender's username without `@`. Changeable, so no key.
    pub username: Option<String>,
    /// The name the sender gave themselves; any Unicode.
    pub profile_name: Option<String>,
    /// When it was sent, by Meta's clock, else when it was received.
    pub timestamp: Time,
    /// `text`, `image`, `video`, `audio`, `document`, `sticker`, `location`, `contacts`, `reaction`, `button`,
    /// `interactive`, `order`, `system`, `edit`, `revoke`; any other word of Meta's is `unsupported` here and kept in
    /// `content.type`.
    pub kind: String,
    /// Text, caption, title of the chosen button or list row, label of a template's quick reply. Never empty.
    pub text: Option<String>,
    /// Id of the chosen button or list row, or payload of a template's quick reply.
    pub reply_id: Option<String>,
    /// The object (for `contacts` the array) named like the type, as Meta names its fields. A flow's answer has the
    /// parsed form of `response_json` beside it as `response`, when it parses. An `unsupported` one holds everything
    /// but the envelope.
    pub content: Value,
    /// The message this one answers or quotes.
    pub context_wamid: Option<String>,
    /// Whether it was forwarded.
    pub forwarded: bool,
    /// The advertisement that led here (`source_url`, `ctwa_clid`, …), on the first message after a click.
    pub referral: Option<Value>,
    /// Meta's errors about this message, e.g. media that cannot be downloaded (131052).
    pub errors: Option<Value>,
    /// The group it was written in. A bot for one contact does not answer there.
    pub group_id: Option<String>,
    /// Whether a flow may start or go on because of it. Not for reactions, edits, deletions, system notices, group
    /// messages, echoes of our own number, and senders without an address.
    pub starts_flow: bool,
    /// The message's JSON as received, apart from what [`super::parse`] replaces.
    pub raw: String,
}

/// The types whose object is kept under their own name.
const KNOWN: [&str; 15] = [
    "text",
    "image",
    "video",
    "audio",
    "document",
    "sticker",
    "location",
    "contacts",
    "reaction",
    "button",
    "interactive",
    "order",
    "system",
    "edit",
    "revoke",
];

/// The fields that every message has, whatever its type.
const ENVELOPE: [&str; 9] =
    ["from", "from_user_id", "from_parent_user_id", "id", "timestamp", "context", "referral", "identity", "group_id"];

/// Called with a pointer below the message and a reason.
type Report<'a> = &'a mut dyn FnMut(&'static str, &'static str);

/// Reads one message. `None`, with a report, when it has no id or no type: without them it can be neither kept apart
/// from its redelivery nor understood.
pub(super) fn read(
    raw: &RawValue,
    people: &People,
    own_number: Option<&str>,
    received_at: Time,
    odd: Report<'_>,
) -> Option<Inbound> {
    let Some(fields) = Fields::of(raw) else {
        odd("", "not an object");
        return None;
    };
    let Some(wamid) = fields.filled("id") else {
        odd("/id", "missing or not a text");
        return None;
    };
    let Some(word) = fields.filled("type") else {
        odd("/type", "missing or not a text");
        return None;
    };
    let sender = sender(&fields, people);
    let (kind, content) = content(&fields, &word, odd);
    let (text, reply_id) = said(&kind, &content);
    let context = fields.object("context");
    let context = |name| context.as_ref().and_then(|c| c.raw(name));
    let is_true = |name| context(name).is_some_and(|raw| raw.get() == "true");
    let group_id = fields.filled("group_id");

    if sender.phone.is_none() && sender.bsuid.is_none() && kind != "system" {
        odd("/from", "no usable sender");
    }
    let is_echo = sender.phone.is_some() && sender.phone == own_number.and_then(people::digits);
    let starts_flow = (sender.phone.is_some() || sender.bsuid.is_some())
        && group_id.is_none()
        && !is_echo
        && !is_change(&kind, &content);
    Some(Inbound {
        wamid,
        from: sender.phone,
        bsuid: sender.bsuid,
        username: sender.username,
        profile_name: sender.name,
        timestamp: timestamp(&fields, received_at),
        kind,
        text,
        reply_id,
        content,
        context_wamid: context("id").and_then(|raw| serde_json::from_str(raw.get()).ok()),
        forwarded: is_true("forwarded") || is_true("frequently_forwarded"),
        referral: fields.value("referral").filter(Value::is_object),
        errors: fields.value("errors"),
        group_id,
        starts_flow,
        raw: raw.get().to_owned(),
    })
}

/// The sender by their own fields, completed from the contacts.
fn sender(fields: &Fields<'_>, people: &People) -> people::Person {
    let from = fields.text("from");
    let phone = from.as_deref().and_then(people::digits);
    let bsuid = fields.text("from_user_id").or(from).and_then(|id| people::bsuid(&id));
    people.complete(phone, bsuid)
}

/// The type as flows know it, and what is named like it.
fn content(fields: &Fields<'_>, word: &str, odd: Report<'_>) -> (String, Value) {
    if word == "voice" {
        // An older name of a recorded audio.
        let mut content = fields.value("voice").unwrap_or_else(|| json!({}));
        if let Some(object) = content.as_object_mut() {
            object.insert("voice".into(), Value::Bool(true));
        }
        return ("audio".into(), content);
    }
    if !KNOWN.contains(&word) {
        return ("unsupported".into(), fields.rest(&ENVELOPE));
    }
    let content = match fields.value(word) {
        Some(content) if content.is_object() || (word == "contacts" && content.is_array()) => content,
        // How Meta shapes these two is not settled, so they need no object of their own.
        None if matches!(word, "edit" | "revoke") => fields.rest(&ENVELOPE),
        _ => {
            odd("", "its content is missing or unreadable");
            json!({})
        }
    };
    let content = if word == "interactive" { with_flow_response(content) } else { content };
    (word.to_owned(), content)
}

/// A flow's answer is JSON inside a text: puts the parsed form beside it. Some arrive broken; those keep the text.
fn with_flow_response(mut content: Value) -> Value {
    let text = content.pointer("/nfm_reply/response_json").and_then(Value::as_str);
    if let Some(Ok(response)) = text.map(serde_json::from_str::<Value>)
        && let Some(reply) = content.get_mut("nfm_reply").and_then(Value::as_object_mut)
    {
        // The inner text has escapes of its own, which the repair of the outer one could not see.
        reply.insert("response".into(), without_nul(response));
    }
    content
}

/// Replaces NULs in every text of a value.
fn without_nul(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), without_nul(value))).collect()
        }
        other => other,
    }
}

/// What was said in words, and the id of what was chosen.
fn said(kind: &str, content: &Value) -> (Option<String>, Option<String>) {
    let (text, id) = match kind {
        "text" => ("/body", ""),
        "image" | "video" | "document" => ("/caption", ""),
        "button" => ("/text", "/payload"),
        "interactive" if content.get("list_reply").is_some() => ("/list_reply/title", "/list_reply/id"),
        "interactive" => ("/button_reply/title", "/button_reply/id"),
        "order" => ("/text", ""),
        "unsupported" => ("/text/body", ""),
        _ => return (None, None),
    };
    let at = |pointer: &str| {
        let text = content.pointer(pointer)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    };
    (at(text), at(id))
}

/// Whether the message only says something about an earlier one or about the sender.
fn is_change(kind: &str, content: &Value) -> bool {
    match kind {
        "reaction" | "system" | "edit" | "revoke" => true,
        // How an edit or a deletion reaches applications that do not know those types.
        "unsupported" => {
            matches!(content.pointer("/unsupported/type").and_then(Value::as_str), Some("edit" | "revoke" | "delete"))
        }
        _ => false,
    }
}
