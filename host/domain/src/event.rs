//! Events: what happens to a contact and may start a flow.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventType {
    /// A person wrote for the first time, or was entered by API.
    NewContact,
    /// A contact wrote.
    MessageReceived,
    /// A contact agreed to get messages after having declined.
    OptIn,
    /// A contact does not want to get messages.
    OptOut,
    /// An execution reached its end.
    FlowCompleted,
    /// An execution was stopped by a fault.
    FlowFailed,
    /// A message to the contact will never arrive.
    MessageFailed,
    /// What a plugin emits or the API tells: the whole name, `custom.` included.
    Custom(CustomEvent),
}

/// Name of an event that this server knows nothing of: `custom.` and a snake-case word.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CustomEvent(String);

impl CustomEvent {
    /// What every such name begins with.
    pub const PREFIX: &str = "custom.";
    /// Most characters after the prefix.
    pub const WORD_CHARS_MAX: usize = 60;

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        let word = name.strip_prefix(Self::PREFIX)?;
        let fits = word.len() <= Self::WORD_CHARS_MAX
            && word.starts_with(|c: char| c.is_ascii_lowercase())
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        fits.then(|| Self(name.to_owned()))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl EventType {
    /// The word used in the API and the database.
    pub fn as_str(&self) -> &str {
        match self {
            Self::NewContact => "new_contact",
            Self::MessageReceived => "message_received",
            Self::OptIn => "opt_in",
            Self::OptOut => "opt_out",
            Self::FlowCompleted => "flow_completed",
            Self::FlowFailed => "flow_failed",
            Self::MessageFailed => "message_failed",
            Self::Custom(name) => name.as_str(),
        }
    }

    /// Reads the word of the API or the database.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "new_contact" => Self::NewContact,
            "message_received" => Self::MessageReceived,
            "opt_in" => Self::OptIn,
            "opt_out" => Self::OptOut,
            "flow_completed" => Self::FlowCompleted,
            "flow_failed" => Self::FlowFailed,
            "message_failed" => Self::MessageFailed,
            custom => Self::Custom(CustomEvent::parse(custom)?),
        })
    }
}

impl Serialize for EventType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for EventType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        Self::parse(&word).ok_or_else(|| D::Error::custom(format!("`{word}` is no event type")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_and_written_back() {
        let words =
            ["new_contact", "message_received", "opt_in", "opt_out", "flow_completed", "flow_failed", "custom.a_1"];
        for word in words {
            assert_eq!(EventType::parse(word).unwrap().as_str(), word);
        }
        let long = format!("custom.{}", "a".repeat(CustomEvent::WORD_CHARS_MAX + 1));
        for word in ["", "custom.", "custom.A", "custom.1a", "custom.a-b", "custom.a.b", "customs.a", "order", &long] {
            assert_eq!(EventType::parse(word), None, "{word}");
        }
        assert!(EventType::parse(&long[..long.len() - 1]).is_some());
    }
}
