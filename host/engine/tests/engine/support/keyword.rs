//! Cases of keyword triggers.

use domain::{BotId, FlowId, Trigger, TriggerId, TriggerRule};
use engine::triggers::KeywordIndex;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::same;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "name")]
    _name: String,
    triggers: Vec<Value>,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    text: String,
    fires: Option<i64>,
    keyword: Option<String>,
    interrupting: Option<i64>,
}

/// A trigger from its short form.
pub(crate) fn trigger(place: usize, value: &Value) -> Trigger {
    let id = value["id"].as_i64().unwrap_or(i64::try_from(place).unwrap() + 1);
    let mut rule = json!({"trigger_type": "keyword", "match_type": "exact", "keywords": []});
    let known = ["keywords", "match_type", "case_sensitive"];
    let members = value.as_object().unwrap();
    rule.as_object_mut()
        .unwrap()
        .extend(members.iter().filter(|(name, _)| known.contains(&name.as_str())).map(|(n, v)| (n.clone(), v.clone())));
    Trigger {
        id: TriggerId(id),
        bot_id: BotId(1),
        flow_id: FlowId(id * 100),
        name: String::new(),
        priority: value["priority"].as_i64().unwrap_or_default(),
        is_active: value["is_active"].as_bool().unwrap_or(true),
        interrupt: value["interrupt"].as_bool().unwrap_or_default(),
        rule: serde_json::from_value::<TriggerRule>(rule).unwrap(),
    }
}

/// Plays a case.
pub(crate) fn play(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    let triggers: Vec<Trigger> = case.triggers.iter().enumerate().map(|(place, value)| trigger(place, value)).collect();
    let faults: Vec<_> = triggers.iter().flat_map(|trigger| engine::triggers::check(&trigger.rule)).collect();
    same("faults", &faults, &Vec::new())?;
    let index = KeywordIndex::build(&triggers);
    if case.messages.is_empty() {
        return Err("has no messages".to_owned());
    }
    for message in &case.messages {
        let shown = |what: &str| format!("{what} of {:?}", message.text);
        let found = index.choose(&message.text);
        same(&shown("what fires"), &found.as_ref().map(|found| found.trigger_id.0), &message.fires)?;
        let keyword = found.as_ref().map(|found| found.keyword.clone());
        same(&shown("keyword"), &keyword, &message.keyword.clone().or(keyword.clone()))?;
        let interrupting = index.choose_interrupting(&message.text).map(|found| found.trigger_id.0);
        same(&shown("what interrupts"), &interrupting, &message.interrupting)?;
        let explained = index.explain(&message.text);
        same(&shown("candidates"), &explained.len(), &triggers.len())?;
        let first = explained.into_iter().find(|candidate| candidate.matched);
        same(&shown("first explained"), &first.as_ref().map(|first| first.trigger_id.0), &message.fires)?;
        same(&shown("keyword explained"), &first.and_then(|first| first.matched_keyword), &keyword)?;
    }
    Ok(())
}
