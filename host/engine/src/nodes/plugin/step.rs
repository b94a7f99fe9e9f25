//! Doing what a plugin's node returned, or what its failure calls for.

use chrono::Duration;
use domain::{
    CustomEvent, Effect, EventType, Time,
    plugin::{FailureKind, NodeOutcome, NodeStep, PluginFailure, PluginFault, PluginVisit, PluginWait},
};
use serde_json::{Map, Value, json};

use super::{PluginNode, read::ERROR};
use crate::{
    actions,
    limits::{PLUGIN_RETRY_MS_MAX, PLUGIN_STATE_BYTES, PLUGIN_WAIT_MS_MIN},
    outgoing::objection,
    path::Target,
    run::{Failure, Next, Run},
    sprint::Saying,
    state, values,
};

/// Where a step goes, checked.
enum Way {
    Exit { name: String, to: Option<usize> },
    Wait { wait: PluginWait, until: Option<Time> },
    Complete,
}

impl PluginNode {
    /// It answered: all that it asks for is done, or nothing is.
    pub(super) fn stepped(&self, run: &mut Run<'_>, step: NodeStep, attempts: u32) -> Result<Next, Failure> {
        let NodeStep { outcome, state, actions } = step;
        let way = match outcome {
            NodeOutcome::Fail { reason } => return self.trouble(run, "fail", None, &reason, attempts),
            outcome => self.way(run, outcome),
        };
        let checked = way.and_then(|way| {
            let kept = check_state(run, state)?;
            Ok((way, kept, actions::check(actions, run.limits())?))
        });
        let (way, kept, actions) = match checked {
            Ok(checked) => checked,
            Err(reason) => return self.invalid(run, &reason, attempts),
        };
        let room = run.room_for_messages();
        if actions.messages.len() > room {
            let reason = format!("sends {} messages where {room} may still be sent", actions.messages.len());
            return self.invalid(run, &reason, attempts);
        }
        let objection = actions.messages.iter().find_map(|message| objection(run, message, self.error.is_some()));
        if let Some(refused) = objection {
            return self.trouble(run, "message_refused", Some(refused.code()), refused.reason(), attempts);
        }
        let contact = match actions.contact.as_ref().map(|change| run.contact_after(change)).transpose() {
            Ok(contact) => contact,
            Err(reason) => return self.invalid(run, &reason, attempts),
        };
        let changed: Vec<String> = actions.variables.iter().map(|(target, _)| target.to_string()).collect();
        if let Err(fault) = run.assign(actions.variables) {
            return self.invalid(run, &fault.to_string(), attempts);
        }
        let detail = Map::from_iter([
            ("attempts".to_owned(), json!(attempts)),
            ("messages".to_owned(), json!(actions.messages.len())),
            ("variables".to_owned(), json!(changed)),
            ("contact_changed".to_owned(), json!(actions.contact.is_some())),
            ("events".to_owned(), json!(actions.events.iter().map(|event| &event.name).collect::<Vec<_>>())),
        ]);
        if let (Some(change), Some(contact)) = (actions.contact, contact) {
            run.change_contact(change, contact);
        }
        for message in actions.messages {
            run.send(|node| Saying { node, message, fallback: None })?;
        }
        run.emit(actions.events);
        Ok(go(run, way, kept, detail))
    }

    /// It says that it cannot.
    pub(super) fn faulted(&self, run: &mut Run<'_>, fault: PluginFault, attempts: u32) -> Result<Next, Failure> {
        match fault {
            PluginFault::InvalidConfig { pointer, message } => {
                let reason = format!("the setting `{pointer}`: {message}");
                self.trouble(run, "invalid_config", None, &reason, attempts)
            }
            PluginFault::Permanent { message, code } => {
                self.trouble(run, "permanent", code.as_deref(), &message, attempts)
            }
            PluginFault::Retryable { message, retry_after_ms } => {
                let Some(Effect::Plugin(mut effect)) = run.take_ended_effect() else {
                    return self.trouble(run, "retryable", None, &message, attempts);
                };
                let left = (effect.retries + 1).saturating_sub(attempts);
                if left == 0 {
                    return self.trouble(run, "retryable", None, &message, attempts);
                }
                let pause = retry_after_ms.unwrap_or_default().clamp(PLUGIN_WAIT_MS_MIN, PLUGIN_RETRY_MS_MAX);
                let until = run.now() + milliseconds(pause);
                let reason = values::cut(&message.replace('\0', ""), values::REASON_CHARS);
                run.log("retries_later", json!({"reason": reason, "until": until, "attempts": attempts}));
                effect.retries = left - 1;
                let state = effect.state.clone();
                run.visit(Some(PluginVisit { state, wait: Some(PluginWait::Retry { effect }) }));
                Ok(run.wait_until(until))
            }
        }
    }

    /// The host could not run it, or stopped it.
    pub(super) fn failed(&self, run: &mut Run<'_>, failure: &PluginFailure, attempts: u32) -> Result<Next, Failure> {
        self.trouble(run, failure_word(failure.kind), None, &failure.message, attempts)
    }

    fn invalid(&self, run: &mut Run<'_>, reason: &str, attempts: u32) -> Result<Next, Failure> {
        let reason = format!("what the plugin returned cannot be done: {reason}");
        self.trouble(run, failure_word(FailureKind::InvalidOutput), None, &reason, attempts)
    }

    /// Takes the exit `error`, with the reason in `state._error`; without that exit the execution fails.
    pub(super) fn trouble(
        &self,
        run: &mut Run<'_>,
        kind: &str,
        code: Option<&str>,
        reason: &str,
        attempts: u32,
    ) -> Result<Next, Failure> {
        let reason = values::cut(&reason.replace('\0', ""), values::REASON_CHARS);
        let mut detail = Map::from_iter([
            ("kind".to_owned(), json!(kind)),
            ("reason".to_owned(), json!(reason)),
            ("attempts".to_owned(), json!(attempts)),
        ]);
        if let Some(code) = code {
            detail.insert("code".to_owned(), values::brief(&json!(code.replace('\0', ""))));
        }
        if self.error.is_none() {
            run.log("plugin_failed", Value::Object(detail));
            return Err(Failure(reason));
        }
        self.keep_error(run, kind, detail.get("code").cloned(), &reason)?;
        Ok(run.leave("plugin_failed", ERROR, self.error, detail))
    }

    /// A message that it sent has failed for good: takes the exit `error`, as when a call fails.
    pub(in crate::nodes) fn message_failed(
        &self,
        run: &mut Run<'_>,
        reason: &str,
        code: Value,
        detail: Map<String, Value>,
    ) -> Result<Next, Failure> {
        self.keep_error(run, "message_failed", Some(code).filter(|code| !code.is_null()), reason)?;
        Ok(run.leave("message_failed", ERROR, self.error, detail))
    }

    /// Keeps in `state._error` why the exit `error` is taken.
    fn keep_error(&self, run: &mut Run<'_>, kind: &str, code: Option<Value>, reason: &str) -> Result<(), Failure> {
        let mut told = Map::from_iter([
            ("plugin".to_owned(), json!(self.pin.name)),
            ("kind".to_owned(), json!(kind)),
            ("message".to_owned(), json!(reason)),
        ]);
        told.extend(code.map(|code| ("code".to_owned(), code)));
        let target = Target::parse("state._error").map_err(Failure)?;
        run.assign(vec![(target, Some(Value::Object(told)))])?;
        Ok(())
    }

    fn way(&self, run: &Run<'_>, outcome: NodeOutcome) -> Result<Way, String> {
        let most = i64::from(run.limits().wait_days) * 86_400_000;
        let until = |ms: u64| match i64::try_from(ms).ok().filter(|ms| *ms <= most) {
            Some(_) => Ok(run.now() + milliseconds(ms.max(PLUGIN_WAIT_MS_MIN))),
            None => Err(format!("waits longer than {} days", run.limits().wait_days)),
        };
        match outcome {
            NodeOutcome::Next { exit } if exit == ERROR && self.error.is_some() => {
                Ok(Way::Exit { name: exit, to: self.error })
            }
            NodeOutcome::Next { exit } => match self.exits.get(&exit) {
                Some(to) => Ok(Way::Exit { to: *to, name: exit }),
                None => Err(format!("goes by the exit `{exit}`, which leads nowhere")),
            },
            NodeOutcome::WaitInput { timeout_ms } => {
                Ok(Way::Wait { wait: PluginWait::Input, until: timeout_ms.map(until).transpose()? })
            }
            NodeOutcome::WaitFor { ms } => Ok(Way::Wait { wait: PluginWait::Time, until: Some(until(ms)?) }),
            NodeOutcome::WaitEvent { name, timeout_ms } => {
                if CustomEvent::parse(&name).is_none()
                    && !matches!(EventType::parse(&name), Some(EventType::OptIn | EventType::OptOut))
                {
                    return Err(format!("waits for `{name}`; it can wait for custom.…, opt_in and opt_out"));
                }
                Ok(Way::Wait { wait: PluginWait::Event { name }, until: timeout_ms.map(until).transpose()? })
            }
            NodeOutcome::Complete => Ok(Way::Complete),
            NodeOutcome::Fail { reason } => Err(reason),
        }
    }
}

fn go(run: &mut Run<'_>, way: Way, state: Option<Value>, mut detail: Map<String, Value>) -> Next {
    match way {
        Way::Exit { name, to } => run.leave("returned", &name, to, detail),
        Way::Complete => {
            run.log("completed", Value::Object(detail));
            Next::End
        }
        Way::Wait { wait, until } => {
            detail.insert("until".to_owned(), json!(until));
            detail.insert(
                "waits_for".to_owned(),
                json!(match &wait {
                    PluginWait::Input => "input",
                    PluginWait::Time | PluginWait::Retry { .. } => "time",
                    PluginWait::Event { name } => name,
                }),
            );
            run.log("waits", Value::Object(detail));
            let next = match (&wait, until) {
                (PluginWait::Input, until) => run.wait_for_input(until),
                (PluginWait::Event { .. }, until) => run.wait_for_event(until),
                (PluginWait::Time | PluginWait::Retry { .. }, until) => run.wait_until(until.unwrap_or(run.now())),
            };
            run.visit(Some(PluginVisit { state, wait: Some(wait) }));
            next
        }
    }
}

fn check_state(run: &Run<'_>, state: Option<Value>) -> Result<Option<Value>, String> {
    let Some(mut kept) = state else { return Ok(None) };
    state::scrub(&mut kept);
    if state::longer_than(&kept, PLUGIN_STATE_BYTES) {
        return Err(format!("keeps a state of more than {PLUGIN_STATE_BYTES} bytes"));
    }
    if state::deeper_than(&kept, run.limits().state_depth) {
        return Err(format!("keeps a state nested more than {} deep", run.limits().state_depth));
    }
    Ok(Some(kept))
}

fn milliseconds(ms: u64) -> Duration {
    Duration::milliseconds(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn failure_word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::TimedOut => "timed_out",
        FailureKind::OutOfMemory => "out_of_memory",
        FailureKind::Trapped => "trapped",
        FailureKind::Denied => "denied",
        FailureKind::InvalidOutput => "invalid_output",
        FailureKind::Overloaded => "overloaded",
        FailureKind::CircuitOpen => "circuit_open",
        FailureKind::Unavailable => "unavailable",
        FailureKind::HostError => "host_error",
    }
}
