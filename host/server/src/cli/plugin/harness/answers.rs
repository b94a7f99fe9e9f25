//! Between the harness's words and the runtime's.

use chatboost_sdk::{
    Fault,
    log::Level,
    testing::protocol::{CallResult, Cause, LogLine, Occurrence, StepOutcome},
};
use domain::plugin::{FailureKind, NodeCause, NodeOutcome, NodeStep, PluginFault};
use plugin_host::{CallError, Finding, Handling, HookRequest, LogLevel, Recognition};

use super::same_shape;

pub(super) fn cause(cause: Option<Cause>) -> NodeCause {
    match cause {
        None => NodeCause::Enter,
        Some(Cause::Input(message)) => NodeCause::Input(message),
        Some(Cause::TimedOut) => NodeCause::TimedOut,
        Some(Cause::Elapsed) => NodeCause::Elapsed,
        Some(Cause::Event(event)) => NodeCause::Event(event),
        Some(Cause::Forced) => NodeCause::Forced,
    }
}

pub(super) fn occurrence(occurrence: Occurrence) -> plugin_host::Occurrence {
    match occurrence {
        Occurrence::Message(message) => plugin_host::Occurrence::Message(message),
        Occurrence::Event(event) => plugin_host::Occurrence::Event(event),
    }
}

pub(super) fn hook_request(request: chatboost_sdk::HookRequest) -> HookRequest {
    let chatboost_sdk::HookRequest { method, path, query, headers, body } = request;
    HookRequest { method, path, query, headers, body }
}

pub(super) fn step(step: NodeStep) -> CallResult {
    let outcome = match step.outcome {
        NodeOutcome::Next { exit } => StepOutcome::Next { exit },
        NodeOutcome::WaitInput { timeout_ms } => StepOutcome::WaitInput { timeout_ms },
        NodeOutcome::WaitFor { ms } => StepOutcome::WaitFor { ms },
        NodeOutcome::WaitEvent { name, timeout_ms } => StepOutcome::WaitEvent { name, timeout_ms },
        NodeOutcome::Complete => StepOutcome::Complete,
        NodeOutcome::Fail { reason } => StepOutcome::Fail { reason },
    };
    match same_shape(step.actions) {
        Ok(actions) => CallResult::Step { outcome, state: step.state, actions },
        Err(reason) => mismatch(reason),
    }
}

pub(super) fn recognition(recognition: Option<Recognition>) -> CallResult {
    match recognition {
        Some(Recognition { score, extracted, reason }) => CallResult::Recognition { score, extracted, reason },
        None => CallResult::NoMatch,
    }
}

pub(super) fn handling(handling: Handling) -> CallResult {
    let Handling { status, headers, body, events } = handling;
    match same_shape(events) {
        Ok(events) => CallResult::Handling { status, headers, body, events },
        Err(reason) => mismatch(reason),
    }
}

pub(super) fn finding(finding: Finding) -> CallResult {
    let Finding { events, cursor, next_in_ms } = finding;
    match same_shape(events) {
        Ok(events) => CallResult::Finding { events, cursor, next_in_ms },
        Err(reason) => mismatch(reason),
    }
}

pub(super) fn error(error: CallError) -> CallResult {
    match error {
        CallError::Fault(fault) => CallResult::Fault {
            fault: match fault {
                PluginFault::InvalidConfig { pointer, message } => Fault::InvalidConfig { pointer, message },
                PluginFault::Retryable { message, retry_after_ms } => Fault::Retryable { message, retry_after_ms },
                PluginFault::Permanent { message, code } => Fault::Permanent { message, code },
            },
        },
        CallError::Failure(failure) => {
            CallResult::Failure { failure: word(failure.kind), message: failure.message, detail: failure.detail }
        }
    }
}

pub(super) fn log_line(line: plugin_host::LogLine) -> LogLine {
    let level = match line.level {
        LogLevel::Debug => Level::Debug,
        LogLevel::Info => Level::Info,
        LogLevel::Warn => Level::Warn,
        LogLevel::Error => Level::Error,
    };
    LogLine { level, message: line.message, fields: line.fields.unwrap_or_default() }
}

/// The kind's word in the API.
fn word(kind: FailureKind) -> String {
    serde_json::to_value(kind).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// The SDK of the test and this program are of different versions.
fn mismatch(reason: String) -> CallResult {
    let message = "what the plugin returned cannot be told to a test harness of this version".to_owned();
    CallResult::Failure { failure: word(FailureKind::HostError), message, detail: Some(reason) }
}
