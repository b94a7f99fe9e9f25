//! One contact's mailbox, worked through in memory: which execution gets what, and what comes of it.
//!
//! Nothing here waits or writes. A [`Desk`] holds everything that was loaded, [`Desk::work`] says what is to be written.

mod asking;
mod events;
mod firing;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use chrono::TimeDelta;
use domain::{
    BotId, Contact, ContactId, Effect, EventType, Execution, ExecutionId, ExecutionStatus, FailedMessage, FlowId,
    FlowInfo, ItemId, JsonMap, Time, plugin::ContactChange,
};
use engine::{Cause, Courtesy, Limits, Refusal, Saying, Scope, Sprint};
use serde_json::json;
use storage::{Decision, Item, ItemKind, Mailbox, NewExecution, StepRow};

use super::{
    cache::{BotRuntime, CompiledFlow},
    lanes::Outcome,
    payload::Payload,
    plugin_calls::Asks,
};

/// Most items of one contact that are handled in one commit.
pub(crate) const ITEMS_PER_CONTACT: i64 = 50;

/// How long a timer waits that is due but cannot fire because its bot is switched off.
const POSTPONED: TimeDelta = TimeDelta::minutes(5);

/// A flow version that a desk needs and does not have.
pub(crate) type FlowKey = (FlowId, i64);

/// Everything that is known of a contact whose mailbox is being handled.
pub(crate) struct Desk {
    pub(crate) mailbox: Mailbox,
    pub(crate) contact: Contact,
    pub(crate) bot: Option<Arc<BotRuntime>>,
    pub(crate) executions: Vec<NewExecution>,
    pub(crate) items: Vec<Item>,
    pub(crate) outcome: Option<Outcome>,
}

/// What is to be written for a contact, and done afterwards.
#[derive(Default)]
pub(crate) struct Work {
    /// Changed and new executions, each once.
    pub(crate) executions: Vec<NewExecution>,
    pub(crate) steps: Vec<StepRow>,
    /// What executions say, each with the turn in which it does.
    pub(crate) messages: Vec<(ExecutionId, i64, Saying)>,
    /// What to show the contact of the messages that were dealt with.
    pub(crate) courtesies: Vec<Courtesy>,
    /// What is to be logged of executions that ended earlier.
    pub(crate) postscripts: Vec<StepRow>,
    pub(crate) done: Vec<ItemId>,
    /// What triggers started or were refused.
    pub(crate) decisions: Vec<Decision>,
    /// What triggers could not say because their plugin failed.
    pub(crate) failures: Vec<Decision>,
    /// Changes of the contact, in order.
    pub(crate) contact_changes: Vec<ContactChange>,
    /// What flows emitted, in order.
    pub(crate) emitted: Vec<Payload>,
    /// The call to the outside that the contact waits for now.
    pub(crate) effect: Option<(ExecutionId, Effect)>,
    /// What matchers have to be asked before the next item can be handled.
    pub(crate) asks: Option<Asks>,
    /// Whether everything was dealt with that was there when the mailbox was loaded.
    pub(crate) all_handled: bool,
    /// When the next of the contact's executions wants to go on by itself.
    pub(crate) wake_at: Option<Time>,
}

impl Work {
    /// Whether there is nothing to write.
    pub(crate) fn is_empty(&self) -> bool {
        self.executions.is_empty() && self.done.is_empty() && self.failures.is_empty() && self.postscripts.is_empty()
    }
}

/// What a desk borrows from its runner.
pub(crate) struct Tools<'a> {
    pub(crate) now: Time,
    pub(crate) limits: &'a Limits,
    pub(crate) flow: &'a dyn Fn(FlowKey) -> Option<Arc<CompiledFlow>>,
    pub(crate) next_id: &'a mut dyn FnMut() -> Option<ExecutionId>,
}

/// Why a desk could not be worked through.
pub(crate) enum Need {
    /// A flow version has to be loaded first.
    Flow(FlowKey),
    /// More execution ids have to be reserved first.
    Ids,
}

struct Session<'a, 't> {
    desk: &'a Desk,
    tools: &'a mut Tools<'t>,
    work: Work,
    /// All of the contact's executions as they are by now; `true` for those that changed.
    executions: Vec<(NewExecution, bool)>,
    /// Executions whose timer the engine would not take; not to be asked again in this round.
    stuck: Vec<usize>,
    /// Executions that ended and whose triggers have not been asked.
    ended: Vec<usize>,
    /// The contact, as flows have changed it.
    contact: Contact,
}

impl Desk {
    /// The contact.
    pub(crate) fn contact_id(&self) -> ContactId {
        self.mailbox.contact_id
    }

    /// Handles what is due: an effect's outcome, timers, items; in the order in which they came due.
    pub(crate) fn work(&self, tools: &mut Tools<'_>) -> Result<Work, Need> {
        let executions = self.executions.iter().cloned().map(|execution| (execution, false)).collect();
        let mut session = Session {
            desk: self,
            tools,
            work: Work::default(),
            executions,
            stuck: Vec::new(),
            ended: Vec::new(),
            contact: self.contact.clone(),
        };
        let finished = session.run()?;
        let Session { mut work, executions, tools, .. } = session;
        work.all_handled = finished;
        let wake_at = executions
            .iter()
            .filter(|(e, _)| !e.execution.status.is_final())
            .filter_map(|(e, _)| e.execution.wake_at)
            .min();
        // A timer that cannot fire now (the bot is switched off) must not keep the mailbox ready all the time.
        let earliest = tools.now + if finished { POSTPONED } else { TimeDelta::zero() };
        work.wake_at = wake_at.map(|at| if at <= tools.now { earliest } else { at });
        work.executions =
            executions.into_iter().filter_map(|(execution, changed)| changed.then_some(execution)).collect();
        Ok(work)
    }
}

impl Session<'_, '_> {
    /// `false` when something is left for later.
    fn run(&mut self) -> Result<bool, Need> {
        let desk = self.desk;
        let active = desk.bot.as_ref().is_some_and(|bot| bot.is_active);
        if let Some(Outcome::Effect(done)) = &desk.outcome
            && let Some(at) = self.waits_for_outcome(|execution| execution.id == done.execution)
            && self.awaits(at, &done.key)
        {
            self.advance(at, Cause::Effect(done.outcome.clone()))?;
        }
        let mut items = desk.items.iter().peekable();
        loop {
            while let Some(at) = self.ended.pop() {
                if active {
                    self.ask_about_end(at)?;
                }
            }
            // One call at a time. One that nobody is making was in flight when its host died, or is the next in line.
            if let Some(at) = self.waits_for_outcome(|_| true) {
                let execution = &self.executions[at].0.execution;
                self.work.effect = execution.effect.clone().map(|effect| (execution.id, effect));
                return Ok(false);
            }
            let due = if active { self.due_timer() } else { None };
            match (due, items.peek()) {
                (Some((at, wake_at)), item) if item.is_none_or(|item| wake_at <= item.created_at) => {
                    self.advance(at, Cause::Timer)?;
                }
                (_, Some(item)) => {
                    self.handle(item, active)?;
                    if self.work.asks.is_some() {
                        return Ok(false);
                    }
                    self.work.done.push(item.id);
                    items.next();
                }
                (Some((at, _)), None) => self.advance(at, Cause::Timer)?,
                (None, None) => return Ok(i64::try_from(desk.items.len()).is_ok_and(|n| n < ITEMS_PER_CONTACT)),
            }
        }
    }

    /// The first execution of a kind whose call to the outside is to be made or in flight, and which nobody cancels.
    fn waits_for_outcome(&self, of_kind: impl Fn(&Execution) -> bool) -> Option<usize> {
        let cancels = |id| self.desk.items.iter().any(|i| i.kind == ItemKind::Cancel && i.execution_id == Some(id));
        self.executions.iter().position(|(e, _)| {
            let execution = &e.execution;
            execution.status == ExecutionStatus::WaitingEffect && of_kind(execution) && !cancels(execution.id)
        })
    }

    /// Whether it is this very call that the execution waits for, and not a later one.
    fn awaits(&self, at: usize, key: &str) -> bool {
        self.executions[at].0.execution.effect.as_ref().is_some_and(|effect| effect.key() == key)
    }

    /// The execution whose time came first.
    fn due_timer(&self) -> Option<(usize, Time)> {
        let now = self.tools.now;
        let due = |(at, (e, _)): (usize, &(NewExecution, bool))| {
            let waits = matches!(
                e.execution.status,
                ExecutionStatus::WaitingTimer | ExecutionStatus::WaitingInput | ExecutionStatus::WaitingEvent
            );
            e.execution.wake_at.filter(|wake_at| waits && *wake_at <= now).map(|wake_at| (at, wake_at))
        };
        let due = self.executions.iter().enumerate().filter_map(due).filter(|(at, _)| !self.stuck.contains(at));
        due.min_by_key(|(_, wake_at)| *wake_at)
    }

    fn handle(&mut self, item: &Item, active: bool) -> Result<(), Need> {
        let target = item.execution_id.and_then(|id| self.executions.iter().position(|(e, _)| e.execution.id == id));
        match (item.kind, target, &item.message) {
            (ItemKind::Cancel, Some(at), _) => {
                self.cancel(at, "cancelled by request");
                Ok(())
            }
            (ItemKind::Start, Some(at), _) if self.executions[at].0.execution.status == ExecutionStatus::Running => {
                self.advance(at, Cause::Start)
            }
            (ItemKind::Resume, Some(at), _) => self.advance(at, Cause::Resume),
            (ItemKind::Input, Some(at), Some(message)) => self.advance(at, Cause::Input(message.clone())),
            (ItemKind::Message, _, message) if Payload::of(item).is_stop => {
                self.stop();
                message.as_ref().filter(|_| active).map_or(Ok(()), |message| self.deliver_stop(message))
            }
            (ItemKind::Message, _, Some(message)) if active => self.deliver(item.id, message, &Payload::of(item)),
            (ItemKind::Event, ..) => {
                let payload = Payload::of(item);
                match payload.event_type.clone() {
                    Some(event_type) => self.hear(item, event_type, &payload, active),
                    None => Ok(()),
                }
            }
            (ItemKind::Trigger, ..) => self.fire_by_finding(Payload::of(item)),
            (ItemKind::Message, _, Some(message)) => self.pass_over(message, &Payload::of(item)),
            (ItemKind::Schedule, ..) => self.fire_by_clock(&Payload::of(item)),
            (ItemKind::MessageFailed, target, _) => match Payload::of(item).failed {
                Some(failed) => self.message_failed(&failed, item.execution_id, target, active),
                None => Ok(()),
            },
            // Its execution has ended, its message was deleted, or the bot is switched off: nothing to do.
            _ => Ok(()),
        }
    }

    fn advance(&mut self, at: usize, cause: Cause) -> Result<(), Need> {
        let execution = self.executions[at].0.execution.clone();
        let key = (execution.flow_id, execution.flow_version);
        let flow = (self.tools.flow)(key).ok_or(Need::Flow(key))?;
        let (Some(bot), now) = (&self.desk.bot, self.tools.now) else { return Ok(()) };
        let started = Instant::now();
        let elapsed_us = || i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
        let info = FlowInfo { id: key.0, name: flow.name.clone(), version: key.1 };
        let is_marketing = |name: &str, language: &str| bot.is_marketing(name, language);
        let scope = Scope {
            bot: &bot.info,
            flow: &info,
            contact: &self.contact,
            now,
            is_marketing: &is_marketing,
            elapsed_us: &elapsed_us,
        };
        let limits = self.tools.limits;
        let sprint = match &flow.flow {
            Ok(compiled) => {
                // A fault of ours in one flow must not take the worker and the other contacts along.
                catch_unwind(AssertUnwindSafe(|| engine::advance(compiled, execution.clone(), cause, &scope, limits)))
                    .unwrap_or_else(|_| Ok(fail(execution, "internal error in the engine", now)))
            }
            Err(reason) => Ok(fail(execution, reason, now)),
        };
        self.take(at, sprint);
        Ok(())
    }

    /// The contact wants to get nothing more: nobody waits for an answer any longer.
    fn stop(&mut self) {
        let waits = |(e, _): &(NewExecution, bool)| e.execution.status == ExecutionStatus::WaitingInput;
        while let Some(at) = self.executions.iter().position(waits) {
            self.cancel(at, "the contact wrote a stop word");
        }
    }

    fn cancel(&mut self, at: usize, reason: &str) {
        let sprint = engine::cancel(self.executions[at].0.execution.clone(), reason, self.tools.now);
        self.take(at, sprint);
    }

    /// A message failed for good: the execution that said it hears of it if it still waits, and else its log tells; then
    /// the triggers are asked.
    fn message_failed(
        &mut self,
        failed: &FailedMessage,
        execution: Option<ExecutionId>,
        target: Option<usize>,
        active: bool,
    ) -> Result<(), Need> {
        match (execution, target) {
            (_, Some(at)) if !self.executions[at].0.execution.status.is_final() => {
                self.advance(at, Cause::MessageFailed(failed.clone()))?;
            }
            (Some(id), target) => {
                let mut step = failed_step(id, failed, self.tools.now);
                match target {
                    Some(at) => {
                        let (ended, changed) = &mut self.executions[at];
                        step.seq = ended.execution.steps;
                        ended.execution.steps += 1;
                        *changed = true;
                        self.work.steps.push(step);
                    }
                    None => self.work.postscripts.push(step),
                }
            }
            (None, _) => {}
        }
        if active { self.ask_about_failed(failed, execution.is_some()) } else { Ok(()) }
    }

    /// Books what an execution did. A refusal changes nothing: the request came too late.
    fn take(&mut self, at: usize, sprint: Result<Sprint, Refusal>) {
        let sprint = match sprint {
            Ok(sprint) => sprint,
            Err(refusal) => {
                tracing::debug!(execution.id = %self.executions[at].0.execution.id, %refusal, "request came too late");
                self.stuck.push(at);
                return;
            }
        };
        let id = sprint.execution.id;
        let now = self.tools.now;
        self.work.steps.extend(sprint.steps.into_iter().map(|step| StepRow {
            execution_id: id,
            seq: step.seq,
            node: step.node,
            r#type: step.kind,
            event: step.event.to_owned(),
            detail: storage::Json(step.detail),
            duration_us: step.duration_us,
            at: now,
        }));
        let turn = sprint.execution.turn;
        self.work.messages.extend(sprint.messages.into_iter().map(|said| (id, turn, said)));
        self.work.courtesies.extend(sprint.courtesy);
        for change in &sprint.contact_changes {
            change.apply_to(&mut self.contact);
        }
        self.work.contact_changes.extend(sprint.contact_changes);
        let depth = sprint.execution.depth + 1;
        self.work.emitted.extend(
            sprint.events.into_iter().filter_map(|event| {
                Some(Payload::of_event(EventType::parse(&event.name)?, Some(event.payload), depth))
            }),
        );
        if sprint.execution.status.is_final() {
            self.ended.push(at);
        }
        let slot = &mut self.executions[at];
        slot.0.execution = sprint.execution;
        slot.1 = true;
    }
}

/// A fresh execution that has done nothing yet.
pub(crate) fn new_execution(
    id: ExecutionId,
    bot_id: BotId,
    contact_id: ContactId,
    flow_id: FlowId,
    flow_version: i64,
    state: JsonMap,
    now: Time,
) -> Execution {
    Execution {
        id,
        bot_id,
        contact_id,
        flow_id,
        flow_version,
        status: ExecutionStatus::Running,
        current_node: None,
        state,
        message: None,
        depth: 0,
        steps: 0,
        turn: 0,
        wake_at: None,
        effect: None,
        visit: None,
        error: None,
        started_at: now,
        updated_at: now,
        completed_at: None,
    }
}

/// What the log of an execution that has ended says of a message that failed afterwards.
fn failed_step(execution: ExecutionId, failed: &FailedMessage, now: Time) -> StepRow {
    let error = |field: &str| failed.error.get(field).cloned().unwrap_or_default();
    StepRow {
        execution_id: execution,
        seq: 0,
        node: failed.node,
        r#type: engine::Step::FLOW.to_owned(),
        event: EventType::MessageFailed.as_str().to_owned(),
        detail: storage::Json(json!({ "message_id": failed.id, "code": error("code"), "title": error("title") })),
        duration_us: 0,
        at: now,
    }
}

fn fail(execution: Execution, reason: &str, now: Time) -> Sprint {
    let execution = Execution {
        status: ExecutionStatus::Failed,
        error: Some(reason.to_owned()),
        wake_at: None,
        effect: None,
        visit: None,
        updated_at: now,
        completed_at: Some(now),
        steps: execution.steps + 1,
        ..execution
    };
    let step = engine::Step {
        seq: execution.steps - 1,
        node: execution.current_node,
        kind: "flow".into(),
        event: "failed",
        detail: json!({ "reason": reason }),
        duration_us: 0,
    };
    let (messages, contact_changes, events) = (Vec::new(), Vec::new(), Vec::new());
    Sprint { execution, steps: vec![step], messages, courtesy: None, contact_changes, events }
}
