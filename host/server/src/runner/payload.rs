//! What a mailbox item says beside its message and its execution.

use domain::{EventType, FailedMessage, JsonMap, Time, TriggerId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use storage::Item;

/// See the module. All of it may be missing.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Payload {
    /// Of a message: whether it announces a new contact.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) new_contact: bool,
    /// Of a message: whether it is a stop word, which only a trigger that names it gets.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_stop: bool,
    /// Of an event: what happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) event_type: Option<EventType>,
    /// Of a schedule: the trigger that fires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trigger_id: Option<TriggerId>,
    /// Of a schedule: when it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) due_at: Option<Time>,
    /// Of a failed message: which, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed: Option<FailedMessage>,
    /// Of a custom event: what came along with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) payload: Option<Value>,
    /// Of an event that a flow emitted: how many started one another up to here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) depth: Option<i64>,
    /// Of a trigger that fires by a request or a finding: the variables of its flow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<JsonMap>,
    /// Of the same: why it fires, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

impl Payload {
    /// Reads it. What an older version wrote and nobody understands any more says nothing.
    pub(super) fn of(item: &Item) -> Self {
        item.payload.as_ref().and_then(|payload| Self::deserialize(payload).ok()).unwrap_or_default()
    }

    /// A trigger fires by the clock.
    pub(crate) fn of_fire(trigger: TriggerId, due_at: Time) -> Self {
        Self { trigger_id: Some(trigger), due_at: Some(due_at), ..Self::default() }
    }

    /// Something happened to a contact.
    pub(crate) fn of_event(event_type: EventType, payload: Option<Value>, depth: i64) -> Self {
        Self { event_type: Some(event_type), payload, depth: (depth > 0).then_some(depth), ..Self::default() }
    }

    /// A trigger fires by a request, or by what it found.
    pub(crate) fn of_trigger(trigger: TriggerId, state: JsonMap, why: String) -> Self {
        Self { trigger_id: Some(trigger), state: Some(state), why: Some(why), ..Self::default() }
    }

    /// As it is stored.
    pub(crate) fn stored(&self) -> Option<Value> {
        serde_json::to_value(self).ok()
    }
}
