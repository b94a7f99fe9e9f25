//! Triggers: what starts a flow.

use serde::{Deserialize, Serialize};

use crate::{BotId, EventType, FlowId, JsonMap, PluginRule, Schedule, TriggerId, WebhookRule};

/// A rule that starts a flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// Row id. Among triggers of equal priority the lowest wins.
    pub id: TriggerId,
    /// The bot whose messages and events it watches.
    pub bot_id: BotId,
    /// The flow it starts.
    pub flow_id: FlowId,
    /// Label for people.
    pub name: String,
    /// The highest matching one wins.
    pub priority: i64,
    /// Switched off ones match nothing.
    pub is_active: bool,
    /// Whether a match ends an execution that waits for this contact's reply. Without it the waiting execution gets
    /// the message and the trigger is passed over.
    pub interrupt: bool,
    /// What it watches for.
    #[serde(flatten)]
    pub rule: TriggerRule,
}

/// What a trigger watches for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "trigger_type", rename_all = "snake_case")]
pub enum TriggerRule {
    /// An inbound message whose text matches one of the keywords.
    Keyword {
        /// What to look for; regular expressions when `match_type` is `regex`.
        keywords: Vec<String>,
        /// How to compare.
        match_type: MatchType,
        /// Whether upper and lower case differ.
        #[serde(default)]
        case_sensitive: bool,
    },
    /// Something that happened to a contact.
    Event {
        /// What.
        event_type: EventType,
        /// What must hold of the event: fields of its document and what they are compared with.
        #[serde(default)]
        event_conditions: JsonMap,
    },
    /// The clock.
    Schedule(Schedule),
    /// A request to its address.
    Webhook(WebhookRule),
    /// What a plugin recognises, receives or finds.
    Plugin(PluginRule),
}

impl TriggerRule {
    /// The word used for `trigger_type` in the API and the database.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Keyword { .. } => "keyword",
            Self::Event { .. } => "event",
            Self::Schedule(_) => "schedule",
            Self::Webhook(_) => "webhook",
            Self::Plugin(_) => "plugin",
        }
    }
}

/// How a keyword is compared with a message's text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchType {
    /// The whole text is the keyword.
    Exact,
    /// The keyword is somewhere in the text.
    Contains,
    /// The text begins with the keyword.
    StartsWith,
    /// The text ends with the keyword.
    EndsWith,
    /// The keyword is a regular expression that is found in the text.
    Regex,
}
