//! What the emulator remembers: who said what, in order.

use domain::Time;
use serde::Serialize;
use serde_json::Value;

/// An accepted send.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sent {
    /// Counts accepted sends from 0 on, in the order of acceptance.
    pub seq: u64,
    /// When it was accepted, by the emulator's clock.
    pub received_at: Time,
    /// The number it was sent through.
    pub phone_number_id: String,
    /// Recipient: phone in digits, business-scoped user id, or group.
    pub to: String,
    /// Whether `to` is a phone.
    #[serde(skip)]
    pub to_phone: bool,
    /// The id the sender was told.
    pub wamid: String,
    /// Message type.
    #[serde(rename = "type")]
    pub kind: String,
    /// What the person sees, as plain text.
    pub text: String,
    /// The request's body.
    pub body: Value,
}

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Speaker {
    /// The person.
    Person,
    /// The bot.
    Bot,
}

/// One line of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When it was said, by the emulator's clock.
    pub at: Time,
    /// Who said it.
    pub speaker: Speaker,
    /// What the other one sees, as plain text.
    pub text: String,
}

impl std::fmt::Display for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let speaker = if self.speaker == Speaker::Bot { "bot" } else { "you" };
        write!(f, "{speaker}: {}", self.text)
    }
}

/// One thing remembered.
#[derive(Debug)]
pub(crate) enum Entry {
    Said { phone: String, line: Line },
    Sent(Sent),
}

/// Everything remembered.
#[derive(Debug, Default)]
pub(crate) struct Log(Vec<Entry>);

impl Log {
    pub(crate) fn push(&mut self, entry: Entry) {
        self.0.push(entry);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn sent(&self) -> impl Iterator<Item = &Sent> {
        self.0.iter().filter_map(|entry| match entry {
            Entry::Sent(sent) => Some(sent),
            Entry::Said { .. } => None,
        })
    }

    pub(crate) fn transcript(&self, person: &str) -> Vec<Line> {
        let lines = self.0.iter().filter_map(|entry| match entry {
            Entry::Said { phone, line } if phone == person => Some(line.clone()),
            Entry::Sent(sent) if sent.to == person => {
                Some(Line { at: sent.received_at, speaker: Speaker::Bot, text: sent.text.clone() })
            }
            _ => None,
        });
        lines.collect()
    }
}

/// What a person would see of a message, as plain text. Choices are listed in brackets.
pub(crate) fn words(kind: &str, body: &Value) -> String {
    let content = &body[kind];
    let at = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let all = |pointer: &str| content.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match kind {
        "text" => at("/body").to_owned(),
        "reaction" => format!("[reaction {}]", at("/emoji")),
        "template" => {
            let parameters = all("/components").iter().flat_map(|c| c["parameters"].as_array().into_iter().flatten());
            let texts: Vec<&str> = parameters.filter_map(|p| p["text"].as_str()).collect();
            format!("[template {}] {}", at("/name"), texts.join(" | ")).trim_end().to_owned()
        }
        "interactive" => {
            let buttons = all("/action/buttons").iter().map(|b| &b["reply"]["title"]);
            let rows = all("/action/sections").iter().flat_map(|s| s["rows"].as_array().into_iter().flatten());
            let choices = buttons.chain(rows.map(|r| &r["title"])).filter_map(Value::as_str);
            let choices: Vec<String> = choices.map(|title| format!("[{title}]")).collect();
            let parts = [at("/header/text"), at("/body/text"), at("/footer/text"), &choices.join(" ")];
            let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            parts.join("\n")
        }
        "location" => format!("[location {} {}] {}", content["latitude"], content["longitude"], at("/name")),
        _ => format!("[{kind}] {}", at("/caption")).trim_end().to_owned(),
    }
}
