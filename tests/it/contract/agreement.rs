//! Schemas, host types and SDK types say the same, field by field.
//!
//! Each type is given once with every field filled in. What it is written as has the schema's fields and no others; without
//! a field it can be read exactly if the schema does not require that field; with a strange field it can be read exactly if
//! the schema allows any.

use domain::plugin as host;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::schema;

/// What a schema says of an object.
struct Place {
    name: String,
    node: Value,
}

/// The object at a JSON pointer of a schema.
fn at(name: &str, pointer: &str) -> Place {
    let node = schema(name).pointer(pointer).cloned();
    Place {
        name: format!("{name}.schema.json{pointer}"),
        node: node.unwrap_or_else(|| panic!("{name} has no {pointer}")),
    }
}

impl Place {
    fn requires(&self, field: &str) -> bool {
        self.node["required"].as_array().is_some_and(|required| required.iter().any(|known| known == field))
    }

    /// A type is this object.
    fn is<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(&self, full: &Value) {
        let kind = std::any::type_name::<T>();
        let read = |value: Value| serde_json::from_value::<T>(value);
        let typed = read(full.clone()).unwrap_or_else(|error| panic!("{kind} does not read {full}: {error}"));
        let written = serde_json::to_value(&typed).unwrap();
        assert_eq!(written, *full, "{kind} writes something else than it read");
        let mut fields: Vec<&String> = written.as_object().unwrap().keys().collect();
        let mut known: Vec<&String> = self.node["properties"].as_object().unwrap().keys().collect();
        fields.sort();
        known.sort();
        assert_eq!(fields, known, "fields of {kind} and {}", self.name);
        for field in known {
            let mut without = full.clone();
            without.as_object_mut().unwrap().remove(field);
            let (is_read, is_required) = (read(without).is_ok(), self.requires(field));
            assert_eq!(is_read, !is_required, "{kind} without {field}, which {} requires: {is_required}", self.name);
        }
        let mut strange = full.clone();
        strange["strange_field"] = json!(1);
        let is_open = self.node["additionalProperties"] != json!(false);
        assert_eq!(read(strange).is_ok(), is_open, "{kind} with a field that is not in {}", self.name);
    }

    /// The types of host and SDK are this object.
    fn is_both<H, S>(&self, full: &Value)
    where
        H: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
        S: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
    {
        self.is::<H>(full);
        self.is::<S>(full);
    }
}

/// A word of a schema's list.
fn words(pointer: &str) -> Vec<String> {
    let list = schema("manifest").pointer(pointer).cloned().unwrap();
    serde_json::from_value(list).unwrap()
}

#[test]
fn the_manifest() {
    let exit = json!({ "name": "next", "title": "Next" });
    let example = json!({ "name": "One", "config": { "a": 1 }, "context": { "b": 2 }, "input": 3, "expect": "next" });
    let node = json!({
        "type": "ask", "title": "Ask", "description": "Asks.", "category": "Logic", "exits": [exit],
        "config_schema": { "type": "object" }, "examples": [example],
    });
    let trigger = json!({
        "type": "feed", "kind": "poller", "title": "Feed", "description": "Looks.", "config_schema": true,
        "interval_seconds": 60, "examples": [],
    });
    let rule = json!({ "host": "example.com", "methods": ["GET"], "path_prefixes": ["/v1"] });
    let kv = json!({ "bot": true, "contact": false });
    let secret = json!({ "name": "KEY", "description": "A key" });
    let setting = json!({ "key": "size", "description": "A size" });
    let capabilities = json!({
        "http": [rule], "kv": kv, "secrets": [secret], "log": true, "clock": false, "random": true, "config": [setting],
    });
    let manifest = json!({
        "name": "all", "version": "1.0.0", "title": "All", "description": "Everything.", "nodes": [node],
        "triggers": [trigger], "capabilities": capabilities,
    });
    use chatboost_sdk as sdk;
    at("manifest", "/$defs/exit").is_both::<host::Exit, sdk::Exit>(&exit);
    at("manifest", "/$defs/example").is_both::<host::Example, sdk::Example>(&example);
    at("manifest", "/$defs/node").is_both::<host::NodeTypeSpec, sdk::NodeSpec>(&node);
    at("manifest", "/$defs/trigger").is_both::<host::TriggerTypeSpec, sdk::TriggerSpec>(&trigger);
    at("manifest", "/$defs/http_rule").is_both::<host::HttpRule, sdk::HttpRule>(&rule);
    let inside = |path: &str| at("manifest", &format!("/$defs/capabilities/properties/{path}"));
    inside("kv").is_both::<host::KvScopes, sdk::KvScopes>(&kv);
    inside("secrets/items").is_both::<host::SecretWish, sdk::SecretWish>(&secret);
    inside("config/items").is_both::<host::ConfigKey, sdk::ConfigKey>(&setting);
    at("manifest", "/$defs/capabilities").is_both::<host::Capabilities, sdk::Capabilities>(&capabilities);
    at("manifest", "").is_both::<host::Manifest, sdk::Manifest>(&manifest);
    for kind in words("/$defs/trigger/properties/kind/enum") {
        assert!(serde_json::from_value::<host::TriggerKind>(json!(kind)).is_ok(), "{kind}");
        assert!(serde_json::from_value::<sdk::TriggerKind>(json!(kind)).is_ok(), "{kind}");
    }
}

#[test]
fn actions_and_trigger_events() {
    let message = json!({ "message_type": "text", "content": { "body": "Hi" } });
    let contact = json!({
        "name": "Ada", "email": "a@b.c", "language": "en", "timezone": "UTC", "add_tags": ["x"], "remove_tags": ["y"],
        "attributes": { "z": 1 },
    });
    let event = json!({ "name": "custom.done", "payload": { "a": 1 } });
    let actions =
        json!({ "messages": [message], "variables": { "state.a": 1 }, "contact": contact, "events": [event] });
    use chatboost_sdk as sdk;
    at("actions", "/properties/messages/items").is_both::<host::PluginMessage, sdk::OutgoingMessage>(&message);
    at("actions", "/properties/contact").is_both::<host::ContactChange, sdk::ContactChange>(&contact);
    at("actions", "/properties/events/items").is_both::<host::EmittedEvent, sdk::EmittedEvent>(&event);
    at("actions", "").is_both::<host::Actions, sdk::Actions>(&actions);
    let event = json!({ "contact": "49", "contact_name": "Ada", "initial_state": { "a": 1 }, "id": "1" });
    at("trigger-event", "").is_both::<host::TriggerEvent, sdk::TriggerEvent>(&event);
}

/// What the host tells may grow, so the SDK reads it leniently: with every field that the schema has, and without any.
#[test]
fn contexts_messages_and_events_are_read_by_the_sdk() {
    fn reads<T: Serialize + DeserializeOwned>(name: &str, pointer: &str, full: &Value) {
        let place = at(name, pointer);
        let mut known: Vec<&String> = place.node["properties"].as_object().unwrap().keys().collect();
        let mut fields: Vec<&String> = full.as_object().unwrap().keys().collect();
        known.sort();
        fields.sort();
        assert_eq!(fields, known, "{}", place.name);
        let typed: T = serde_json::from_value(full.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), *full, "{}", place.name);
        assert!(serde_json::from_value::<T>(json!({ "later": 1 })).is_ok(), "{}", place.name);
    }
    let bot = json!({ "id": 1, "name": "Bot", "timezone": "UTC" });
    let flow = json!({ "id": 1, "name": "Flow", "version": 2 });
    let message = json!({
        "id": 1, "type": "text", "text": "Hi", "reply_id": "r", "content": { "body": "Hi" },
        "timestamp": "2026-03-02T09:00:00Z",
    });
    let contact = json!({
        "id": 1, "phone": "49", "bsuid": "US.1", "username": "ada", "name": "Ada", "first_name": "Ada", "last_name": "L",
        "email": "a@b.c", "language": "en", "timezone": "UTC", "tags": ["x"], "attributes": { "a": 1 },
        "source": "api", "opted_in": true, "created_at": "2026-03-02T09:00:00Z",
    });
    let context = json!({
        "bot": bot, "now": "2026-03-02T09:00:00Z", "contact": contact, "flow": flow, "execution": { "id": 1 },
        "message": message, "variables": { "a": 1 },
    });
    reads::<chatboost_sdk::Bot>("context", "/properties/bot", &bot);
    reads::<chatboost_sdk::Flow>("context", "/properties/flow", &flow);
    reads::<chatboost_sdk::Contact>("context", "/properties/contact", &contact);
    reads::<chatboost_sdk::Message>("context", "/$defs/message", &message);
    reads::<chatboost_sdk::Message>("message", "", &message);
    reads::<chatboost_sdk::Context>("context", "", &context);
    let event = json!({ "name": "opt_in", "payload": { "a": 1 }, "at": "2026-03-02T09:00:00Z" });
    reads::<chatboost_sdk::Event>("event", "", &event);
    assert_eq!(
        at("context", "/$defs/message").node["properties"],
        schema("message")["properties"],
        "said twice, and alike"
    );
}

/// The two programs that speak the harness's protocol are built of these types or of the host's.
#[test]
fn faults_and_outcomes_are_written_alike_by_host_and_sdk() {
    use chatboost_sdk::testing::protocol::{Cause, StepOutcome};

    fn alike<H: Serialize + DeserializeOwned, S: Serialize + DeserializeOwned>(value: &Value) {
        let host: H = serde_json::from_value(value.clone()).unwrap();
        let sdk: S = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(host).unwrap(), *value);
        assert_eq!(serde_json::to_value(sdk).unwrap(), *value);
    }
    for fault in [
        json!({ "kind": "invalid_config", "pointer": "/a", "message": "m" }),
        json!({ "kind": "retryable", "message": "m", "retry_after_ms": 1 }),
        json!({ "kind": "permanent", "message": "m", "code": "c" }),
    ] {
        alike::<host::PluginFault, chatboost_sdk::Fault>(&fault);
    }
    for outcome in [
        json!({ "kind": "next", "exit": "x" }),
        json!({ "kind": "wait_input", "timeout_ms": 1 }),
        json!({ "kind": "wait_for", "ms": 1 }),
        json!({ "kind": "wait_event", "name": "custom.x", "timeout_ms": null }),
        json!({ "kind": "complete" }),
        json!({ "kind": "fail", "reason": "r" }),
    ] {
        alike::<host::NodeOutcome, StepOutcome>(&outcome);
    }
    for cause in [
        json!({ "kind": "input", "value": { "text": "Hi" } }),
        json!({ "kind": "timed_out" }),
        json!({ "kind": "elapsed" }),
        json!({ "kind": "event", "value": { "name": "x" } }),
        json!({ "kind": "forced" }),
    ] {
        alike::<host::NodeCause, Cause>(&cause);
    }
}
