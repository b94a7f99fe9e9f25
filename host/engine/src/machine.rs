//! Moving an execution from one wait to the next.

use domain::{EffectOutcome, Execution, ExecutionStatus, FailedMessage, InboundMessage, Time};
use serde_json::{Map, Value, json};

use crate::{
    flow::Flow,
    limits::Limits,
    nodes::Wake,
    refusal::Refusal,
    run::{Failure, Next, Run},
    sprint::{Sprint, Step},
    variables::Scope,
};

/// What moves an execution.
#[derive(Debug, Clone, PartialEq)]
pub enum Cause {
    /// It begins, at its `current_node` or else at the flow's first node. `execution.message` already holds the message
    /// that triggered it, if one did.
    Start,
    /// The contact wrote while it waited for that.
    Input(InboundMessage),
    /// Its `wake_at` has come.
    Timer,
    /// A person ends the wait now. A timer counts as elapsed; waiting for a message ends by `timeout_path` if there is
    /// one, else with an empty answer.
    Resume,
    /// The event that it waits for, as its document.
    Event(Value),
    /// What became of `execution.effect`.
    Effect(EffectOutcome),
    /// A message that it said failed for good. If nothing but outcomes of calls has moved it since and the node that said
    /// it has an `error_path` (a plugin's: an exit `error`), it goes on there and its wait is over; otherwise that is only
    /// logged.
    MessageFailed(FailedMessage),
}

/// Moves an execution until it waits or ends. Faults of the flow are no errors here: they end the execution as failed.
///
/// # Errors
/// When the execution's status does not allow the cause, or a timer comes before its time. The refusal gives the
/// execution back unchanged.
pub fn advance(
    flow: &Flow,
    execution: Execution,
    cause: Cause,
    scope: &Scope<'_>,
    limits: &Limits,
) -> Result<Sprint, Refusal> {
    let execution = Refusal::check(execution, &cause, scope.now)?;
    let mut run = Run::new(flow, execution, scope, limits);
    let mut next = wake(&mut run, cause);
    loop {
        next = match next {
            Ok(Next::Node(index)) => enter(&mut run, index),
            Ok(Next::Pause) => return Ok(run.pause()),
            Ok(Next::End) => return Ok(run.end()),
            Ok(Next::RunOut) => return Ok(run.run_out()),
            Err(failure) => return Ok(run.fail(failure)),
        }
    }
}

/// Ends an execution that has not ended yet.
///
/// # Errors
/// When it already has.
pub fn cancel(execution: Execution, reason: &str, now: Time) -> Result<Sprint, Refusal> {
    let mut execution = Refusal::check_cancel(execution)?;
    let step = Step {
        seq: execution.steps,
        node: None,
        kind: Step::FLOW.to_owned(),
        event: "cancelled",
        detail: json!({"reason": reason}),
        duration_us: 0,
    };
    execution.steps += 1;
    execution.status = ExecutionStatus::Cancelled;
    execution.wake_at = None;
    execution.effect = None;
    execution.visit = None;
    execution.updated_at = now;
    execution.completed_at = Some(now);
    let (messages, contact_changes, events) = (Vec::new(), Vec::new(), Vec::new());
    Ok(Sprint { execution, steps: vec![step], messages, courtesy: None, contact_changes, events })
}

/// Ends the wait, or begins.
fn wake(run: &mut Run<'_>, cause: Cause) -> Result<Next, Failure> {
    let wake = match cause {
        Cause::Start => return start(run),
        Cause::MessageFailed(failed) => return message_failed(run, &failed),
        Cause::Input(message) => {
            run.receive(message);
            run.answers();
            Wake::Input
        }
        Cause::Timer => Wake::Timer,
        Cause::Resume => Wake::Resume,
        Cause::Event(event) => Wake::Event(event),
        Cause::Effect(outcome) => Wake::Effect(outcome),
    };
    if !matches!(wake, Wake::Effect(_)) {
        run.begin_turn();
    }
    let index = run.find_current()?;
    run.stand_at(index);
    run.awake();
    run.flow().node(index).resume(run, wake)
}

fn message_failed(run: &mut Run<'_>, failed: &FailedMessage) -> Result<Next, Failure> {
    let mut detail = Map::from_iter([("message_id".to_owned(), json!(failed.id))]);
    for field in ["code", "title", "details"] {
        if let Some(value) = failed.error.get(field).filter(|value| !value.is_null()) {
            detail.insert(field.to_owned(), value.clone());
        }
    }
    let index = failed.node.and_then(|position| run.flow().index_of(position));
    let flow = run.flow();
    match index.filter(|index| flow.node(*index).error_way().is_some() && failed.turn == run.execution().turn) {
        Some(index) => {
            run.begin_turn();
            run.stand_at(index);
            run.awake();
            let told = ["details", "title"].iter().find_map(|field| failed.error.get(field)?.as_str());
            let code = failed.error.get("code").cloned().unwrap_or_default();
            flow.node(index).message_failed(run, told.unwrap_or("the message could not be delivered"), code, detail)
        }
        None => {
            run.log_at(index, "message_failed", Value::Object(detail));
            Ok(Next::Pause)
        }
    }
}

fn start(run: &mut Run<'_>) -> Result<Next, Failure> {
    if run.execution().current_node.is_some() {
        return run.find_current().map(Next::Node);
    }
    run.started();
    if run.execution().message.is_some() && run.execution().depth == 0 {
        run.answers();
    }
    Ok(Next::Node(Flow::START))
}

fn enter(run: &mut Run<'_>, index: usize) -> Result<Next, Failure> {
    run.stand_at(index);
    run.count_step()?;
    run.flow().node(index).enter(run)
}
