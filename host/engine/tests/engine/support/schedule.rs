//! Cases of schedule triggers.

use domain::{Time, Trigger, TriggerId, TriggerRule};
use engine::triggers::{self, schedule::next_fires};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{keyword, same};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "name")]
    _name: String,
    schedule: Value,
    after: Option<Time>,
    fires: Option<Vec<Time>>,
    #[serde(default)]
    and_then_never: bool,
    #[serde(default)]
    faults: Vec<String>,
}

/// Plays a case.
pub(crate) fn play(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    let mut rule = json!({"trigger_type": "schedule", "schedule_timezone": "UTC"});
    rule.as_object_mut().unwrap().extend(case.schedule.as_object().unwrap().clone());
    let rule: TriggerRule = serde_json::from_value(rule).map_err(|error| error.to_string())?;
    let mut faults: Vec<String> = triggers::check(&rule).into_iter().map(|fault| fault.pointer).collect();
    faults.sort();
    same("faults", &faults, &case.faults)?;
    let TriggerRule::Schedule(schedule) = &rule else { return Err("is no schedule".to_owned()) };
    if let (Some(after), Some(wanted)) = (case.after, &case.fires) {
        let count = wanted.len() + usize::from(case.and_then_never);
        same("fires", &next_fires(schedule, after, count), wanted)?;
    } else if case.faults.is_empty() {
        return Err("has neither fires nor faults".to_owned());
    }
    // By the clock only: no message is for it.
    let trigger = Trigger { id: TriggerId(1), rule, ..keyword::trigger(0, &json!({"keywords": ["hi"]})) };
    let explained = triggers::explain(&[trigger], "hi", &std::collections::HashMap::new());
    same("matched by a message", &explained[0].matched, &false)
}
