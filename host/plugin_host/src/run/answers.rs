//! What guests answer, read and checked: JSON becomes data here, and nothing that is too much, unreadable or secret passes.

use domain::{
    JsonMap,
    plugin::{FailureKind, Manifest, NodeOutcome, NodeStep, PluginFailure, PluginFault},
};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::failure;
use crate::{
    CallError, Finding, Handling, Limits, Recognition,
    bindings::{
        chatboost::plugin::types::Fault,
        exports::chatboost::plugin::{node, trigger},
    },
    capabilities::secrets::Placeholders,
};

/// Bytes of a fault's or failure's sentence.
const SENTENCE_BYTES_MAX: usize = 2_000;
/// Bytes of an exit's or event's name.
const NAME_BYTES_MAX: usize = 200;

/// What answers are checked against.
pub(crate) struct Check<'a> {
    pub(crate) limits: &'a Limits,
    pub(crate) placeholders: &'a Placeholders,
}

impl Check<'_> {
    pub(crate) fn description(&self, text: String) -> Result<Manifest, CallError> {
        self.size([text.len()])?;
        self.json("manifest", Some(text)).and_then(|manifest| manifest.ok_or_else(|| invalid("there is no manifest")))
    }

    pub(crate) fn step(&self, step: Result<node::Step, Fault>) -> Result<NodeStep, CallError> {
        let step = step.map_err(|fault| self.fault(fault))?;
        let (state, actions) = (step.state, step.actions);
        let words = match &step.outcome {
            node::Outcome::Next(text) | node::Outcome::Fail(text) => text.as_str(),
            node::Outcome::WaitEvent(wait) => wait.name.as_str(),
            _ => "",
        };
        self.size([length(state.as_ref()), length(actions.as_ref()), words.len()])?;
        self.no_secret("outcome", words.as_bytes())?;
        let outcome = match step.outcome {
            node::Outcome::Next(exit) => NodeOutcome::Next { exit: name("exit", exit)? },
            node::Outcome::WaitInput(wait) => NodeOutcome::WaitInput { timeout_ms: wait.timeout_ms },
            node::Outcome::WaitFor(ms) => NodeOutcome::WaitFor { ms },
            node::Outcome::WaitEvent(wait) => {
                NodeOutcome::WaitEvent { name: name("event", wait.name)?, timeout_ms: wait.timeout_ms }
            }
            node::Outcome::Complete => NodeOutcome::Complete,
            node::Outcome::Fail(reason) => NodeOutcome::Fail { reason: sentence(&reason) },
        };
        Ok(NodeStep {
            outcome,
            state: self.document("state", state)?,
            actions: self.json("actions", actions)?.unwrap_or_default(),
        })
    }

    pub(crate) fn recognition(
        &self,
        answer: Result<Option<trigger::Recognition>, Fault>,
    ) -> Result<Option<Recognition>, CallError> {
        let Some(found) = answer.map_err(|fault| self.fault(fault))? else { return Ok(None) };
        let reason = found.reason.as_deref().map(sentence);
        self.size([length(found.extracted.as_ref()), length(found.reason.as_ref())])?;
        self.no_secret("reason", reason.as_deref().unwrap_or_default().as_bytes())?;
        if !(0.0..=1.0).contains(&found.score) {
            return Err(invalid(&format!("`score` is {}, and must be from 0 to 1", found.score)));
        }
        let extracted: Option<JsonMap> = self.json("extracted", found.extracted)?;
        Ok(Some(Recognition { score: found.score, extracted: extracted.unwrap_or_default(), reason }))
    }

    pub(crate) fn handling(&self, answer: Result<trigger::Handling, Fault>) -> Result<Handling, CallError> {
        let trigger::Handling { answer, events } = answer.map_err(|fault| self.fault(fault))?;
        let headers: usize = answer.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.size([length(events.as_ref()), answer.body.len(), headers])?;
        if !(200..=599).contains(&answer.status) {
            return Err(invalid(&format!("`answer.status` is {}, and must be from 200 to 599", answer.status)));
        }
        self.no_secret("answer.body", &answer.body)?;
        for (index, (name, value)) in answer.headers.iter().enumerate() {
            self.no_secret("answer.headers", value.as_bytes())?;
            let is_header =
                http::HeaderName::from_bytes(name.as_bytes()).is_ok() && http::HeaderValue::from_str(value).is_ok();
            if !is_header {
                return Err(invalid(&format!("`answer.headers[{index}]` is no header")));
            }
        }
        Ok(Handling {
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
            events: self.json("events", events)?.unwrap_or_default(),
        })
    }

    pub(crate) fn finding(&self, answer: Result<trigger::Finding, Fault>) -> Result<Finding, CallError> {
        let found = answer.map_err(|fault| self.fault(fault))?;
        self.size([length(found.events.as_ref()), length(found.cursor.as_ref())])?;
        Ok(Finding {
            events: self.json("events", found.events)?.unwrap_or_default(),
            cursor: self.document("cursor", found.cursor)?,
            next_in_ms: found.next_in_ms,
        })
    }

    fn fault(&self, fault: Fault) -> CallError {
        let fault = match fault {
            Fault::InvalidConfig(fault) => {
                PluginFault::InvalidConfig { pointer: sentence(&fault.pointer), message: sentence(&fault.message) }
            }
            Fault::Retryable(fault) => {
                PluginFault::Retryable { message: sentence(&fault.message), retry_after_ms: fault.retry_after_ms }
            }
            Fault::Permanent(fault) => PluginFault::Permanent {
                message: sentence(&fault.message),
                code: fault.code.map(|code| clean(&code, NAME_BYTES_MAX)),
            },
        };
        let text = format!("{fault:?}");
        self.no_secret("fault", text.as_bytes()).err().unwrap_or(CallError::Fault(fault))
    }

    fn size(&self, parts: impl IntoIterator<Item = usize>) -> Result<(), CallError> {
        let bytes: usize = parts.into_iter().sum();
        let most = self.limits.output_bytes;
        if bytes as u64 > most {
            return Err(invalid(&format!("it has {bytes} bytes, and may have {most}")));
        }
        Ok(())
    }

    fn no_secret(&self, what: &str, text: &[u8]) -> Result<(), CallError> {
        match self.placeholders.within(text).first() {
            Some(known) => Err(invalid(&format!(
                "`{what}` contains the placeholder of the secret {}, which may only stand in requests",
                known.name
            ))),
            None => Ok(()),
        }
    }

    fn json<T: DeserializeOwned>(&self, what: &str, text: Option<String>) -> Result<Option<T>, CallError> {
        let Some(value) = self.document(what, text)? else { return Ok(None) };
        serde_json::from_value(value).map(Some).map_err(|error| unreadable(what, &error))
    }

    fn document(&self, what: &str, text: Option<String>) -> Result<Option<Value>, CallError> {
        let Some(text) = text else { return Ok(None) };
        let mut value: Value = serde_json::from_str(&text).map_err(|error| unreadable(what, &error))?;
        if !self.placeholders.is_empty() {
            self.no_secret(what, text.as_bytes())?;
            // In the decoded texts as well: an escape in JSON hides a placeholder from a search of the document.
            self.no_secret(what, value.to_string().as_bytes())?;
        }
        if text.contains('\0') || text.contains("\\u0000") {
            without_nul(&mut value);
        }
        Ok(Some(value))
    }
}

/// Reads a step that has this text as its state and as its actions: the way that all JSON of guests comes in. For
/// fuzzing; guests' answers are read where they arrive.
///
/// # Errors
/// When it is not JSON, not actions, or too long.
pub fn read_answer(text: &str, limits: &Limits) -> Result<NodeStep, CallError> {
    let check = Check { limits, placeholders: &Placeholders::default() };
    let (state, actions) = (Some(text.to_owned()), Some(text.to_owned()));
    check.step(Ok(node::Step { outcome: node::Outcome::Complete, state, actions }))
}

fn invalid(why: &str) -> CallError {
    let mut failure: PluginFailure = failure::plain(FailureKind::InvalidOutput, "the plugin's answer cannot be used");
    failure.message = format!("{}: {}", failure.message, clean(why, SENTENCE_BYTES_MAX));
    failure.into()
}

fn unreadable(what: &str, error: &serde_json::Error) -> CallError {
    invalid(&format!("`{what}` is not what it should be: {error}"))
}

fn name(what: &str, text: String) -> Result<String, CallError> {
    if text.is_empty() || text.len() > NAME_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(invalid(&format!("the name of an {what} has 1 to {NAME_BYTES_MAX} bytes")));
    }
    Ok(text)
}

fn length(text: Option<&String>) -> usize {
    text.map_or(0, String::len)
}

fn sentence(text: &str) -> String {
    clean(text, SENTENCE_BYTES_MAX)
}

/// A text cut to length, without NUL, which databases do not keep.
fn clean(text: &str, bytes_max: usize) -> String {
    let end = (0..=bytes_max.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    text[..end].replace('\0', "")
}

fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|character| character != '\0'),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(members) => {
            for (key, mut value) in std::mem::take(members) {
                without_nul(&mut value);
                members.insert(key.replace('\0', ""), value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
