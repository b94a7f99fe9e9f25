//! Cases of webhook triggers: what a body means.

use domain::WebhookRule;
use engine::{
    Limits,
    triggers::{Call, Meaning, Webhook},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{same, world};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "name")]
    _name: String,
    rule: WebhookRule,
    #[serde(default)]
    faults: Vec<String>,
    #[serde(default)]
    requests: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    body: Value,
    #[serde(default)]
    headers: Value,
    #[serde(default)]
    query: Value,
    /// For each item: the event, null when it is passed over, or a part of what is wrong with it.
    #[serde(default)]
    means: Vec<Value>,
    /// A part of what is wrong with the whole.
    refused: Option<String>,
}

/// Plays a case.
pub(crate) fn play(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    let webhook = match Webhook::compile(&case.rule) {
        Ok(webhook) => webhook,
        Err(faults) => {
            let faults: Vec<String> = faults.into_iter().map(|fault| fault.pointer).collect();
            return same("faults", &faults, &case.faults);
        }
    };
    same("faults", &Vec::new(), &case.faults)?;
    for request in &case.requests {
        let call =
            Call { body: &request.body, headers: &request.headers, query: &request.query, now: world::beginning() };
        match (webhook.read(call, &Limits::default()), &request.refused) {
            (Err(reason), Some(part)) if reason.contains(part.as_str()) => {}
            (Err(reason), _) => return Err(format!("was refused: {reason}")),
            (Ok(_), Some(_)) => return Err("was not refused".to_owned()),
            (Ok(meanings), None) => compare(&meanings, &request.means)?,
        }
    }
    if case.requests.is_empty() { Err("has no requests".to_owned()) } else { Ok(()) }
}

fn compare(meanings: &[Meaning], wanted: &[Value]) -> Result<(), String> {
    same("number of items", &meanings.len(), &wanted.len())?;
    for (meaning, wanted) in meanings.iter().zip(wanted) {
        match (meaning, wanted) {
            (Meaning::Event(event), Value::Object(_)) => same("event", &json!(event), wanted)?,
            (Meaning::PassedOver, Value::Null) => {}
            (Meaning::Invalid(reason), Value::String(part)) if reason.contains(part.as_str()) => {}
            _ => return Err(format!("is {meaning:?}, wanted {wanted}")),
        }
    }
    Ok(())
}
