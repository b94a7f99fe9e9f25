//! Cases of validation.

use domain::Severity;
use engine::{Flow, Opening};
use serde::Deserialize;
use serde_json::Value;

use crate::support::{catalogue, same, world};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "name")]
    _name: String,
    nodes: Vec<Value>,
    opening: Option<String>,
    issues: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    severity: Severity,
    code: String,
    pointer: String,
    node: Option<i64>,
    detail: Option<String>,
}

/// Plays a case.
pub(crate) fn play(case: Value) -> Result<(), String> {
    let case: Case = serde_json::from_value(case).map_err(|error| error.to_string())?;
    let definition = world::definition(&case.nodes);
    let opening = match case.opening.as_deref() {
        None => Opening::Unknown,
        Some("clock") => Opening::ByClock,
        Some(other) => return Err(format!("there is no opening `{other}`")),
    };
    let issues = engine::validate_with(&definition, &catalogue::fake(), opening);
    let mut found: Vec<_> = issues
        .iter()
        .map(|issue| (issue.pointer.as_str(), issue.code.as_str(), issue.severity == Severity::Error))
        .collect();
    let mut wanted: Vec<_> = case
        .issues
        .iter()
        .map(|issue| (issue.pointer.as_str(), issue.code.as_str(), issue.severity == Severity::Error))
        .collect();
    found.sort_unstable();
    wanted.sort_unstable();
    same("issues", &found, &wanted)?;
    for wanted in &case.issues {
        let found = issues.iter().find(|issue| issue.pointer == wanted.pointer && issue.code == wanted.code).unwrap();
        same(&format!("node of {}", wanted.pointer), &found.node, &wanted.node.or(found.node))?;
        if let Some(part) = &wanted.detail
            && !found.detail.contains(part)
        {
            return Err(format!("{} says `{}`, without `{part}`", wanted.pointer, found.detail));
        }
    }
    let errors: Vec<_> = issues.into_iter().filter(|issue| issue.severity == Severity::Error).collect();
    match Flow::compile_with(&definition, &catalogue::fake()) {
        Ok(_) => same("errors of a flow that compiles", &errors, &Vec::new()),
        Err(reported) => same("errors that keep it from compiling", &reported, &errors),
    }
}
