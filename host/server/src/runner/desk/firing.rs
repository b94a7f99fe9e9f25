//! Triggers of one contact: what is asked of them, and the one place where a flow is started by them or refused.

use domain::{
    Contact, EventType, Execution, ExecutionId, ExecutionStatus, FailedMessage, InboundMessage, ItemId, JsonMap, Time,
};
use engine::{
    Cause, Courtesy, EVENT_DEPTH,
    triggers::{Event, Fired},
};
use serde_json::{Value, json};
use storage::{Decision, NewExecution, StepRow};

use super::{Need, Payload, Session, asking::Chosen, new_execution};

/// What a flow starts with that a trigger starts.
#[derive(Default)]
pub(super) struct Opening {
    pub(super) message: Option<InboundMessage>,
    pub(super) state: JsonMap,
    /// The execution whose end fired the trigger.
    pub(super) after: Option<usize>,
    /// How many flows started one another up to here.
    pub(super) depth: i64,
    /// Why the trigger fired, unless that is plain.
    pub(super) why: Option<String>,
}

impl Session<'_, '_> {
    /// Gives a message to the execution that waits for it, or to the triggers.
    pub(super) fn deliver(&mut self, item: ItemId, message: &InboundMessage, payload: &Payload) -> Result<(), Need> {
        let Some(bot) = self.desk.bot.clone() else { return Ok(()) };
        let waiting = self.executions.iter().rposition(|(e, _)| e.execution.status == ExecutionStatus::WaitingInput);
        let contact = self.contact.clone();
        let event = Event { message: Some(message), ..event(&contact, EventType::MessageReceived, self.tools.now) };
        let built_in = bot.triggers.of_message(&event, payload.new_contact, waiting.is_some());
        match (self.choose(item, &event, payload.new_contact, built_in, waiting.is_some()), waiting) {
            (Chosen::Unknown, _) => Ok(()),
            (Chosen::Fires(fired, found), _) => {
                let opening = Opening { message: Some(message.clone()), ..Opening::default() };
                self.fire(fired, found.told(opening, "a message came in"))
            }
            (Chosen::Nobody, Some(at)) => self.advance(at, Cause::Input(message.clone())),
            (Chosen::Nobody, None) => {
                self.mark_as_read(message);
                Ok(())
            }
        }
    }

    /// Shows that a message was read which no flow takes, if the bot does so.
    fn mark_as_read(&mut self, message: &InboundMessage) {
        if self.desk.bot.as_ref().is_some_and(|bot| bot.info.mark_as_read) {
            self.work.courtesies.push(Courtesy { message: message.id, typing: false });
        }
    }

    /// Gives a stop word to a trigger that names it, and to nobody else.
    pub(super) fn deliver_stop(&mut self, message: &InboundMessage) -> Result<(), Need> {
        let Some(bot) = self.desk.bot.clone() else { return Ok(()) };
        match bot.triggers.of_keyword(message.text.as_deref().unwrap_or_default()) {
            Some(fired) => self.fire(fired, Opening { message: Some(message.clone()), ..Opening::default() }),
            None => {
                self.mark_as_read(message);
                Ok(())
            }
        }
    }

    /// Asks the triggers of a bot that is switched off about a message, for the record.
    pub(super) fn pass_over(&mut self, message: &InboundMessage, payload: &Payload) -> Result<(), Need> {
        let Some(bot) = self.desk.bot.clone() else { return Ok(()) };
        let waits = self.executions.iter().any(|(e, _)| e.execution.status == ExecutionStatus::WaitingInput);
        let contact = self.contact.clone();
        let event = Event { message: Some(message), ..event(&contact, EventType::MessageReceived, self.tools.now) };
        match bot.triggers.of_message(&event, payload.new_contact, waits) {
            Some(fired) => self.fire(fired, Opening { message: Some(message.clone()), ..Opening::default() }),
            None => Ok(()),
        }
    }

    /// Asks the triggers about a message that failed. A flow that it starts stands in a chain with the one that said it.
    pub(super) fn ask_about_failed(&mut self, failed: &FailedMessage, said_by_flow: bool) -> Result<(), Need> {
        let Some(bot) = self.desk.bot.clone() else { return Ok(()) };
        let contact = self.contact.clone();
        let event = Event { failed: Some(failed), ..event(&contact, EventType::MessageFailed, self.tools.now) };
        let Some(fired) = bot.triggers.of_event(&event, false) else { return Ok(()) };
        let depth = failed.depth + i64::from(said_by_flow);
        let state = state_of(event.summary());
        self.fire(fired, Opening { state, depth, ..Opening::default() })
    }

    /// The time of a trigger has come. One that is gone or was switched off meanwhile does nothing.
    pub(super) fn fire_by_clock(&mut self, payload: &Payload) -> Result<(), Need> {
        let Some(bot) = self.desk.bot.clone() else { return Ok(()) };
        let Some(fired) = payload.trigger_id.and_then(|id| bot.triggers.get(id)) else { return Ok(()) };
        let state = state_of(json!({ "event_type": "schedule", "due_at": payload.due_at }));
        self.fire(fired, Opening { state, ..Opening::default() })
    }

    /// Asks the triggers about the end of an execution.
    pub(super) fn ask_about_end(&mut self, at: usize) -> Result<(), Need> {
        let Some(bot) = self.desk.bot.clone() else { return Ok(()) };
        let execution = &self.executions[at].0.execution;
        let event_type = match execution.status {
            ExecutionStatus::Completed => EventType::FlowCompleted,
            ExecutionStatus::Failed => EventType::FlowFailed,
            _ => return Ok(()),
        };
        let message = execution.message.clone();
        let contact = self.contact.clone();
        let event = Event {
            execution: Some(execution),
            message: message.as_ref(),
            ..event(&contact, event_type, self.tools.now)
        };
        let Some(fired) = bot.triggers.of_event(&event, false) else { return Ok(()) };
        let state = state_of(event.summary());
        self.fire(fired, Opening { message, state, after: Some(at), ..Opening::default() })
    }

    /// A trigger fires: its flow starts, or there is a reason why not.
    pub(super) fn fire(&mut self, fired: Fired, opening: Opening) -> Result<(), Need> {
        if !self.desk.bot.as_ref().is_some_and(|bot| bot.is_active) {
            self.decide(fired, &opening, Err("the bot is switched off"));
            return Ok(());
        }
        let depth = opening.after.map_or(opening.depth, |at| self.executions[at].0.execution.depth + 1);
        if depth > EVENT_DEPTH {
            let reason = format!("more than {EVENT_DEPTH} flows started one another; they probably form a loop");
            self.refuse(fired, &opening, &reason);
            return Ok(());
        }
        let version = self.desk.bot.as_ref().and_then(|bot| bot.published.get(&fired.flow_id).copied());
        let Some(version) = version else {
            self.refuse(fired, &opening, "its flow has no published version");
            return Ok(());
        };
        while let Some(at) = self
            .executions
            .iter()
            .position(|(e, _)| fired.interrupt && e.execution.status == ExecutionStatus::WaitingInput)
        {
            self.cancel(at, "interrupted by a trigger");
        }
        self.start(fired, version, depth, opening)
    }

    /// Starts a trigger's flow. The only place where a trigger starts one.
    fn start(&mut self, fired: Fired, version: i64, depth: i64, opening: Opening) -> Result<(), Need> {
        let id = (self.tools.next_id)().ok_or(Need::Ids)?;
        self.decide(fired, &opening, Ok(id));
        let (bot, contact) = (self.desk.contact.bot_id, self.desk.contact_id());
        let execution = new_execution(id, bot, contact, fired.flow_id, version, opening.state, self.tools.now);
        let execution = Execution { message: opening.message, depth, ..execution };
        self.executions.push((NewExecution { execution, trigger_id: Some(fired.trigger_id) }, true));
        self.advance(self.executions.len() - 1, Cause::Start)
    }

    /// Notes that a trigger fired and its flow did not start. The only place where one is refused.
    fn refuse(&mut self, fired: Fired, opening: &Opening, reason: &str) {
        tracing::warn!(trigger.id = %fired.trigger_id, flow.id = %fired.flow_id, contact.id = %self.desk.contact_id(), reason, "a trigger fired, but its flow did not start");
        self.decide(fired, opening, Err(reason));
        let Some(at) = opening.after else { return };
        let slot = &mut self.executions[at];
        let execution = &mut slot.0.execution;
        self.work.steps.push(StepRow {
            execution_id: execution.id,
            seq: execution.steps,
            node: None,
            r#type: engine::Step::FLOW.to_owned(),
            event: "trigger_refused".to_owned(),
            detail: storage::Json(
                json!({ "trigger_id": fired.trigger_id, "flow_id": fired.flow_id, "reason": reason }),
            ),
            duration_us: 0,
            at: self.tools.now,
        });
        execution.steps += 1;
        slot.1 = true;
    }

    /// Notes for the trigger's log and statistics what it started, or why it was refused.
    fn decide(&mut self, fired: Fired, opening: &Opening, outcome: Result<ExecutionId, &str>) {
        let event_type = opening.state.get("event").and_then(|event| event["event_type"].as_str());
        let cause = match (opening.after.map(|at| &self.executions[at].0.execution), &opening.message) {
            _ if opening.why.is_some() => opening.why.clone().unwrap_or_default(),
            (Some(execution), _) => format!("execution {} has {}", execution.id, execution.status.as_str()),
            (None, Some(_)) => "a message came in".to_owned(),
            (None, None) => event_type.unwrap_or("it was time").to_owned(),
        };
        self.work.decisions.push(Decision {
            bot_id: self.desk.contact.bot_id,
            trigger_id: fired.trigger_id,
            flow_id: fired.flow_id,
            contact_id: Some(self.desk.contact_id()),
            execution_id: outcome.ok(),
            message_id: opening.message.as_ref().filter(|_| opening.after.is_none()).map(|message| message.id),
            reason: outcome.err().map_or(cause, str::to_owned),
            at: self.tools.now,
        });
    }
}

/// Something that happens to the contact now.
pub(super) fn event(contact: &Contact, event_type: EventType, at: Time) -> Event<'_> {
    Event { event_type, contact, message: None, execution: None, failed: None, payload: None, at }
}

/// The variables of a flow that an event starts.
pub(super) fn state_of(event: Value) -> JsonMap {
    JsonMap::from_iter([("event".to_owned(), event)])
}
