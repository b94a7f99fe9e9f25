//! Event triggers: finding the one that an event fires.

use std::collections::HashMap;

use domain::{Contact, EventType, Execution, FailedMessage, InboundMessage, Time, Trigger, TriggerId, TriggerRule};
use serde_json::{Map, Value, json};

use crate::{triggers::conditions::Conditions, variables};

/// The event triggers of one bot that are switched on, ready to be asked.
#[derive(Debug, Default)]
pub(super) struct EventIndex {
    /// Those that go first come first.
    by_type: HashMap<EventType, Vec<Watcher>>,
}

/// An event trigger, with its conditions compiled.
#[derive(Debug)]
pub(super) struct Watcher {
    /// The trigger.
    pub(super) trigger_id: TriggerId,
    priority: i64,
    interrupt: bool,
    conditions: Option<Conditions>,
}

impl Watcher {
    /// None when it is no event trigger.
    fn new(trigger: &Trigger) -> Option<(EventType, Self)> {
        let TriggerRule::Event { event_type, event_conditions } = &trigger.rule else { return None };
        let watcher = Self {
            trigger_id: trigger.id,
            priority: trigger.priority,
            interrupt: trigger.interrupt,
            conditions: Conditions::read(event_conditions),
        };
        Some((event_type.clone(), watcher))
    }
}

impl EventIndex {
    /// Builds the index of those among the triggers that are event triggers and switched on.
    pub(super) fn build(triggers: &[Trigger]) -> Self {
        let mut by_type: HashMap<EventType, Vec<Watcher>> = HashMap::new();
        for (event_type, watcher) in triggers.iter().filter(|trigger| trigger.is_active).filter_map(Watcher::new) {
            by_type.entry(event_type).or_default().push(watcher);
        }
        for watchers in by_type.values_mut() {
            watchers.sort_by_key(|watcher| (std::cmp::Reverse(watcher.priority), watcher.trigger_id));
        }
        Self { by_type }
    }

    /// Whether anything watches for events of a type.
    pub(super) fn watches(&self, event_type: &EventType) -> bool {
        self.by_type.contains_key(event_type)
    }

    /// The trigger that an event fires: the highest priority that matches, then the lowest id.
    pub(super) fn choose(&self, event_type: &EventType, event: &Value, interrupting: bool) -> Option<&Watcher> {
        self.by_type
            .get(event_type)?
            .iter()
            .filter(|watcher| watcher.interrupt || !interrupting)
            .find(|watcher| watcher.conditions.as_ref().is_some_and(|conditions| conditions.unmet(event).is_none()))
    }
}

/// The first condition of an event trigger that an event does not meet; none for one that it meets, or for a trigger
/// that is none.
pub(super) fn unmet(trigger: &Trigger, event: &Value) -> Option<String> {
    let (_, watcher) = Watcher::new(trigger)?;
    match &watcher.conditions {
        Some(conditions) => conditions.unmet(event).map(str::to_owned),
        None => Some("event_conditions".to_owned()),
    }
}

/// What happened, as `event_conditions` see it.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// What.
    pub event_type: EventType,
    /// To whom.
    pub contact: &'a Contact,
    /// The message that came.
    pub message: Option<&'a InboundMessage>,
    /// The execution that ended.
    pub execution: Option<&'a Execution>,
    /// The message of the bot's that failed.
    pub failed: Option<&'a FailedMessage>,
    /// What came along with a custom event.
    pub payload: Option<&'a Value>,
    /// When.
    pub at: Time,
}

impl Event<'_> {
    /// Its document. Fields that are not known are left out.
    pub fn document(&self) -> Value {
        let mut document = Map::from_iter([
            ("event_type".to_owned(), json!(self.event_type)),
            ("at".to_owned(), json!(self.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))),
            ("source".to_owned(), json!(self.contact.source)),
            ("contact".to_owned(), variables::contact(self.contact)),
        ]);
        if self.message.is_some() {
            document.insert("message".to_owned(), variables::message(self.message));
        }
        if let Some(payload) = self.payload {
            document.insert("payload".to_owned(), payload.clone());
        }
        if let Some(execution) = self.execution {
            document.extend(particulars(execution));
            document.insert("state".to_owned(), Value::Object(execution.state.clone()));
        }
        document.extend(self.failed.map(failure).unwrap_or_default());
        Value::Object(document)
    }

    /// What plugins see of it (`event.schema.json`).
    pub fn for_plugins(&self) -> Value {
        json!({
            "name": self.event_type,
            "payload": self.payload,
            "at": self.at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
        })
    }

    /// The part of the document that the started flow gets as `state.event`.
    pub fn summary(&self) -> Value {
        let mut summary = Map::from_iter([("event_type".to_owned(), json!(self.event_type))]);
        if let Some(payload) = self.payload {
            summary.insert("payload".to_owned(), payload.clone());
        }
        summary.extend(self.execution.map(particulars).unwrap_or_default());
        summary.extend(self.failed.map(failure).unwrap_or_default());
        Value::Object(summary)
    }
}

fn particulars(execution: &Execution) -> Map<String, Value> {
    let mut particulars = Map::from_iter([
        ("flow_id".to_owned(), json!(execution.flow_id)),
        ("flow_version".to_owned(), json!(execution.flow_version)),
        ("execution_id".to_owned(), json!(execution.id)),
        ("status".to_owned(), json!(execution.status)),
        ("depth".to_owned(), json!(execution.depth)),
    ]);
    if let Some(error) = &execution.error {
        particulars.insert("error".to_owned(), json!(error));
    }
    particulars
}

/// `message_id`, and `error` with Meta's `code`, `title` and `details`.
fn failure(failed: &FailedMessage) -> Map<String, Value> {
    Map::from_iter([("message_id".to_owned(), json!(failed.id)), ("error".to_owned(), failed.error.clone())])
}
