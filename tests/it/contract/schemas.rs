//! What real plugins say and do fits the schemas.

use chatboost_sdk::{
    Message, OutgoingMessage,
    plugin::Plugin,
    testing::{Harness, Scripted},
};
use serde_json::{Value, json};

use super::schema;

const SCHEMAS: [&str; 6] = ["actions", "context", "event", "manifest", "message", "trigger-event"];

/// Everything that is wrong with a value.
fn faults(schema: &Value, value: &Value) -> Vec<String> {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn assert_fits(name: &str, value: &Value) {
    let faults = faults(&schema(name), value);
    assert!(faults.is_empty(), "{name}: {faults:?} in {value:#}");
}

fn manifest_of<P: Plugin>() -> Value {
    json!(P::DEFINITION.manifest())
}

/// Manifests of all plugins that come along.
fn manifests() -> Vec<Value> {
    vec![
        manifest_of::<appointment_picker::Plugin>(),
        manifest_of::<business_hours::Plugin>(),
        manifest_of::<http_lookup::Plugin>(),
        manifest_of::<intent_matcher::Plugin>(),
        manifest_of::<llm_reply::Plugin>(),
        manifest_of::<loyalty_points::Plugin>(),
        manifest_of::<store_webhook::Plugin>(),
        manifest_of::<hello::Plugin>(),
        manifest_of::<http_node::Plugin>(),
        manifest_of::<trigger::Plugin>(),
        manifest_of::<waiting::Plugin>(),
    ]
}

#[test]
fn every_schema_is_one_and_every_field_is_explained() {
    fn explained(at: &str, node: &Value) {
        let Value::Object(members) = node else { return };
        for (name, property) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let says = property.get("description").or_else(|| property.get("$ref"));
            assert!(says.is_some(), "{at}/{name} has no description");
        }
        for (name, member) in members {
            explained(&format!("{at}/{name}"), member);
        }
    }
    for name in SCHEMAS {
        let schema = schema(name);
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        jsonschema::meta::validate(&schema).unwrap_or_else(|error| panic!("{name}: {error}"));
        explained(name, &schema);
    }
}

#[test]
fn every_plugin_that_comes_along_is_here() {
    let names: Vec<Value> = manifests().iter().map(|manifest| manifest["name"].clone()).collect();
    for folder in ["../plugins", "../sdk/examples"] {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_dir()) {
            let name = entry.file_name().into_string().unwrap();
            assert!(names.contains(&json!(name)), "{name} is missing in manifests()");
        }
    }
}

#[test]
fn manifests_fit_and_the_host_reads_them() {
    for manifest in manifests() {
        assert_fits("manifest", &manifest);
        let read: domain::plugin::Manifest = serde_json::from_value(manifest.clone()).unwrap();
        assert_eq!(json!(read), manifest);
    }
}

#[test]
fn configurations_of_examples_fit_the_schemas_that_types_make() {
    for manifest in manifests() {
        let types = ["nodes", "triggers"].into_iter().flat_map(|kind| manifest[kind].as_array().unwrap().clone());
        for spec in types {
            jsonschema::meta::validate(&spec["config_schema"]).unwrap();
            assert_eq!(spec["config_schema"]["additionalProperties"], false, "{spec:#}");
            for example in spec["examples"].as_array().unwrap() {
                let faults = faults(&spec["config_schema"], &example["config"]);
                assert!(faults.is_empty(), "{}: {faults:?}", example["name"]);
            }
        }
    }
}

#[test]
fn misspelt_manifests_do_not_fit() {
    for (pointer, value) in [
        ("/name", json!("Hello World")),
        ("/version", json!("1.0")),
        ("/nodes/0/exits/0/name", json!("error")),
        ("/nodes/0/type", json!("say_hello")),
        ("/nodes/0/config_schema", json!("object")),
        ("/capabilities/log", json!("yes")),
        ("/capabilities/secrets", json!([{ "name": "lower_case" }])),
        ("/triggers", json!([{ "type": "x", "kind": "cron", "title": "X", "config_schema": {} }])),
    ] {
        let mut manifest = manifest_of::<hello::Plugin>();
        *manifest.pointer_mut(pointer).unwrap() = value;
        assert!(!faults(&schema("manifest"), &manifest).is_empty(), "{pointer} is taken");
    }
}

#[test]
fn what_the_harness_tells_is_what_the_host_would_tell() {
    let mut harness = Harness::native::<hello::Plugin>();
    harness.node("hello", json!({ "greeting": "Hi" })).enter().says(&["Hi Ada!"]);
    harness.context().message = Some(Message::text("Hi"));
    let mut context = json!(harness.context());
    context["message"]["timestamp"] = json!("2026-03-02T09:00:00Z");
    assert_fits("context", &context);
    assert_fits("message", &context["message"]);
}

#[test]
fn actions_and_events_of_real_plugins_fit() {
    let mut harness = Harness::native::<appointment_picker::Plugin>();
    let mut play = harness.node("pick", json!({ "times": ["10:00"] }));
    assert_fits("actions", &json!(play.enter().actions));
    assert_fits("actions", &json!(play.tap("day:2026-03-03").actions));
    assert_fits("actions", &json!(play.tap("time:10:00").actions));
    let booked = play.tap("yes").actions;
    assert_eq!((booked.messages.len(), booked.variables.len(), booked.events.len()), (1, 1, 1));
    assert_fits("actions", &json!(booked));
    let news = json!([{ "id": 2, "phone": "49", "text": "New" }]);
    let mut harness = Harness::native::<trigger::Plugin>();
    harness.answers(Scripted::new("GET", "https://example.com/feed").json(200, &news));
    let (events, cursor) = harness.poll("feed", json!({ "url": "https://example.com/feed" }), Some(json!(1))).unwrap();
    assert_eq!((events.len(), cursor), (1, Some(json!(2))));
    assert_fits("trigger-event", &json!(events[0]));
}

#[test]
fn every_kind_of_message_fits_and_no_other() {
    let messages = [
        OutgoingMessage::text("Hi"),
        OutgoingMessage::image("https://example.com/a.png").caption("A"),
        OutgoingMessage::video("https://example.com/a.mp4"),
        OutgoingMessage::audio("https://example.com/a.ogg"),
        OutgoingMessage::document("https://example.com/a.pdf", "a.pdf"),
        OutgoingMessage::sticker("https://example.com/a.webp"),
        OutgoingMessage::uploaded_media("image", "123"),
        OutgoingMessage::location(52.5, 13.4, "Here", ""),
        OutgoingMessage::template("welcome", "en", vec![json!({ "type": "body" })]),
        OutgoingMessage::buttons("Well?", [("y", "Yes")]).footer("small"),
        OutgoingMessage::new("contacts", json!([{ "name": { "formatted_name": "Ada" } }])),
    ];
    assert_fits("actions", &json!({ "messages": messages }));
    let other = json!({ "messages": [OutgoingMessage::new("hologram", json!({}))] });
    assert!(!faults(&schema("actions"), &other).is_empty());
    for bad in [
        json!({ "variables": { "name": 1 } }),
        json!({ "events": [{ "name": "new_contact" }] }),
        json!({ "event": [] }),
        json!({ "contact": { "phone": "1" } }),
    ] {
        assert!(!faults(&schema("actions"), &bad).is_empty(), "{bad} is taken");
    }
}
