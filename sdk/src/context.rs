//! What a call knows of its surroundings.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::time::LocalTime;

/// Contact, bot, flow, message and variables of a call. Fields that are not known are passed over, so that a plugin keeps
/// working when later hosts tell more.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// The bot.
    pub bot: Bot,
    /// When the call was made: RFC 3339 with whole seconds, in the bot's time zone. The same when the call is repeated.
    pub now: String,
    /// The contact; triggers may have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<Contact>,
    /// The flow; none for triggers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<Flow>,
    /// The execution; none for triggers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub execution: Option<Execution>,
    /// The contact's last message of this execution, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
    /// The execution's variables: what flows call `state`.
    pub variables: Map<String, Value>,
}

impl Context {
    /// When the call was made, as a clock in the bot's time zone shows it. None only when a host tells nonsense.
    pub fn local_time(&self) -> Option<LocalTime> {
        LocalTime::parse(&self.now)
    }

    /// A variable by its path, e.g. `order.items.0.name`; `state.` before it may be left out.
    pub fn variable(&self, path: &str) -> Option<&Value> {
        let path = path.strip_prefix("state.").unwrap_or(path);
        let mut segments = path.split('.');
        let first = self.variables.get(segments.next()?)?;
        segments.try_fold(first, |at, segment| match at {
            Value::Object(members) => members.get(segment),
            Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
            _ => None,
        })
    }
}

/// A bot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Bot {
    /// Id.
    pub id: i64,
    /// Name for people.
    pub name: String,
    /// IANA time zone.
    pub timezone: String,
}

/// A person who writes to a bot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// Id.
    pub id: i64,
    /// Digits of the phone number, with country code. A contact that hides it has a business-scoped id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Business-scoped user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bsuid: Option<String>,
    /// WhatsApp user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// First name, or the first word of `name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Last name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Language tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// IANA time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Anything that flows and the API keep with the contact.
    pub attributes: Map<String, Value>,
    /// Where the contact came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Whether they agree to get messages.
    pub opted_in: bool,
    /// When the contact was made, RFC 3339.
    pub created_at: String,
}

/// A flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Flow {
    /// Id.
    pub id: i64,
    /// Name for people.
    pub name: String,
    /// Its published version that runs.
    pub version: i64,
}

/// An execution of a flow.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Execution {
    /// Id.
    pub id: i64,
}

/// What a contact wrote.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Message {
    /// Id of the server's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// `text`, `interactive`, `image`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The text: of a reply to buttons or a list its title, of media the caption. Empty where there is none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Id of the chosen button or list row, or payload of a template's quick reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_id: Option<String>,
    /// The type's own fields as Meta names them.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub content: Value,
    /// When it was written, RFC 3339.
    pub timestamp: String,
}

impl Message {
    /// A text.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { kind: "text".to_owned(), content: serde_json::json!({ "body": text }), text, ..Self::default() }
    }

    /// A tap on a button or list row with this id and title.
    pub fn tap(id: impl Into<String>, title: impl Into<String>) -> Self {
        let (id, title) = (id.into(), title.into());
        let content = serde_json::json!({ "type": "button_reply", "button_reply": { "id": id, "title": title } });
        Self { kind: "interactive".to_owned(), text: title, reply_id: Some(id), content, ..Self::default() }
    }
}

/// Something that happened to a contact.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Event {
    /// `new_contact`, `opt_in`, … or one that a plugin emitted, `custom.…`.
    pub name: String,
    /// What belongs to it.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub payload: Value,
    /// When it happened, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
}
