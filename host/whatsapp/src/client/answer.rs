//! Reading Meta's answers.

use serde::Deserialize;
use serde_json::Value;

use super::error::SendError;
use crate::errors::GraphError;

/// Meta took a message. That is no delivery yet: statuses follow by webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accepted {
    /// The id that statuses will name.
    pub wamid: String,
    /// The recipient as Meta knows them, in digits; may differ from the number sent to, and is what they will write
    /// from. Absent when sent to a business-scoped user id.
    pub wa_id: Option<String>,
    /// The recipient's business-scoped user id, where Meta tells it.
    pub bsuid: Option<String>,
    /// `accepted`, `held_for_quality_assessment` or `paused`; templates only.
    pub message_status: Option<String>,
}

/// What Meta says of a phone number. All but the id may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NumberInfo {
    /// Phone number id.
    pub id: String,
    /// The number as Meta displays it.
    #[serde(default)]
    pub display_phone_number: Option<String>,
    /// The name people see.
    #[serde(default)]
    pub verified_name: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    #[serde(default)]
    pub quality_rating: Option<String>,
    /// How fast it may send.
    #[serde(default)]
    pub throughput: Option<Throughput>,
}

/// A number's throughput.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Throughput {
    /// `STANDARD` (80 messages a second) or `HIGH` (1000).
    pub level: String,
}

impl Accepted {
    /// `None` when no message is named.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(bytes).ok()?;
        let first =
            |list: &str, name: &str| body[list][0][name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Self {
            wamid: first("messages", "id")?,
            wa_id: first("contacts", "wa_id"),
            bsuid: first("contacts", "user_id"),
            message_status: first("messages", "message_status"),
        })
    }
}

impl NumberInfo {
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// An answer that is no success.
pub(super) fn refusal(bytes: &[u8], http_status: u16) -> SendError {
    if let Some(error) = GraphError::parse(bytes, http_status) {
        return SendError::Refused(error);
    }
    match http_status {
        // A gateway speaks for what is behind it, which may have acted all the same.
        500.. => SendError::Unknown(format!("HTTP {http_status} without an error of Meta's own")),
        429 => SendError::Unavailable { http_status },
        _ => SendError::Malformed { http_status, reason: "the answer is no error of the Graph API".into() },
    }
}
