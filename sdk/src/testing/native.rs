//! Calls in this thread, without WebAssembly.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{
    Engine,
    fake_http::Shared,
    host::{self, Running},
    protocol::{Call, CallResult, Cause, Entry, LogLine, Occurrence, Returned, StepOutcome},
};
use crate::{Fault, Manifest, Outcome, Recognition, log::Level, plugin::Definition, raw};

/// A plugin as it is.
pub(crate) struct Native {
    definition: Definition,
}

impl Native {
    pub(crate) fn new(definition: Definition) -> Self {
        Self { definition }
    }
}

impl Engine for Native {
    fn manifest(&self) -> Manifest {
        self.definition.manifest()
    }

    fn call(&mut self, call: Call, http: &Shared) -> Returned {
        let http = Rc::clone(http);
        let before = call.world.kv.clone();
        let running = Running {
            wanted: (self.definition.capabilities)(),
            has_contact: call.context.get("contact").is_some(),
            world: call.world.clone(),
            logs: vec![],
            exchange: Some(Box::new(move |request| http.borrow_mut().exchange(request))),
            drawn: 0,
        };
        let made = catch_unwind(AssertUnwindSafe(|| host::serve(running, || make(&self.definition, &call))));
        match made {
            Ok((Ok(result), Running { world, logs, .. })) => Returned { result, kv: world.kv, logs, usage: None },
            Ok((Err(fault), Running { logs, .. })) => {
                Returned { result: CallResult::Fault { fault }, kv: before, logs, usage: None }
            }
            Err(denied) if denied.is::<host::Denied>() => {
                let logs = host::abandoned().map(|running| running.logs).unwrap_or_default();
                let why = denied.downcast_ref::<host::Denied>().map_or("", |denied| denied.0.as_str());
                let message = format!("the plugin was stopped: {why}");
                let result = CallResult::Failure { failure: "denied".to_owned(), message, detail: None };
                Returned { result, kv: before, logs, usage: None }
            }
            Err(panic) => {
                let detail = panic.downcast_ref::<String>().cloned();
                let detail = detail.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
                let mut logs = host::abandoned().map(|running| running.logs).unwrap_or_default();
                logs.push(LogLine {
                    level: Level::Error,
                    message: format!("panicked: {}", detail.as_deref().unwrap_or_default()),
                    fields: serde_json::Map::new(),
                });
                let result = CallResult::Failure {
                    failure: "trapped".to_owned(),
                    message: "the plugin panicked".to_owned(),
                    detail,
                };
                Returned { result, kv: before, logs, usage: None }
            }
        }
    }
}

fn make(definition: &Definition, call: &Call) -> Result<CallResult, Fault> {
    let trigger = |trigger_type: &str| raw::TriggerCall {
        trigger_type: trigger_type.to_owned(),
        config: call.config.to_string(),
        context: call.context.to_string(),
        call_id: call.call_id.clone(),
    };
    match &call.entry {
        Entry::Node { node_type, state, cause } => {
            let made = raw::NodeCall {
                node_type: node_type.clone(),
                config: call.config.to_string(),
                context: call.context.to_string(),
                state: state.as_ref().map(Value::to_string),
                call_id: call.call_id.clone(),
            };
            let raw::Step { outcome, state, actions } = definition.node(&made, cause.as_ref().map(raw_cause))?;
            Ok(CallResult::Step {
                outcome: step_outcome(outcome),
                state: read(state),
                actions: read(actions).unwrap_or_default(),
            })
        }
        Entry::Matcher { trigger_type, occurrence } => {
            let occurrence = match occurrence {
                Occurrence::Message(message) => raw::Occurrence::Message(message.to_string()),
                Occurrence::Event(event) => raw::Occurrence::Event(event.to_string()),
            };
            Ok(match definition.matches(&trigger(trigger_type), &occurrence)? {
                Some(Recognition { score, extracted, reason }) => CallResult::Recognition { score, extracted, reason },
                None => CallResult::NoMatch,
            })
        }
        Entry::Webhook { trigger_type, request } => {
            let crate::Handling { status, headers, body, events } =
                definition.handle(&trigger(trigger_type), request)?;
            Ok(CallResult::Handling { status, headers, body, events })
        }
        Entry::Poller { trigger_type, cursor } => {
            let cursor = cursor.as_ref().map(Value::to_string);
            let raw::Finding { events, cursor, next_in_ms } =
                definition.poll(&trigger(trigger_type), cursor.as_deref())?;
            Ok(CallResult::Finding { events: read(events).unwrap_or_default(), cursor: read(cursor), next_in_ms })
        }
    }
}

fn raw_cause(cause: &Cause) -> raw::Cause {
    match cause {
        Cause::Input(message) => raw::Cause::Input(message.to_string()),
        Cause::TimedOut => raw::Cause::TimedOut,
        Cause::Elapsed => raw::Cause::Elapsed,
        Cause::Event(event) => raw::Cause::Event(event.to_string()),
        Cause::Forced => raw::Cause::Forced,
    }
}

fn step_outcome(outcome: Outcome) -> StepOutcome {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    match outcome {
        Outcome::Next(exit) => StepOutcome::Next { exit: exit.into_owned() },
        Outcome::WaitInput { timeout } => StepOutcome::WaitInput { timeout_ms: timeout.map(ms) },
        Outcome::WaitFor(time) => StepOutcome::WaitFor { ms: ms(time) },
        Outcome::WaitEvent { name, timeout } => StepOutcome::WaitEvent { name, timeout_ms: timeout.map(ms) },
        Outcome::Complete => StepOutcome::Complete,
        Outcome::Fail(reason) => StepOutcome::Fail { reason },
    }
}

/// What the SDK wrote a moment ago.
fn read<T: DeserializeOwned>(text: Option<String>) -> Option<T> {
    text.map(|text| serde_json::from_str(&text).unwrap_or_else(|fault| panic!("the plugin returned {text}: {fault}")))
}
