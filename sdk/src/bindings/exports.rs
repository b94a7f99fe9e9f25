//! A plugin, served to the host.

use std::{marker::PhantomData, panic, time::Duration};

use crate::{
    Fault, Handling, HookRequest, Outcome, Recognition,
    bindings::{
        capabilities::chatboost::plugin::types, manifest::exports::chatboost::plugin::manifest,
        node::exports::chatboost::plugin::node, trigger::exports::chatboost::plugin::trigger,
    },
    log::Level,
    plugin::{Definition, Plugin},
    raw,
};

/// A plugin behind the exports of its world.
pub struct Bound<P>(PhantomData<P>);

/// What every call begins with: from here on a panic reaches the plugin's log before it ends the call.
fn begin<P: Plugin>() -> Definition {
    panic::set_hook(Box::new(|info| crate::host::log_write(Level::Error, &info.to_string(), None)));
    P::DEFINITION
}

fn fault(fault: Fault) -> types::Fault {
    match fault {
        Fault::InvalidConfig { pointer, message } => {
            types::Fault::InvalidConfig(types::ConfigFault { pointer, message })
        }
        Fault::Retryable { message, retry_after_ms } => {
            types::Fault::Retryable(types::RetryableFault { message, retry_after_ms })
        }
        Fault::Permanent { message, code } => types::Fault::Permanent(types::PermanentFault { message, code }),
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl<P: Plugin> manifest::Guest for Bound<P> {
    fn describe() -> String {
        serde_json::to_string(&begin::<P>().manifest()).unwrap_or_default()
    }
}

impl<P: Plugin> node::Guest for Bound<P> {
    fn execute(call: node::Call) -> Result<node::Step, types::Fault> {
        begin::<P>().node(&node_call(call), None).map(step).map_err(fault)
    }

    fn resume(call: node::Call, cause: node::Cause) -> Result<node::Step, types::Fault> {
        let cause = match cause {
            node::Cause::Input(message) => raw::Cause::Input(message),
            node::Cause::TimedOut => raw::Cause::TimedOut,
            node::Cause::Elapsed => raw::Cause::Elapsed,
            node::Cause::Event(event) => raw::Cause::Event(event),
            node::Cause::Forced => raw::Cause::Forced,
        };
        begin::<P>().node(&node_call(call), Some(cause)).map(step).map_err(fault)
    }
}

fn node_call(call: node::Call) -> raw::NodeCall {
    let node::Call { node_type, config, context, state, call_id } = call;
    raw::NodeCall { node_type, config, context, state, call_id }
}

fn step(step: raw::Step) -> node::Step {
    let raw::Step { outcome, state, actions } = step;
    let outcome = match outcome {
        Outcome::Next(exit) => node::Outcome::Next(exit.into_owned()),
        Outcome::WaitInput { timeout } => node::Outcome::WaitInput(node::InputWait { timeout_ms: timeout.map(ms) }),
        Outcome::WaitFor(time) => node::Outcome::WaitFor(ms(time)),
        Outcome::WaitEvent { name, timeout } => {
            node::Outcome::WaitEvent(node::EventWait { name, timeout_ms: timeout.map(ms) })
        }
        Outcome::Complete => node::Outcome::Complete,
        Outcome::Fail(reason) => node::Outcome::Fail(reason),
    };
    node::Step { outcome, state, actions }
}

impl<P: Plugin> trigger::Guest for Bound<P> {
    fn matches(
        call: trigger::Call,
        occurrence: trigger::Occurrence,
    ) -> Result<Option<trigger::Recognition>, types::Fault> {
        let occurrence = match occurrence {
            trigger::Occurrence::Message(message) => raw::Occurrence::Message(message),
            trigger::Occurrence::Event(event) => raw::Occurrence::Event(event),
        };
        let found = begin::<P>().matches(&trigger_call(call), &occurrence).map_err(fault)?;
        Ok(found.map(|Recognition { score, extracted, reason }| trigger::Recognition {
            score,
            extracted: (!extracted.is_empty()).then(|| serde_json::Value::Object(extracted).to_string()),
            reason,
        }))
    }

    fn handle(call: trigger::Call, request: trigger::HttpRequest) -> Result<trigger::Handling, types::Fault> {
        let trigger::HttpRequest { method, path, query, headers, body } = request;
        let request = HookRequest { method, path, query, headers, body };
        let Handling { status, headers, body, events } =
            begin::<P>().handle(&trigger_call(call), &request).map_err(fault)?;
        let events = match events.as_slice() {
            [] => None,
            events => serde_json::to_string(events).ok(),
        };
        Ok(trigger::Handling { answer: trigger::HttpAnswer { status, headers, body }, events })
    }

    fn poll(call: trigger::Call, cursor: Option<String>) -> Result<trigger::Finding, types::Fault> {
        let raw::Finding { events, cursor, next_in_ms } =
            begin::<P>().poll(&trigger_call(call), cursor.as_deref()).map_err(fault)?;
        Ok(trigger::Finding { events, cursor, next_in_ms })
    }
}

fn trigger_call(call: trigger::Call) -> raw::TriggerCall {
    let trigger::Call { trigger_type, config, context, call_id } = call;
    raw::TriggerCall { trigger_type, config, context, call_id }
}
