//! Plays every file in `cases/`; see the README there for how they are written.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::support::{conversation, event, keyword, matcher, schedule, validation, webhook};

/// Files that are about no single node or trigger type.
const OTHERS: [&str; 5] = ["validate", "templates", "plugin_node", "window", "courtesy"];

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("cases")
}

fn names() -> BTreeSet<String> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let cases = files.filter(|path| path.extension().is_some_and(|ending| ending == "json"));
    cases.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// The cases of a file; there is at least one.
fn cases(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(format!("{name}.json"))).unwrap();
    let mut file: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}.json: {error}"));
    assert!(file["about"].is_string(), "{name}.json says what it is about");
    let Value::Array(cases) = file["cases"].take() else { panic!("{name}.json has a list of cases") };
    assert!(!cases.is_empty(), "{name}.json has no cases");
    let titles: BTreeSet<String> = cases.iter().map(|case| case["name"].to_string()).collect();
    assert_eq!(titles.len(), cases.len(), "{name}.json has two cases of the same name");
    cases
}

/// Plays all cases of a file and reports all that fail.
fn play(name: &str, play: impl Fn(Value) -> Result<(), String>) {
    let all = cases(name);
    let count = all.len();
    let failed: Vec<String> = all
        .into_iter()
        .filter_map(|case| {
            let title = case["name"].as_str().unwrap_or("a case without a name").to_owned();
            play(case).err().map(|why| format!("{title}\n    {why}"))
        })
        .collect();
    assert!(failed.is_empty(), "{name}.json: {} of {count} failed:\n\n{}\n", failed.len(), failed.join("\n\n"));
}

#[test]
fn every_type_has_its_cases_and_no_file_is_left_over() {
    let types = engine::NODE_TYPES.iter().chain(engine::triggers::TYPES).chain(&OTHERS);
    let expected: BTreeSet<String> = types.map(|&name| name.to_owned()).collect();
    assert_eq!(names(), expected);
}

#[test]
fn node_types() {
    for name in engine::NODE_TYPES {
        let about_the_type = |case: &Value| {
            case["checks"].is_array() || case["nodes"].as_array().unwrap().iter().any(|node| node["type"] == **name)
        };
        assert!(cases(name).iter().all(about_the_type), "{name}.json has a case without such a node");
        play(name, conversation::play);
    }
}

#[test]
fn nodes_of_plugins() {
    play("plugin_node", conversation::play);
}

#[test]
fn templates() {
    play("templates", conversation::play);
}

#[test]
fn what_whatsapp_would_refuse() {
    play("window", conversation::play);
}

#[test]
fn courtesy() {
    play("courtesy", conversation::play);
}

#[test]
fn trigger_types() {
    play("keyword", keyword::play);
    play("event", event::play);
    play("schedule", schedule::play);
    play("webhook", webhook::play);
    play("plugin", matcher::play);
}

#[test]
fn validate() {
    play("validate", validation::play);
}
