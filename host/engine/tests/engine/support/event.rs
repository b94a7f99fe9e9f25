//! Cases of event triggers, alone and beside keyword triggers.

use domain::{EventType, Execution, ExecutionStatus, Trigger, TriggerRule};
use engine::triggers::{self, Event, Triggers};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{
    keyword, same,
    world::{World, message},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "name")]
    _name: String,
    triggers: Vec<Value>,
    #[serde(default)]
    faults: Vec<String>,
    #[serde(default)]
    events: Vec<Happening>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Happening {
    /// The type of the event; a message unless given.
    event: Option<EventType>,
    text: Option<String>,
    #[serde(default)]
    is_new: bool,
    contact: Option<Value>,
    execution: Option<Value>,
    payload: Option<Value>,
    fires: Option<i64>,
    interrupting: Option<i64>,
}

/// A keyword or event trigger.
pub(crate) fn trigger(place: usize, value: &Value) -> Result<Trigger, String> {
    if value.get("event_type").is_none() {
        return Ok(keyword::trigger(place, value));
    }
    let mut rule = json!({"trigger_type": "event", "event_type": value["event_type"]});
    if let Some(conditions) = value.get("event_conditions") {
        rule["event_conditions"] = conditions.clone();
    }
    let rule = serde_json::from_value::<TriggerRule>(rule).map_err(|error| error.to_string())?;
    Ok(Trigger { rule, ..keyword::trigger(place, value) })
}

/// Plays a case.
pub(crate) fn play(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    let all: Vec<Trigger> =
        case.triggers.iter().enumerate().map(|(n, value)| trigger(n, value)).collect::<Result<_, _>>()?;
    let mut faults: Vec<String> =
        all.iter().flat_map(|trigger| triggers::check(&trigger.rule)).map(|fault| fault.pointer).collect();
    faults.sort();
    same("faults", &faults, &case.faults)?;
    if case.events.is_empty() && faults.is_empty() {
        return Err("has no events".to_owned());
    }
    let index = Triggers::build(&all);
    for (n, happening) in case.events.iter().enumerate() {
        let world = world_of(happening.contact.as_ref())?;
        let message = happening.text.as_ref().map(|text| message(&json!(text)));
        let execution = happening.execution.as_ref().map(|fields| ended(&world, fields));
        let event = Event {
            event_type: happening.event.clone().unwrap_or(EventType::MessageReceived),
            contact: &world.contact,
            message: message.as_ref(),
            execution: execution.as_ref(),
            failed: None,
            payload: happening.payload.as_ref(),
            at: world.now,
        };
        let choose = |interrupting| match happening.event {
            None => index.of_message(&event, happening.is_new, interrupting),
            Some(_) => index.of_event(&event, interrupting),
        };
        let found = choose(false).map(|fired| fired.trigger_id.0);
        same(&format!("what event {n} fires"), &found, &happening.fires)?;
        let found = choose(true).map(|fired| fired.trigger_id.0);
        same(&format!("what event {n} interrupts with"), &found, &happening.interrupting)?;
    }
    Ok(())
}

/// A world whose contact has some fields of its own.
fn world_of(contact: Option<&Value>) -> Result<World, String> {
    let mut world = World::new();
    if let Some(Value::Object(fields)) = contact {
        let mut whole = serde_json::to_value(&world.contact).map_err(|error| error.to_string())?;
        whole.as_object_mut().unwrap().extend(fields.clone());
        world.contact = serde_json::from_value(whole).map_err(|error| error.to_string())?;
    }
    Ok(world)
}

fn ended(world: &World, fields: &Value) -> Execution {
    let status = fields["status"].as_str().and_then(ExecutionStatus::parse).unwrap_or(ExecutionStatus::Completed);
    let state = fields["state"].as_object().cloned().unwrap_or_default();
    Execution {
        flow_id: fields["flow_id"].as_i64().unwrap_or(1).into(),
        status,
        error: fields["error"].as_str().map(str::to_owned),
        ..world.execution(state, None)
    }
}
