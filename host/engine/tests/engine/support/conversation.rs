//! Cases of node types: a flow and what happens to it.

use std::collections::BTreeMap;

use domain::{EffectOutcome, Execution, FailedMessage, HttpReply, JsonMap, Time, plugin::PluginOutcome};
use engine::{Cause, Flow, Sprint};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{
    catalogue, covers, same,
    world::{self, World},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "name")]
    _name: String,
    #[serde(default)]
    nodes: Vec<Value>,
    #[serde(default)]
    contact: JsonMap,
    #[serde(default)]
    bot: JsonMap,
    #[serde(default)]
    state: JsonMap,
    message: Option<Value>,
    #[serde(default)]
    marketing: Vec<String>,
    #[serde(default)]
    limits: BTreeMap<String, u32>,
    #[serde(default)]
    turns: Vec<Turn>,
    #[serde(default)]
    checks: Vec<Check>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Turn {
    when: When,
    at: Option<Time>,
    status: Option<String>,
    #[serde(default)]
    says: Vec<Value>,
    events: Option<Vec<String>>,
    #[serde(default)]
    detail: BTreeMap<String, Value>,
    state: Option<JsonMap>,
    node: Option<i64>,
    wake_at: Option<Time>,
    effect: Option<Value>,
    /// What is shown of the message: `read` or `typing`; `nothing` unless said.
    courtesy: Option<String>,
    /// What goes out instead of each message when Meta finds the window closed.
    fallbacks: Option<Vec<Value>>,
    error: Option<String>,
    refused: Option<String>,
    /// Changes of the contact.
    #[serde(default)]
    contact_changes: Vec<Value>,
    /// Events emitted.
    #[serde(default)]
    emits: Vec<Value>,
    /// What is remembered at a plugin's node.
    visit: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum When {
    Start,
    Timer,
    Resume,
    Cancel,
    Input(Value),
    Reply(Value),
    Unreachable(String),
    /// A message that the node said in a turn has failed for good.
    MessageFailed(FailedMessage),
    Event(Value),
    Plugin(Box<Answer>),
}

/// What a plugin answered.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    outcome: PluginOutcome,
    #[serde(default = "one")]
    attempts: u32,
}

fn one() -> u32 {
    1
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Check {
    #[serde(default, deserialize_with = "present")]
    actual: Option<Value>,
    operator: String,
    #[serde(default, deserialize_with = "present")]
    value: Option<Value>,
    result: bool,
}

/// Tells null from nothing.
fn present<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(source).map(Some)
}

/// Plays a case.
pub(crate) fn play(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    if !case.checks.is_empty() {
        return case.checks.iter().try_for_each(check);
    }
    let mut world = World::new();
    let mut contact = serde_json::to_value(&world.contact).unwrap();
    contact.as_object_mut().unwrap().extend(case.contact);
    world.contact = serde_json::from_value(contact).unwrap();
    let mut bot = serde_json::to_value(&world.bot).unwrap();
    bot.as_object_mut().unwrap().extend(case.bot);
    world.bot = serde_json::from_value(bot).unwrap();
    world.marketing = case.marketing;
    for (name, value) in case.limits {
        limit(&mut world, &name, value)?;
    }
    let flow = Flow::compile_with(&world::definition(&case.nodes), &catalogue::fake())
        .map_err(|issues| format!("{issues:?}"))?;
    let mut execution = world.execution(case.state, case.message.as_ref().map(world::message));
    if case.turns.is_empty() {
        return Err("has no turns".to_owned());
    }
    for (number, turn) in case.turns.into_iter().enumerate() {
        world.now = turn.at.unwrap_or(world.now);
        execution = take(&world, &flow, execution, &turn).map_err(|why| format!("turn {}: {why}", number + 1))?;
    }
    Ok(())
}

fn limit(world: &mut World, name: &str, value: u32) -> Result<(), String> {
    let limits = &mut world.limits;
    match name {
        "steps_per_sprint" => limits.steps_per_sprint = value,
        "messages_per_sprint" => limits.messages_per_sprint = value,
        "fuel_per_sprint" => limits.fuel_per_sprint = value.into(),
        "state_bytes" => limits.state_bytes = value as usize,
        "state_depth" => limits.state_depth = value as usize,
        "template_output_bytes" => limits.template_output_bytes = value as usize,
        "wait_days" => limits.wait_days = value,
        "http_timeout_seconds" => limits.http_timeout_seconds = value,
        "http_retries" => limits.http_retries = value,
        "plugin_retries" => limits.plugin_retries = value,
        _ => return Err(format!("there is no limit `{name}`")),
    }
    Ok(())
}

fn take(world: &World, flow: &Flow, execution: Execution, turn: &Turn) -> Result<Execution, String> {
    let before = execution.clone();
    let result = match &turn.when {
        When::Start => world.advance(flow, execution, Cause::Start),
        When::Timer => world.advance(flow, execution, Cause::Timer),
        When::Resume => world.advance(flow, execution, Cause::Resume),
        When::Input(value) => world.advance(flow, execution, Cause::Input(world::message(value))),
        When::Reply(value) => {
            let status = u16::try_from(value["status"].as_u64().unwrap()).unwrap();
            let reply = HttpReply { status, body: value["body"].clone(), attempts: 1 };
            world.advance(flow, execution, Cause::Effect(EffectOutcome::Replied(reply)))
        }
        When::Unreachable(reason) => {
            let outcome = EffectOutcome::Unreachable { reason: reason.clone(), attempts: 3 };
            world.advance(flow, execution, Cause::Effect(outcome))
        }
        When::MessageFailed(failed) => world.advance(flow, execution, Cause::MessageFailed(failed.clone())),
        When::Event(event) => world.advance(flow, execution, Cause::Event(event.clone())),
        When::Plugin(answer) => {
            let Answer { outcome, attempts } = &**answer;
            let outcome = EffectOutcome::Plugin { outcome: Box::new(outcome.clone()), attempts: *attempts };
            world.advance(flow, execution, Cause::Effect(outcome))
        }
        When::Cancel => engine::cancel(execution, "by a person", world.now),
    };
    match (result, &turn.refused) {
        (Err(refusal), Some(part)) => {
            contains("the refusal", &refusal.to_string(), part)?;
            same("the refused execution", &*refusal.execution, &before)?;
            Ok(before)
        }
        (Err(refusal), None) => Err(format!("was refused: {refusal}")),
        (Ok(_), Some(_)) => Err("was not refused".to_owned()),
        (Ok(sprint), None) => {
            compare(&sprint, turn)?;
            consistent(world, &before, &sprint)?;
            Ok(sprint.execution)
        }
    }
}

fn compare(sprint: &Sprint, turn: &Turn) -> Result<(), String> {
    let execution = &sprint.execution;
    let told = execution.error.clone().unwrap_or_default();
    let status = turn.status.as_deref().ok_or("says no status")?;
    same(&format!("status ({told})"), &execution.status.as_str(), &status)?;
    let says: Vec<Value> = sprint
        .messages
        .iter()
        .map(|said| &said.message)
        .map(|message| match message.content.as_object().filter(|content| content.len() == 1) {
            Some(content) if message.kind == "text" => content["body"].clone(),
            _ => json!({"type": message.kind, "content": message.content}),
        })
        .collect();
    same("messages", &says, &turn.says)?;
    let fallbacks: Vec<Value> = sprint
        .messages
        .iter()
        .map(|said| said.fallback.as_ref().map_or(Value::Null, |fallback| fallback.content["name"].clone()))
        .collect();
    same("fallbacks", &fallbacks, turn.fallbacks.as_ref().unwrap_or(&vec![Value::Null; fallbacks.len()]))?;
    let courtesy = sprint.courtesy.map_or("nothing", |shown| if shown.typing { "typing" } else { "read" });
    same("courtesy", &courtesy, &turn.courtesy.as_deref().unwrap_or("nothing"))?;
    let events: Vec<String> = sprint.steps.iter().map(|step| step.event.to_owned()).collect();
    same("events", &events, turn.events.as_ref().unwrap_or(&events))?;
    for (event, wanted) in &turn.detail {
        let detail: Vec<&Value> =
            sprint.steps.iter().filter(|step| step.event == event).map(|step| &step.detail).collect();
        if !detail.iter().any(|detail| covers(detail, wanted)) {
            return Err(format!("detail of {event}\n      is     {detail:?}\n      wanted {wanted}"));
        }
    }
    same("state", &execution.state, turn.state.as_ref().unwrap_or(&execution.state))?;
    same("node", &execution.current_node, &turn.node.or(execution.current_node))?;
    same("wake_at", &execution.wake_at, &turn.wake_at)?;
    let effect = serde_json::to_value(&execution.effect).unwrap();
    if let Some(wanted) = &turn.effect
        && !covers(&effect, wanted)
    {
        return Err(format!("effect\n      is     {effect}\n      wanted {wanted}"));
    }
    let visit = serde_json::to_value(&execution.visit).unwrap();
    if let Some(wanted) = &turn.visit
        && !covers(&visit, wanted)
    {
        return Err(format!("visit\n      is     {visit}\n      wanted {wanted}"));
    }
    let listed = |value: Value| value.as_array().cloned().unwrap_or_default();
    for (what, found, wanted) in [
        ("changes of the contact", serde_json::to_value(&sprint.contact_changes), &turn.contact_changes),
        ("events emitted", serde_json::to_value(&sprint.events), &turn.emits),
    ] {
        let found = listed(found.unwrap());
        if found.len() != wanted.len() || !found.iter().zip(wanted).all(|(found, wanted)| covers(found, wanted)) {
            return Err(format!("{what}\n      is     {found:?}\n      wanted {wanted:?}"));
        }
    }
    match &turn.error {
        Some(part) => contains("the error", &told, part),
        None => same("error", &execution.error, &None),
    }
}

/// What holds after every sprint.
fn consistent(world: &World, before: &Execution, sprint: &Sprint) -> Result<(), String> {
    let after = &sprint.execution;
    let seqs: Vec<i64> = sprint.steps.iter().map(|step| step.seq).collect();
    same("numbers of steps", &seqs, &(before.steps..after.steps).collect())?;
    same("updated_at", &after.updated_at, &world.now)?;
    same("completed_at", &after.completed_at, &after.status.is_final().then_some(world.now))?;
    same("runs on", &(after.status.as_str() == "running"), &false)?;
    let is_waiting =
        ["waiting_input", "waiting_timer", "waiting_event", "waiting_effect"].contains(&after.status.as_str());
    same("remembers nothing of a visit when it has ended", &(after.visit.is_some() && !is_waiting), &false)?;
    same("has an effect", &after.effect.is_some(), &(after.status.as_str() == "waiting_effect"))
}

fn contains(what: &str, text: &str, part: &str) -> Result<(), String> {
    if text.contains(part) { Ok(()) } else { Err(format!("{what} is `{text}`, without `{part}`")) }
}

fn check(check: &Check) -> Result<(), String> {
    let world = World::new();
    let mut config = json!({"variable": "state.x", "operator": check.operator});
    if let Some(value) = &check.value {
        config["value"] = value.clone();
    }
    let shown = format!("{:?} {} {:?}", check.actual, check.operator, check.value);
    let flow = Flow::compile(&world::definition(&[json!({"type": "condition", "config": config})]))
        .map_err(|issues| format!("{shown}: {issues:?}"))?;
    let state = check.actual.iter().map(|actual| ("x".to_owned(), actual.clone())).collect();
    let sprint = world.advance(&flow, world.execution(state, None), Cause::Start).map_err(|error| error.to_string())?;
    let branch = sprint.steps.iter().find(|step| step.event == "branch");
    let result = branch.map(|step| step.detail["result"].clone());
    same(&shown, &result, &Some(json!(check.result)))
}
