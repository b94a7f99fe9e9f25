//! The manifest's examples, as the server runs them at upload.

use serde_json::{Map, Value, json};

use super::{
    Harness,
    protocol::{CallResult, Cause, Entry, Occurrence, StepOutcome},
};
use crate::{Context, Example, Fault, HookRequest, TriggerKind};

impl Harness {
    /// Runs all examples of the manifest, each in this world with nothing stored and with what its context says on top, and fails the test when
    /// one does not come out as it expects: by an exit, `wait_input`, …; whether a matcher matches; the status that a webhook
    /// handler answers; how many events a poller finds; `fault:permanent`, ….
    ///
    /// # Panics
    ///
    /// When an example does not come out as it expects, or when there is none.
    #[track_caller]
    pub fn examples(&mut self) {
        let manifest = self.manifest().clone();
        let before = self.context().clone();
        let nodes =
            manifest.nodes.iter().flat_map(|spec| spec.examples.iter().map(move |example| (&spec.name, None, example)));
        let triggers = manifest.triggers.iter();
        let triggers =
            triggers.flat_map(|spec| spec.examples.iter().map(move |example| (&spec.name, Some(spec.kind), example)));
        let all: Vec<(&String, Option<TriggerKind>, &Example)> = nodes.chain(triggers).collect();
        assert!(!all.is_empty(), "the manifest has no examples");
        for (name, kind, example) in all {
            self.surround(&before, example);
            self.forget();
            let result = match kind {
                None => self.node_example(name, example),
                Some(kind) => self.call(trigger_entry(kind, name, &example.input), example.config.clone()).result,
            };
            let found = brief(&result);
            let found = found.unwrap_or_else(|| panic!("the example {:?} of {name} came to {result:?}", example.name));
            if !example.expect.is_null() {
                assert_eq!(found, example.expect, "the example {:?} of {name}", example.name);
            }
        }
        *self.context() = before;
    }

    /// The node is entered; when it then waits for the contact and the example has a message, that is written.
    fn node_example(&mut self, name: &str, example: &Example) -> CallResult {
        let entry = |state, cause| Entry::Node { node_type: name.to_owned(), state, cause };
        let result = self.call(entry(None, None), example.config.clone()).result;
        match result {
            CallResult::Step { outcome: StepOutcome::WaitInput { .. }, state, .. } if !example.input.is_null() => {
                self.call(entry(state, Some(Cause::Input(example.input.clone()))), example.config.clone()).result
            }
            other => other,
        }
    }

    fn surround(&mut self, before: &Context, example: &Example) {
        let mut context = json!(before);
        merge(&mut context, &example.context);
        let read = serde_json::from_value(context);
        let context: Context = read.unwrap_or_else(|fault| panic!("the context of {:?}: {fault}", example.name));
        if let Some(now) = example.context.get("now").and_then(Value::as_str) {
            self.at(now);
        }
        *self.context() = context;
    }
}

fn trigger_entry(kind: TriggerKind, name: &str, input: &Value) -> Entry {
    let trigger_type = name.to_owned();
    match kind {
        TriggerKind::Matcher => {
            let is_event = input.get("name").is_some() && input.get("type").is_none();
            let input = input.clone();
            let occurrence = if is_event { Occurrence::Event(input) } else { Occurrence::Message(input) };
            Entry::Matcher { trigger_type, occurrence }
        }
        TriggerKind::Webhook => Entry::Webhook { trigger_type, request: request(input) },
        TriggerKind::Poller => {
            Entry::Poller { trigger_type, cursor: Some(input.clone()).filter(|cursor| !cursor.is_null()) }
        }
    }
}

/// A request as examples write it: `{method?, path?, query?, headers?: {…}, body?: text or JSON}`.
fn request(input: &Value) -> HookRequest {
    let text = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
    let headers = input.get("headers").and_then(Value::as_object).into_iter().flatten();
    let header =
        |(name, value): (&String, &Value)| (name.to_lowercase(), value.as_str().unwrap_or_default().to_owned());
    let body = match input.get("body") {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(json) => json.to_string(),
    };
    HookRequest {
        method: text("method").unwrap_or_else(|| "POST".to_owned()),
        path: text("path").unwrap_or_default(),
        query: text("query"),
        headers: headers.map(header).collect(),
        body: body.into_bytes(),
    }
}

/// What an example compares; none when the call was stopped.
fn brief(result: &CallResult) -> Option<Value> {
    Some(match result {
        CallResult::Step { outcome, .. } => match outcome {
            StepOutcome::Next { exit } => json!(exit),
            StepOutcome::WaitInput { .. } => json!("wait_input"),
            StepOutcome::WaitFor { .. } => json!("wait_for"),
            StepOutcome::WaitEvent { .. } => json!("wait_event"),
            StepOutcome::Complete => json!("complete"),
            StepOutcome::Fail { .. } => json!("fail"),
        },
        CallResult::Recognition { .. } => json!(true),
        CallResult::NoMatch => json!(false),
        CallResult::Handling { status, .. } => json!(status),
        CallResult::Finding { events, .. } => json!(events.len()),
        CallResult::Fault { fault: Fault::InvalidConfig { .. } } => json!("fault:invalid_config"),
        CallResult::Fault { fault: Fault::Retryable { .. } } => json!("fault:retryable"),
        CallResult::Fault { fault: Fault::Permanent { .. } } => json!("fault:permanent"),
        CallResult::Failure { .. } => return None,
    })
}

/// Objects member by member, everything else whole.
fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Object(Map::new())), value);
            }
        }
        (_, Value::Null) => {}
        (into, from) => *into = from.clone(),
    }
}
