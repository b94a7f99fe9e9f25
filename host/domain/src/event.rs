//! Events: what happens to a contact and may start a flow.

use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
}

impl EventType {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewContact => "new_contact",
            Self::MessageReceived => "message_received",
            Self::OptIn => "opt_in",
            Self::OptOut => "opt_out",
            Self::FlowCompleted => "flow_completed",
            Self::FlowFailed => "flow_failed",
            Self::MessageFailed => "message_failed",
        }
    }
}
