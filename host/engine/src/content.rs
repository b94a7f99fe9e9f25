//! What `send_message` and `ask` say: a message type and its content, and the template that may stand in for it.

use domain::{NodeDefinition, OutgoingMessage};
use serde_json::{Value, json};

use crate::{
    config::Reader,
    issues::member,
    run::{Failure, Run},
    template::{Data, Mode},
    values,
};

/// The member that holds the template which stands in for a message.
const FALLBACK: &str = "fallback_template";

/// The message type that may be sent at any time.
pub(crate) const TEMPLATE: &str = "template";

/// Message types that can be sent.
const KINDS: [(&str, Kind); 10] = [
    ("text", Kind::Text),
    ("image", Kind::Media("image")),
    ("video", Kind::Media("video")),
    ("audio", Kind::Media("audio")),
    ("document", Kind::Media("document")),
    ("sticker", Kind::Media("sticker")),
    ("location", Kind::Location),
    ("contacts", Kind::Contacts),
    (TEMPLATE, Kind::Template),
    ("interactive", Kind::Interactive),
];

/// What a message's content looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Media(&'static str),
    Location,
    Contacts,
    Template,
    Interactive,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Media(name) => name,
            Self::Location => "location",
            Self::Contacts => "contacts",
            Self::Template => TEMPLATE,
            Self::Interactive => "interactive",
        }
    }
}

/// A message with templates in it, already in the Cloud API's form.
#[derive(Debug)]
pub(crate) struct Content {
    kind: Kind,
    data: Data,
    /// Where its settings were.
    field: &'static str,
}

/// A message with its templates filled in.
#[derive(Debug)]
pub(crate) enum Filled {
    /// It can be sent.
    Message(OutgoingMessage),
    /// Something it cannot do without is empty; a sentence says what.
    Lacking(&'static str),
}

impl Content {
    /// Reads `message_type` and `content`.
    pub(crate) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        let kind = read_kind(reader);
        reader.required("content");
        Self::read_at(reader, kind?, "content")
    }

    /// Reads the template that stands in for a message, as `content` of a template.
    pub(crate) fn read_fallback(reader: &mut Reader<'_, '_>) -> Option<Self> {
        Self::read_at(reader, Kind::Template, FALLBACK)
    }

    fn read_at(reader: &mut Reader<'_, '_>, kind: Kind, field: &'static str) -> Option<Self> {
        let content = reader.get(field)?;
        let pointer = reader.at(field);
        let data = match (kind, content) {
            (Kind::Text, Value::String(_)) => {
                Data::Object(vec![("body".to_owned(), reader.data_of(&pointer, content, Mode::Text)?)])
            }
            (Kind::Contacts, Value::Array(_)) => reader.data_of(&pointer, content, Mode::Text)?,
            (_, Value::Object(members)) => {
                warn_of_unknown(reader, kind, field);
                let mut normal = Vec::new();
                for (name, value) in members.iter().filter(|(_, value)| !value.is_null()) {
                    normal.push((name.clone(), reader.data_of(&member(&pointer, name), value, Mode::Text)));
                }
                if let Some((lacking, detail)) = normalise(kind, &mut normal) {
                    reader.object(field)?.error("missing_field", lacking, detail);
                }
                let mut normal =
                    normal.into_iter().map(|(name, data)| Some((name, data?))).collect::<Option<Vec<_>>>()?;
                match kind {
                    Kind::Contacts => normal.into_iter().find(|(name, _)| name == "contacts").map(|(_, data)| data)?,
                    Kind::Template => {
                        nest_language(&mut normal);
                        Data::Object(normal)
                    }
                    _ => Data::Object(normal),
                }
            }
            _ => {
                reader.wrong_type(field, "an object");
                return None;
            }
        };
        Some(Self { kind, data, field })
    }

    /// Whether it is an approved template, which may be sent at any time.
    pub(crate) fn is_template(&self) -> bool {
        self.kind == Kind::Template
    }

    /// The message type.
    pub(crate) fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// Fills in the templates.
    pub(crate) fn fill(&self, run: &mut Run<'_>) -> Result<Filled, Failure> {
        let mut content = run.json(self.field, &self.data)?;
        if let Some(reason) = tidy(self.kind, &mut content) {
            return Ok(Filled::Lacking(reason));
        }
        Ok(Filled::Message(OutgoingMessage { kind: self.kind().to_owned(), content }))
    }
}

/// The messages that a node may say, each with the member of its settings that holds it, in the Cloud API's form but
/// with their templates as they are; for checks by those who know the API's limits. Those in a form that
/// [`validate`](crate::validate) refuses are left out.
pub fn unfilled(node: &NodeDefinition) -> Vec<(&'static str, OutgoingMessage)> {
    if !["send_message", "ask"].contains(&node.kind.as_str()) {
        return Vec::new();
    }
    let said = unfilled_content(&node.config).map(|message| ("content", message));
    let fallback = node.config.get(FALLBACK).filter(|fallback| !fallback.is_null());
    let fallback = fallback.and_then(|content| unfilled_as(Kind::Template, content)).map(|message| (FALLBACK, message));
    said.into_iter().chain(fallback).collect()
}

fn unfilled_content(config: &Value) -> Option<OutgoingMessage> {
    let content = config.get("content")?;
    let word = match config.get("message_type")?.as_str()? {
        "media" => content.get("media_type")?.as_str()?,
        word => word,
    };
    let (_, kind) = KINDS.into_iter().find(|(name, _)| *name == word)?;
    unfilled_as(kind, content)
}

fn unfilled_as(kind: Kind, content: &Value) -> Option<OutgoingMessage> {
    let content = match (kind, content) {
        (Kind::Text, Value::String(text)) => json!({ "body": text }),
        (Kind::Contacts, Value::Array(_)) => content.clone(),
        (_, Value::Object(members)) => {
            let members = members.iter().filter(|(_, value)| !value.is_null());
            let mut normal: Vec<_> = members.map(|(name, value)| (name.clone(), value.clone())).collect();
            if normalise(kind, &mut normal).is_some() {
                return None;
            }
            let mut content = Value::Object(normal.into_iter().collect());
            match kind {
                Kind::Contacts => content["contacts"].take(),
                Kind::Template => {
                    if content["language"].is_string() {
                        content["language"] = json!({ "code": content["language"] });
                    }
                    content
                }
                Kind::Media(_) => {
                    if let Value::Object(members) = &mut content {
                        members.retain(|_, value| value.as_str() != Some(""));
                    }
                    content
                }
                _ => content,
            }
        }
        _ => return None,
    };
    Some(OutgoingMessage { kind: kind.name().to_owned(), content })
}

/// A message whose content is final, in the Cloud API's form. Nothing in it is a template.
///
/// # Errors
/// A JSON pointer into `{message_type, content}`, and the second half of a sentence.
pub fn literal(message_type: &str, content: Value) -> Result<OutgoingMessage, (String, String)> {
    let wrong = |pointer: &str, detail: &str| (pointer.to_owned(), detail.to_owned());
    let word = match message_type {
        "media" => content.get("media_type").and_then(Value::as_str).unwrap_or_default(),
        word => word,
    };
    let Some((_, kind)) = KINDS.into_iter().find(|(name, _)| *name == word) else {
        let known: Vec<&str> = KINDS.iter().map(|(name, _)| *name).collect();
        return Err(wrong("/message_type", &format!("is `{word}`, which is none of {}", known.join(", "))));
    };
    let mut content = match (kind, content) {
        (Kind::Text, Value::String(text)) => json!({ "body": text }),
        (Kind::Contacts, list @ Value::Array(_)) => list,
        (_, Value::Object(members)) => {
            let mut normal: Vec<_> = members.into_iter().filter(|(_, value)| !value.is_null()).collect();
            if let Some((field, detail)) = normalise(kind, &mut normal) {
                return Err(wrong(&format!("/content/{field}"), detail));
            }
            let mut content = Value::Object(normal.into_iter().collect());
            match kind {
                Kind::Contacts => content["contacts"].take(),
                Kind::Template => {
                    if content["language"].is_string() {
                        content["language"] = json!({ "code": content["language"] });
                    }
                    content
                }
                _ => content,
            }
        }
        _ => return Err(wrong("/content", "must be an object")),
    };
    crate::state::scrub(&mut content);
    if let Some(reason) = tidy(kind, &mut content) {
        return Err(wrong("/content", &format!("cannot be sent: {reason}")));
    }
    Ok(OutgoingMessage { kind: kind.name().to_owned(), content })
}

/// `message_type`; `media` leaves it to `content.media_type` which type is meant.
fn read_kind(reader: &mut Reader<'_, '_>) -> Option<Kind> {
    if reader.get("message_type").and_then(Value::as_str) != Some("media") {
        return reader.word("message_type", &KINDS);
    }
    let media: Vec<(&str, Kind)> = KINDS.into_iter().filter(|(_, kind)| matches!(kind, Kind::Media(_))).collect();
    reader.object("content")?.word("media_type", &media)
}

/// The members WhatsApp knows, and our short forms; none where there are too many to list.
fn known(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Text => &["text", "body", "preview_url"],
        Kind::Media(_) => &["media_type", "link", "media_id", "id", "caption", "filename", "voice"],
        Kind::Location => &["latitude", "longitude", "name", "address"],
        Kind::Contacts => &["contacts"],
        Kind::Template => &["name", "template_name", "language", "language_code", "components"],
        Kind::Interactive => &[],
    }
}

/// What is not known is passed on all the same: WhatsApp may have learned something new.
fn warn_of_unknown(reader: &mut Reader<'_, '_>, kind: Kind, field: &'static str) {
    let known = known(kind);
    let Some(mut content) = reader.object(field) else { return };
    for name in content.names().filter(|name| !known.is_empty() && !known.contains(name)) {
        content.warning("unknown_field", name, "is not known here and is passed on as it is");
    }
}

/// Brings our short forms into the Cloud API's form. Answers a member that is missing.
fn normalise<T>(kind: Kind, content: &mut Vec<(String, T)>) -> Option<(&'static str, &'static str)> {
    let needed: &[&'static str] = match kind {
        Kind::Text => {
            rename(content, "text", "body");
            return lacks(content, "body").then_some(("text", "is required"));
        }
        Kind::Media(_) => {
            content.retain(|(name, _)| name != "media_type");
            rename(content, "media_id", "id");
            let unnamed = lacks(content, "link") && lacks(content, "id");
            return unnamed.then_some(("link", "is required, or else `media_id`"));
        }
        Kind::Location => &["latitude", "longitude"],
        Kind::Contacts => &["contacts"],
        Kind::Template => {
            rename(content, "template_name", "name");
            rename(content, "language_code", "language");
            &["name", "language"]
        }
        Kind::Interactive => &["type", "action"],
    };
    needed.iter().find(|field| lacks(content, field)).map(|field| (*field, "is required"))
}

fn lacks<T>(content: &[(String, T)], field: &str) -> bool {
    content.iter().all(|(name, _)| name != field)
}

/// Renames a member unless the other name is taken.
fn rename<T>(content: &mut [(String, T)], from: &str, to: &str) {
    if lacks(content, to)
        && let Some((name, _)) = content.iter_mut().find(|(name, _)| name == from)
    {
        to.clone_into(name);
    }
}

/// A message template's language given as a plain code.
fn nest_language(content: &mut [(String, Data)]) {
    let Some((_, language)) = content.iter_mut().find(|(name, _)| name == "language") else { return };
    if matches!(language, Data::Text(_)) {
        let code = std::mem::replace(language, Data::List(Vec::new()));
        *language = Data::Object(vec![("code".to_owned(), code)]);
    }
}

/// Last touches once templates are filled in. Answers why the message cannot be sent, if so.
fn tidy(kind: Kind, content: &mut Value) -> Option<&'static str> {
    let blank = |value: Option<&Value>| value.is_some_and(|value| values::text(value).trim().is_empty());
    match kind {
        Kind::Text => blank(content.get("body")).then_some("the text is empty"),
        Kind::Media(_) => {
            if let Value::Object(members) = content {
                members.retain(|_, value| !blank(Some(value)));
            }
            (content.get("link").is_none() && content.get("id").is_none()).then_some("the link or media id is empty")
        }
        Kind::Location => {
            for field in ["latitude", "longitude"] {
                let number =
                    content.get(field).and_then(Value::as_str).and_then(|text| text.trim().parse::<f64>().ok());
                if let Some(number) = number {
                    content[field] = json!(number);
                }
            }
            let placed =
                ["latitude", "longitude"].iter().all(|field| content.get(*field).is_some_and(Value::is_number));
            (!placed).then_some("the latitude or longitude is no number")
        }
        Kind::Contacts => content.as_array().is_none_or(Vec::is_empty).then_some("there are no contacts in it"),
        Kind::Template => blank(content.get("name")).then_some("the template's name is empty"),
        Kind::Interactive => blank(content.pointer("/body/text")).then_some("the body's text is empty"),
    }
}
