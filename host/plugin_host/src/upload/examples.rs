//! Running a plugin's examples.

use std::sync::Arc;

use domain::plugin::{Example, Manifest, NodeCause, NodeOutcome, NodeStep, PluginEffect, PluginPin, TriggerKind};
use serde_json::{Value, json};

use super::{Cost, Examination, ExamineError, ExampleReport, Finding, is_the_hosts, pretence};
use crate::{CallError, Called, Caller, HookRequest, Host, Loaded, LogLine, Occurrence, TriggerCall, Usage};

pub(super) struct Examples {
    pub(super) reports: Vec<ExampleReport>,
    pub(super) findings: Vec<Finding>,
    pub(super) is_deterministic: bool,
}

/// What an example did.
struct Run {
    /// What is compared with `expect`, and shown.
    result: Value,
    /// Everything that came back, for comparing two runs.
    whole: String,
    usage: Usage,
    logs: Vec<LogLine>,
}

/// Why an example did nothing.
enum Broken {
    Examine(ExamineError),
    Finding(Finding),
}

impl Host {
    /// Runs every example twice.
    pub(super) async fn run_examples(
        &self,
        loaded: &Arc<Loaded>,
        manifest: &Manifest,
        examination: &Examination,
    ) -> Result<Examples, ExamineError> {
        let mut done = Examples { reports: Vec::new(), findings: Vec::new(), is_deterministic: true };
        let nodes =
            manifest.nodes.iter().map(|node| (format!("/nodes/{}", node.name), &node.name, None, &node.examples));
        let triggers = manifest.triggers.iter().map(|trigger| {
            (format!("/triggers/{}", trigger.name), &trigger.name, Some(trigger.kind), &trigger.examples)
        });
        for (at, of, kind, examples) in nodes.chain(triggers) {
            for example in examples {
                let at = format!("{at}/{}", example.name);
                let mut runs = Vec::new();
                for _ in 0..2 {
                    let caller = pretence::caller(examination, &self.clock, Some(manifest));
                    let run = match kind {
                        None => self.node_example(loaded, &caller, manifest, of, example).await,
                        Some(kind) => self.trigger_example(loaded, &caller, kind, of, example).await,
                    };
                    match run {
                        Ok(run) => runs.push(run),
                        Err(Broken::Examine(error)) => return Err(error),
                        Err(Broken::Finding(finding)) => {
                            done.findings.push(finding.at(&at));
                            break;
                        }
                    }
                }
                let [first, second] = &runs[..] else { continue };
                done.is_deterministic &= first.whole == second.whole;
                if !example.expect.is_null() && example.expect != first.result {
                    let why = format!("the example should give {}, and gives {}", example.expect, first.result);
                    done.findings.push(Finding::refusal("example_failed", why).at(&at));
                }
                let result = first.result.as_str().map_or_else(|| first.result.to_string(), ToOwned::to_owned);
                done.reports.push(ExampleReport {
                    of: of.clone(),
                    name: example.name.clone(),
                    result,
                    cost: Cost::of(&second.usage),
                    logs: second.logs.clone(),
                });
            }
        }
        if !done.is_deterministic {
            let why =
                "an example gave two different answers, one after the other: what it does depends on something else";
            done.findings.push(Finding::warning("not_deterministic", why));
        }
        Ok(done)
    }

    async fn node_example(
        &self,
        loaded: &Arc<Loaded>,
        caller: &Caller,
        manifest: &Manifest,
        of: &str,
        example: &Example,
    ) -> Result<Run, Broken> {
        let pin = PluginPin {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest: loaded.digest().to_owned(),
        };
        let mut effect = PluginEffect {
            plugin: pin,
            node_type: of.to_owned(),
            config: config(example),
            context: context(example),
            state: None,
            cause: NodeCause::Enter,
            retries: 0,
            idempotency_key: "example".into(),
        };
        let mut called = self.node(loaded, caller, &effect).await;
        // What the contact then writes, if the example says so.
        if let Ok(NodeStep { outcome: NodeOutcome::WaitInput { .. }, state, .. }) = &called.result
            && !example.input.is_null()
        {
            effect.state = state.clone();
            effect.cause = NodeCause::Input(example.input.clone());
            called = self.node(loaded, caller, &effect).await;
        }
        if let Ok(NodeStep { outcome: NodeOutcome::Next { exit }, .. }) = &called.result {
            let spec = manifest.node(of);
            let is_known = spec.is_some_and(|node| node.exits.iter().any(|known| known.name == *exit));
            if !is_known && exit != "error" {
                let why = format!("the example leaves by the exit {exit}, which the manifest does not have");
                return Err(Broken::Finding(Finding::refusal("unknown_exit", why)));
            }
        }
        run(called, |step| match &step.outcome {
            NodeOutcome::Next { exit } => exit.clone().into(),
            NodeOutcome::WaitInput { .. } => "wait_input".into(),
            NodeOutcome::WaitFor { .. } => "wait_for".into(),
            NodeOutcome::WaitEvent { .. } => "wait_event".into(),
            NodeOutcome::Complete => "complete".into(),
            NodeOutcome::Fail { .. } => "fail".into(),
        })
    }

    async fn trigger_example(
        &self,
        loaded: &Arc<Loaded>,
        caller: &Caller,
        kind: TriggerKind,
        of: &str,
        example: &Example,
    ) -> Result<Run, Broken> {
        let call = TriggerCall {
            trigger_type: of.to_owned(),
            config: config(example),
            context: context(example),
            call_id: "example".into(),
        };
        match kind {
            TriggerKind::Matcher => {
                let is_event = example.input.get("name").is_some() && example.input.get("type").is_none();
                let input = example.input.clone();
                let occurrence = if is_event { Occurrence::Event(input) } else { Occurrence::Message(input) };
                let called = self.matches(loaded, caller, &call, &occurrence).await;
                run(called, |found| found.is_some().into())
            }
            TriggerKind::Webhook => {
                let called = self.handle(loaded, caller, &call, &request(&example.input)).await;
                run(called, |handling| handling.status.into())
            }
            TriggerKind::Poller => {
                let cursor = Some(&example.input).filter(|cursor| !cursor.is_null());
                let called = self.poll(loaded, caller, &call, cursor).await;
                run(called, |finding| finding.events.len().into())
            }
        }
    }
}

fn run<T: std::fmt::Debug>(called: Called<T>, result: impl Fn(&T) -> Value) -> Result<Run, Broken> {
    let Called { result: answer, usage, logs, .. } = called;
    let whole = format!("{answer:?}");
    let result = match answer {
        Ok(answer) => result(&answer),
        // A plugin may say that it cannot: nothing outside answers while it is checked.
        Err(CallError::Fault(fault)) => {
            let kind = serde_json::to_value(&fault).unwrap_or_default()["kind"].take();
            kind.as_str().map_or_else(|| "fault".into(), |kind| format!("fault:{kind}").into())
        }
        Err(CallError::Failure(failure)) if is_the_hosts(failure.kind) => {
            return Err(Broken::Examine(ExamineError::Failed(failure)));
        }
        Err(CallError::Failure(failure)) => {
            let why = format!("the example was stopped: {}", failure.message);
            return Err(Broken::Finding(Finding::refusal("example_failed", why).with_detail(failure.detail)));
        }
    };
    Ok(Run { result, whole, usage, logs })
}

fn config(example: &Example) -> Value {
    if example.config.is_null() { json!({}) } else { example.config.clone() }
}

/// The example's context, filled up with what every call has.
fn context(example: &Example) -> Value {
    let mut context = json!({
        "bot": { "id": 1, "name": "Example", "timezone": "UTC" },
        "now": "2026-03-02T09:00:00Z",
        "contact": {
            "id": 1, "phone": "441234567890", "name": "Ada Lovelace", "first_name": "Ada", "language": "en",
            "timezone": "UTC", "tags": [], "attributes": {}, "source": "whatsapp", "opted_in": true,
            "created_at": "2026-01-01T00:00:00Z"
        },
        "flow": { "id": 1, "name": "Example", "version": 1 },
        "execution": { "id": 1 },
        "variables": {},
    });
    fill(&mut context, &example.context);
    context
}

fn fill(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                fill(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (_, Value::Null) => {}
        (into, from) => *into = from.clone(),
    }
}

/// A request as examples write it: `{method, path, query, headers: {…}, body: text or JSON}`.
fn request(input: &Value) -> HookRequest {
    let text = |name: &str| input[name].as_str().map(ToOwned::to_owned);
    let headers = input["headers"].as_object().into_iter().flatten();
    let headers = headers.filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())));
    HookRequest {
        method: text("method").unwrap_or_else(|| "POST".into()),
        path: text("path").unwrap_or_default(),
        query: text("query"),
        headers: headers.collect(),
        body: match &input["body"] {
            Value::Null => Vec::new(),
            Value::String(text) => text.clone().into_bytes(),
            json => json.to_string().into_bytes(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_up_for_an_example_fits_the_schema_and_its_own_words_go_first() {
        let text = include_str!("../../../../wit/chatboost-plugin@0.1.0/context.schema.json");
        let schema: Value = serde_json::from_str(text).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let example = |context: Value| -> Example {
            serde_json::from_value(json!({ "name": "Example", "context": context })).unwrap()
        };
        for own in
            [json!({}), json!({ "bot": { "timezone": "Asia/Tokyo" }, "message": { "type": "text", "text": "Hi" } })]
        {
            let made = context(&example(own.clone()));
            let faults: Vec<_> = validator.iter_errors(&made).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{faults:?}");
            assert_eq!(made.get("message"), own.get("message"));
        }
        assert_eq!(context(&example(json!({ "bot": { "timezone": "Asia/Tokyo" } })))["bot"]["timezone"], "Asia/Tokyo");
    }
}
