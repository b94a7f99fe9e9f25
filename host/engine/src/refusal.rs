//! Saying no to a cause that does not fit.

use domain::{Execution, ExecutionStatus, Time};

use crate::machine::Cause;

/// The execution's status does not allow what was asked. Nothing has happened to it.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The execution as it was handed in.
    pub execution: Box<Execution>,
    /// Sentence for people, e.g. `the execution is completed`.
    pub reason: String,
}

impl Refusal {
    /// Checks a cause against the status; gives the execution on when they fit.
    pub(crate) fn check(execution: Execution, cause: &Cause, now: Time) -> Result<Execution, Self> {
        use ExecutionStatus::{Running, WaitingEffect, WaitingEvent, WaitingInput, WaitingTimer};
        let lacking = match (cause, execution.status) {
            (Cause::Start, Running)
            | (Cause::Input(_), WaitingInput)
            | (Cause::Resume | Cause::MessageFailed(_), WaitingInput | WaitingTimer | WaitingEvent)
            | (Cause::Event(_), WaitingEvent)
            | (Cause::Effect(_), WaitingEffect) => return Ok(execution),
            (Cause::Timer, WaitingInput | WaitingTimer | WaitingEvent) => match execution.wake_at {
                Some(at) if at <= now => return Ok(execution),
                // A timer set for an earlier wait may arrive when the execution already waits for something else.
                Some(at) => format!("it waits until {}", at.to_rfc3339()),
                None => "it waits without a time-out".to_owned(),
            },
            (Cause::Start, _) => "it has already been started".to_owned(),
            (Cause::Input(_), _) => "it does not wait for a message".to_owned(),
            (Cause::Timer, _) => "it does not wait for a point in time".to_owned(),
            (Cause::MessageFailed(_), _) => "it neither waits for a message nor for a point in time".to_owned(),
            (Cause::Resume, _) => "it does not wait for a message or a point in time".to_owned(),
            (Cause::Event(_), _) => "it does not wait for an event".to_owned(),
            (Cause::Effect(_), _) => "it does not wait for the outcome of a request".to_owned(),
        };
        let reason = if execution.status.is_final() {
            format!("the execution is {}", execution.status.as_str())
        } else {
            format!("the execution is {}: {lacking}", execution.status.as_str())
        };
        Err(Self { execution: Box::new(execution), reason })
    }

    /// Checks that there is still something to cancel.
    pub(crate) fn check_cancel(execution: Execution) -> Result<Execution, Self> {
        if execution.status.is_final() {
            let reason = format!("the execution is {}", execution.status.as_str());
            return Err(Self { execution: Box::new(execution), reason });
        }
        Ok(execution)
    }
}
