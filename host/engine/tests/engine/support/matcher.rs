//! Cases of matchers: who is asked, and who wins.

use std::collections::BTreeMap;

use domain::{Trigger, TriggerId, TriggerRule};
use engine::triggers::{Choice, Event, Known, Recognised, Triggers};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{
    event, keyword, same,
    world::{World, message},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "name")]
    _name: String,
    triggers: Vec<Value>,
    messages: Vec<Heard>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Heard {
    text: String,
    #[serde(default)]
    waiting: bool,
    /// What each matcher would say: a score, or null for no match.
    #[serde(default)]
    answers: BTreeMap<i64, Option<f64>>,
    /// The matchers asked, round by round.
    #[serde(default)]
    asked: Vec<Vec<i64>>,
    fires: Option<i64>,
}

fn trigger(place: usize, value: &Value) -> Result<Trigger, String> {
    if value.get("plugin").is_none() {
        return event::trigger(place, value);
    }
    let rule = json!({
        "trigger_type": "plugin", "plugin": value["plugin"], "type": "intent", "plugin_kind": "matcher",
        "config": {}, "listens_to": value.get("listens_to").cloned().unwrap_or_else(|| json!(["message"])),
    });
    let rule = serde_json::from_value::<TriggerRule>(rule).map_err(|error| error.to_string())?;
    Ok(Trigger { rule, ..keyword::trigger(place, value) })
}

/// Plays a case.
pub(crate) fn play(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    let all: Vec<Trigger> =
        case.triggers.iter().enumerate().map(|(n, value)| trigger(n, value)).collect::<Result<_, _>>()?;
    let index = Triggers::build(&all);
    for heard in &case.messages {
        hear(&index, heard).map_err(|why| format!("`{}`: {why}", heard.text))?;
    }
    if case.messages.is_empty() { Err("has no messages".to_owned()) } else { Ok(()) }
}

fn hear(index: &Triggers, heard: &Heard) -> Result<(), String> {
    let world = World::new();
    let message = message(&json!(heard.text));
    let event = Event {
        event_type: domain::EventType::MessageReceived,
        contact: &world.contact,
        message: Some(&message),
        execution: None,
        failed: None,
        payload: None,
        at: world.now,
    };
    let built_in = index.of_message(&event, false, heard.waiting);
    let mut answers: BTreeMap<TriggerId, Option<Recognised>> = BTreeMap::new();
    let mut asked = Vec::new();
    loop {
        let known = |id: TriggerId| match answers.get(&id) {
            None => Known::Nothing,
            Some(None) => Known::No,
            Some(Some(recognised)) => Known::Yes(recognised),
        };
        let round: Vec<TriggerId> = match index.choose_with_matchers(built_in, &["message"], heard.waiting, &known) {
            Choice::Ask(matchers) => matchers.iter().map(|matcher| matcher.fired.trigger_id).collect(),
            Choice::Fires(fired, _) => return finish(heard, &asked, Some(fired.trigger_id.0)),
            Choice::Nobody => return finish(heard, &asked, None),
        };
        asked.push(round.iter().map(|id| id.0).collect::<Vec<_>>());
        for id in round {
            let score = heard.answers.get(&id.0).copied().ok_or(format!("nobody said what matcher {id} answers"))?;
            answers.insert(id, score.map(|score| Recognised { score, extracted: domain::JsonMap::new() }));
        }
    }
}

fn finish(heard: &Heard, asked: &[Vec<i64>], fires: Option<i64>) -> Result<(), String> {
    same("who was asked", &asked.to_vec(), &heard.asked)?;
    same("what fires", &fires, &heard.fires)
}
