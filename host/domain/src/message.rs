//! Messages and the way their delivery advances.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{MessageId, Time};

/// Which way a message went, seen from the bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From the contact.
    Inbound,
    /// To the contact.
    Outbound,
}

impl Direction {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// What a flow sees of a message that a contact sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// Row id.
    pub id: MessageId,
    /// `text`, `image`, `interactive`, `button`, …; `unsupported` for what Meta could not pass on.
    #[serde(rename = "type")]
    pub kind: String,
    /// Text, caption, or title of the chosen button or list row.
    pub text: Option<String>,
    /// Id of the chosen button or list row, or payload of a template's quick reply.
    pub reply_id: Option<String>,
    /// The type's own fields as Meta names them.
    pub content: Value,
    /// What it answers and where it comes from, as Meta names it: `id`, `from`, `forwarded`, `frequently_forwarded`,
    /// `referred_product`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    /// The advertisement that led to it, as Meta names its fields: `source_url`, `headline`, `ctwa_clid`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referral: Option<Value>,
    /// What is wrong with it, e.g. that its file cannot be had: `code`, `title`, `details`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Value>,
    /// When the contact sent it, by Meta's clock.
    pub timestamp: Time,
}

/// A message a flow wants to send: the Cloud API's `type` and the object of that name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutgoingMessage {
    /// `text`, `image`, `template`, `interactive`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// The object named like the type, e.g. `{"body": "Hello"}`.
    pub content: Value,
}

impl OutgoingMessage {
    /// What the contact reads first: the text, the caption, or the body of an interactive message.
    pub fn text(&self) -> Option<String> {
        ["body", "caption"].iter().find_map(|field| match self.content.get(field)? {
            Value::String(text) => Some(text.clone()),
            body => body.get("text").and_then(Value::as_str).map(str::to_owned),
        })
    }
}

/// A message of a bot's that failed for good: Meta refused it, or reported later that it cannot be delivered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FailedMessage {
    /// Row id.
    pub id: MessageId,
    /// Position of the node that said it; none for messages by API.
    pub node: Option<i64>,
    /// The turn of its execution in which it was said.
    pub turn: i64,
    /// How many executions started one another up to the one that said it.
    #[serde(default)]
    pub depth: i64,
    /// What went wrong: `code`, `title`, `details`, as far as known.
    pub error: Value,
}

/// How far an outbound message got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeliveryStatus {
    /// Stored, to be sent.
    Queued,
    /// Handed to HTTP; Meta's answer is not stored yet.
    Sending,
    /// Meta took it and gave it an id.
    Accepted,
    /// On its way to the phone.
    Sent,
    /// On the phone.
    Delivered,
    /// Read; never comes from people who turned receipts off.
    Read,
    /// A voice message was played.
    Played,
    /// Will not be delivered.
    Failed,
}

impl DeliveryStatus {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Accepted => "accepted",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Read => "read",
            Self::Played => "played",
            Self::Failed => "failed",
        }
    }

    /// Reads the word of the database or of a status webhook.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "queued" => Self::Queued,
            "sending" => Self::Sending,
            "accepted" => Self::Accepted,
            "sent" => Self::Sent,
            "delivered" => Self::Delivered,
            "read" => Self::Read,
            "played" => Self::Played,
            "failed" => Self::Failed,
            _ => return None,
        })
    }

    /// Position on the way up. Statuses arrive late, doubled and out of order; a lower rank never overwrites a higher
    /// one. `failed` stands above `sent` and below `delivered`: it ends a message unless delivery was, or is later,
    /// proven.
    pub const fn rank(self) -> i64 {
        match self {
            Self::Queued => 0,
            Self::Sending => 1,
            Self::Accepted => 2,
            Self::Sent => 3,
            Self::Failed => 4,
            Self::Delivered => 5,
            Self::Read => 6,
            Self::Played => 7,
        }
    }
}

/// One delivery report: a stage that a message reached, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The stage.
    pub status: DeliveryStatus,
    /// When it was reached, by Meta's clock.
    pub at: Time,
    /// What Meta said of a failure: `code`, `title`, `details`.
    pub error: Option<Value>,
}
