//! One entry of `value.messages`: what a person sent.

use domain::Time;
use serde_json::{Value, json};

use super::{
    change::{self, Change},
    document::Raw,
    errors,
    fields::Fields,
    odd::OddKind,
    people::{self, People},
    repair,
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
    /// parsed form of `response_json` beside it as `response`, or its text when it does not parse. An `unsupported`
    /// one holds everything but the envelope.
    pub content: Value,
    /// The message this one answers or quotes, or the one that it changes.
    pub context_wamid: Option<String>,
    /// What Meta tells of where it comes from, as received: `id` and `from` of the message it answers, `forwarded`,
    /// `frequently_forwarded`, `referred_product`.
    pub context: Option<Value>,
    /// The advertisement that led here (`source_url`, `ctwa_clid`, …), on the first message after a click.
    pub referral: Option<Value>,
    /// Meta's first error about this message, `{code, title, details}` as far as given: e.g. media that cannot be
    /// downloaded (131052).
    pub error: Option<Value>,
    /// The group it was written in. A bot for one contact does not answer there.
    pub group_id: Option<String>,
    /// Whether a flow may start or go on because of it. Not for reactions, edits, deletions, system notices, group
    /// messages, echoes of our own number, and senders without an address.
    pub starts_flow: bool,
    /// What it changes, if it only says something about an earlier message or about its sender.
    pub change: Option<Change>,
    /// The message's JSON as received, apart from what [`super::parse`] replaces.
    pub raw: String,
}

impl Inbound {
    /// Whether it brings a file.
    pub fn is_media(&self) -> bool {
        matches!(self.kind.as_str(), "image" | "video" | "audio" | "document" | "sticker")
    }
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

/// Called with a pointer below the message and what is odd there.
type Report<'a> = &'a mut dyn FnMut(&'static str, OddKind);

/// Reads one message. `None`, with a report, when it has no id or no type: without them it can be neither kept apart
/// from its redelivery nor understood.
pub(super) fn read(
    raw: Raw<'_>,
    people: &People,
    own_number: Option<&str>,
    received_at: Time,
    odd: Report<'_>,
) -> Option<Inbound> {
    let Some(fields) = Fields::of(raw) else {
        odd("", OddKind::NotAnObject);
        return None;
    };
    let Some(wamid) = fields.filled("id") else {
        odd("/id", OddKind::NotAText);
        return None;
    };
    let Some(word) = fields.filled("type") else {
        odd("/type", OddKind::NotAText);
        return None;
    };
    let (kind, content) = content(&fields, &word, odd);
    let change = change::read(&fields, &kind);
    let sender = sender(&fields, people, change.as_ref());
    let (text, reply_id) = said(&kind, &content);
    let group_id = fields.filled("group_id");

    if sender.phone.is_none() && sender.bsuid.is_none() {
        odd("/from", OddKind::NoSender);
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
        context_wamid: concerned(change.as_ref())
            .or_else(|| fields.object("context").and_then(|context| context.filled("id"))),
        context: fields.value("context").filter(Value::is_object),
        referral: fields.value("referral").filter(Value::is_object),
        error: errors::first(&fields),
        group_id,
        starts_flow,
        change,
        raw: raw.get().to_owned(),
    })
}

/// The sender by their own fields, completed from the contacts. A notice of a change tells it in its own way.
fn sender(fields: &Fields<'_>, people: &People, change: Option<&Change>) -> people::Person {
    let from = fields.text("from");
    let phone = from.as_deref().and_then(people::digits);
    let bsuid = fields.text("from_user_id").or(from).and_then(|id| people::bsuid(&id));
    match change {
        Some(Change::Number { .. }) => {
            let phone = phone.or_else(|| fields.object("system").and_then(|notice| change::former_number(&notice)));
            people.complete(phone, bsuid)
        }
        Some(Change::UserId { previous, current }) if bsuid.is_none() => {
            people.complete(phone, previous.as_ref().or(Some(current)).cloned())
        }
        _ => people.complete(phone, bsuid),
    }
}

/// The message that a change is about.
fn concerned(change: Option<&Change>) -> Option<String> {
    match change? {
        Change::Reaction { wamid, .. } | Change::Edit { wamid, .. } | Change::Revoke { wamid } => Some(wamid.clone()),
        Change::Number { .. } | Change::UserId { .. } => None,
    }
}

/// The type as flows know it, and what is named like it.
pub(super) fn content(fields: &Fields<'_>, word: &str, odd: Report<'_>) -> (String, Value) {
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
            odd("", OddKind::NoContent);
            json!({})
        }
    };
    let content = if word == "interactive" { with_flow_response(content) } else { content };
    (word.to_owned(), content)
}

/// A flow's answer is JSON inside a text: puts the parsed form beside it as `response`, or, for one that arrives broken,
/// the text itself, so that flows find the answer in one place.
fn with_flow_response(mut content: Value) -> Value {
    let text = content.pointer("/nfm_reply/response_json").and_then(Value::as_str);
    // The inner text has escapes of its own, which the repair of the outer one could not see.
    let response = text.map(|text| {
        let parsed = serde_json::from_str::<Value>(&repair::repair(text.as_bytes()));
        parsed.unwrap_or_else(|_| Value::from(text))
    });
    if let (Some(response), Some(reply)) = (response, content.get_mut("nfm_reply").and_then(Value::as_object_mut)) {
        reply.insert("response".into(), response);
    }
    content
}

/// What was said in words, and the id of what was chosen.
pub(super) fn said(kind: &str, content: &Value) -> (Option<String>, Option<String>) {
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
