//! One sprint under way: what nodes see and what they may do.

use domain::{
    Contact, Effect, Execution, ExecutionStatus, InboundMessage, Time, Window,
    plugin::{ContactChange, EmittedEvent, PluginVisit},
};
use serde_json::{Map, Value, json};

use crate::{
    filling::{Context, Filler, Fuel},
    flow::Flow,
    limits::{CONTACT_ATTRIBUTES, CONTACT_TAGS, Limits},
    path::{Target, Variable},
    sprint::{Courtesy, Saying, Sprint, Step},
    state::{self, StateError},
    template::{Data, Text},
    values,
    variables::{self, Scope, Variables},
};

/// Where to go after a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// To the node with this index.
    Node(usize),
    /// Nowhere: the execution waits.
    Pause,
    /// Nowhere: an `end` node was reached.
    End,
    /// Nowhere: the way taken leads to no node.
    RunOut,
}

/// Why an execution fails: a sentence for people.
#[derive(Debug)]
pub(crate) struct Failure(pub(crate) String);

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Self(error.to_string())
    }
}

/// A sprint under way.
pub(crate) struct Run<'a> {
    flow: &'a Flow,
    execution: Execution,
    scope: &'a Scope<'a>,
    limits: &'a Limits,
    variables: Variables<'a>,
    fuel: Fuel,
    at: Option<usize>,
    entered: u32,
    lap_us: i64,
    steps: Vec<Step>,
    messages: Vec<Saying>,
    /// Whether to show that the message was read, and that an answer is being typed.
    manners: (bool, bool),
    /// Whether a message of the contact's has just come in and is being dealt with.
    is_answering: bool,
    contact_changes: Vec<ContactChange>,
    events: Vec<EmittedEvent>,
    /// The effect whose outcome this sprint began with.
    ended_effect: Option<Effect>,
}

impl<'a> Run<'a> {
    /// The beginning of a sprint.
    pub(crate) fn new(flow: &'a Flow, execution: Execution, scope: &'a Scope<'a>, limits: &'a Limits) -> Self {
        Self {
            flow,
            execution,
            scope,
            limits,
            variables: Variables::new(scope),
            fuel: Fuel::new(limits),
            at: None,
            entered: 0,
            lap_us: (scope.elapsed_us)(),
            steps: Vec::new(),
            messages: Vec::new(),
            manners: (false, false),
            is_answering: false,
            contact_changes: Vec::new(),
            events: Vec::new(),
            ended_effect: None,
        }
    }

    /// The flow it runs.
    pub(crate) fn flow(&self) -> &'a Flow {
        self.flow
    }

    /// The execution as changed so far.
    pub(crate) fn execution(&self) -> &Execution {
        &self.execution
    }

    /// The present.
    pub(crate) fn now(&self) -> Time {
        self.scope.now
    }

    /// The contact.
    pub(crate) fn contact(&self) -> &'a Contact {
        self.scope.contact
    }

    /// The contact's customer service window.
    pub(crate) fn window(&self) -> Window {
        self.scope.contact.window(self.scope.bot.number_changed_at, self.scope.now)
    }

    /// Whether a template is known to be for marketing.
    pub(crate) fn is_marketing(&self, name: &str, language: &str) -> bool {
        (self.scope.is_marketing)(name, language)
    }

    /// Whether only a message's age says that the window is closed, and it is being answered now. When webhooks come
    /// late, the contact may have written since.
    pub(crate) fn answers_late(&self) -> bool {
        self.is_answering && self.scope.contact.window_closed_at.is_none()
    }

    /// A message of the contact's has come in and is being dealt with: the bot's manners apply.
    pub(crate) fn answers(&mut self) {
        self.is_answering = true;
        self.manners = (self.scope.bot.mark_as_read, self.scope.bot.typing_indicator);
    }

    /// A node that says something may have manners of its own.
    pub(crate) fn show_manners(&mut self, mark_as_read: Option<bool>, typing: Option<bool>) {
        // What an earlier node has said something with is not taken back.
        let is_first = self.messages.is_empty();
        for (manner, wanted) in [(&mut self.manners.0, mark_as_read), (&mut self.manners.1, typing)] {
            if let Some(wanted) = wanted {
                *manner = wanted || (*manner && !is_first);
            }
        }
    }

    /// IANA name of the bot's time zone.
    pub(crate) fn timezone(&self) -> &'a str {
        &self.scope.bot.timezone
    }

    /// What this sprint may use.
    pub(crate) fn limits(&self) -> &'a Limits {
        self.limits
    }

    /// Index of the node the execution stands at.
    pub(crate) fn find_current(&self) -> Result<usize, Failure> {
        let position = self.execution.current_node;
        position.and_then(|position| self.flow.index_of(position)).ok_or_else(|| {
            Failure(match position {
                Some(position) => format!("this version of the flow has no node {position}"),
                None => "the execution stands at no node".to_owned(),
            })
        })
    }

    /// Makes a node the current one.
    pub(crate) fn stand_at(&mut self, index: usize) {
        self.at = Some(index);
        self.execution.current_node = Some(self.flow.position(index));
    }

    /// Takes note of one more node entered.
    pub(crate) fn count_step(&mut self) -> Result<(), Failure> {
        if self.entered >= self.limits.steps_per_sprint {
            let most = self.limits.steps_per_sprint;
            return Err(Failure(format!("the flow went through {most} nodes without waiting; it probably loops")));
        }
        self.entered += 1;
        Ok(())
    }

    /// The wait is over.
    pub(crate) fn awake(&mut self) {
        self.execution.status = ExecutionStatus::Running;
        self.execution.wake_at = None;
        self.ended_effect = self.execution.effect.take();
    }

    /// Something from outside moves the execution on.
    pub(crate) fn begin_turn(&mut self) {
        self.execution.turn += 1;
    }

    /// From now on `message.*` speaks of this message.
    pub(crate) fn receive(&mut self, message: InboundMessage) {
        self.execution.message = Some(message);
        self.variables.message_changed();
    }

    /// The effect whose outcome this sprint began with.
    pub(crate) fn take_ended_effect(&mut self) -> Option<Effect> {
        self.ended_effect.take()
    }

    /// Remembers this while the execution stays at the node.
    pub(crate) fn visit(&mut self, visit: Option<PluginVisit>) {
        self.execution.visit = visit;
    }

    /// The newest message, as flows see it.
    pub(crate) fn message(&self) -> Value {
        variables::message(self.execution.message.as_ref())
    }

    /// Everything that a plugin may know (`context.schema.json`).
    pub(crate) fn surroundings(&mut self) -> Value {
        self.variables.surroundings(&self.execution)
    }

    /// The contact with a change made to it. The error is a sentence for people.
    pub(crate) fn contact_after(&self, change: &ContactChange) -> Result<Contact, String> {
        let mut contact = self.variables.contact().clone();
        change.apply_to(&mut contact);
        if contact.tags.len() > CONTACT_TAGS {
            return Err(format!("the contact would have more than {CONTACT_TAGS} tags"));
        }
        if contact.attributes.len() > CONTACT_ATTRIBUTES {
            return Err(format!("the contact would have more than {CONTACT_ATTRIBUTES} attributes"));
        }
        Ok(contact)
    }

    /// Changes the contact; `contact` is what [`contact_after`](Self::contact_after) gave.
    pub(crate) fn change_contact(&mut self, change: ContactChange, contact: Contact) {
        self.contact_changes.push(change);
        self.variables.contact_changed(contact);
    }

    /// Tells triggers and waiting executions.
    pub(crate) fn emit(&mut self, events: Vec<EmittedEvent>) {
        self.events.extend(events);
    }

    /// How many messages may still be sent.
    pub(crate) fn room_for_messages(&self) -> usize {
        (self.limits.messages_per_sprint as usize).saturating_sub(self.messages.len())
    }

    /// Fills in a template.
    pub(crate) fn text(&mut self, field: &str, text: &Text) -> Result<String, Failure> {
        self.filler().text(text).map_err(|reason| Failure(format!("`{field}`: {reason}")))
    }

    /// Fills in a JSON value with templates in it.
    pub(crate) fn json(&mut self, field: &str, data: &Data) -> Result<Value, Failure> {
        self.filler().json(data).map_err(|reason| Failure(format!("`{field}`: {reason}")))
    }

    /// Takes note of work that is not a template's.
    pub(crate) fn burn(&mut self, fuel: u64) -> Result<(), Failure> {
        self.fuel.burn(fuel).map_err(Failure)
    }

    /// The value of a variable, none when it is missing.
    pub(crate) fn lookup(&mut self, variable: &Variable) -> Option<Value> {
        self.variables.lookup(variable, &self.execution)
    }

    /// Sets variables, all of them or none. A value of none removes the variable.
    pub(crate) fn assign(&mut self, changes: Vec<(Target, Option<Value>)>) -> Result<(), StateError> {
        self.execution.state = state::changed(&self.execution.state, changes, self.limits)?;
        self.variables.state_changed();
        Ok(())
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, say: impl FnOnce(Option<i64>) -> Saying) -> Result<(), Failure> {
        if self.messages.len() >= self.limits.messages_per_sprint as usize {
            let most = self.limits.messages_per_sprint;
            return Err(Failure(format!("the flow sent {most} messages without waiting; it probably loops")));
        }
        self.messages.push(say(self.at.map(|index| self.flow.position(index))));
        Ok(())
    }

    /// The number the next step will have.
    pub(crate) fn next_seq(&self) -> i64 {
        self.execution.steps
    }

    /// Writes to the log, for the current node.
    pub(crate) fn log(&mut self, event: &'static str, detail: Value) {
        let (node, kind) = match self.at {
            Some(index) => (Some(self.flow.position(index)), self.flow.node(index).word()),
            None => (None, Step::FLOW),
        };
        self.push(node, kind, event, detail);
    }

    /// Writes to the log for a node that is not the current one; for none when this version has no such node.
    pub(crate) fn log_at(&mut self, index: Option<usize>, event: &'static str, detail: Value) {
        let kind = index.map_or(Step::FLOW, |index| self.flow.node(index).word());
        self.push(index.map(|index| self.flow.position(index)), kind, event, detail);
    }

    /// Writes to the log and leaves the node by an exit.
    pub(crate) fn leave(
        &mut self,
        event: &'static str,
        exit: &str,
        to: Option<usize>,
        mut detail: Map<String, Value>,
    ) -> Next {
        detail.insert("exit".to_owned(), exit.into());
        detail.insert("to".to_owned(), to.map(|index| self.flow.position(index)).into());
        self.log(event, Value::Object(detail));
        self.execution.visit = None;
        to.map_or(Next::RunOut, Next::Node)
    }

    /// Waits for the contact's message.
    pub(crate) fn wait_for_input(&mut self, until: Option<Time>) -> Next {
        self.execution.status = ExecutionStatus::WaitingInput;
        self.execution.wake_at = until;
        Next::Pause
    }

    /// Waits for a point in time.
    pub(crate) fn wait_until(&mut self, until: Time) -> Next {
        self.execution.status = ExecutionStatus::WaitingTimer;
        self.execution.wake_at = Some(until);
        Next::Pause
    }

    /// Waits for an event.
    pub(crate) fn wait_for_event(&mut self, until: Option<Time>) -> Next {
        self.execution.status = ExecutionStatus::WaitingEvent;
        self.execution.wake_at = until;
        Next::Pause
    }

    /// Waits for the outcome of a call to the outside.
    pub(crate) fn wait_for_effect(&mut self, effect: Effect) -> Next {
        self.execution.status = ExecutionStatus::WaitingEffect;
        self.execution.effect = Some(effect);
        Next::Pause
    }

    /// Logs the beginning.
    pub(crate) fn started(&mut self) {
        let detail = match &self.execution.message {
            Some(message) => json!({"message_id": message.id}),
            None => json!({}),
        };
        self.push(None, Step::FLOW, "started", detail);
    }

    /// The sprint of an execution that now waits.
    pub(crate) fn pause(self) -> Sprint {
        self.finish()
    }

    /// The sprint of an execution that reached an `end` node, which logged it.
    pub(crate) fn end(mut self) -> Sprint {
        self.close(ExecutionStatus::Completed);
        self.finish()
    }

    /// The sprint of an execution that ran out of nodes.
    pub(crate) fn run_out(mut self) -> Sprint {
        self.push(None, Step::FLOW, "completed", json!({}));
        self.close(ExecutionStatus::Completed);
        self.finish()
    }

    /// The sprint of an execution that cannot go on.
    pub(crate) fn fail(mut self, failure: Failure) -> Sprint {
        let reason = match self.at {
            Some(index) => {
                let kind = self.flow.node(index).word();
                format!("node {} ({kind}): {}", self.flow.position(index), failure.0)
            }
            None => failure.0,
        };
        let reason = values::cut(&reason, values::REASON_CHARS);
        self.log("failed", json!({"reason": reason}));
        self.execution.error = Some(reason);
        self.close(ExecutionStatus::Failed);
        self.finish()
    }

    fn filler(&mut self) -> Filler<'_, 'a> {
        Filler {
            templates: self.flow.templates(),
            context: Context::Execution(&self.variables, &self.execution),
            limits: self.limits,
            fuel: &mut self.fuel,
        }
    }

    fn close(&mut self, status: ExecutionStatus) {
        self.execution.status = status;
        self.execution.wake_at = None;
        self.execution.effect = None;
        self.execution.visit = None;
        self.execution.completed_at = Some(self.scope.now);
    }

    fn finish(mut self) -> Sprint {
        self.execution.updated_at = self.scope.now;
        let courtesy = self.courtesy();
        Sprint {
            execution: self.execution,
            steps: self.steps,
            messages: self.messages,
            courtesy,
            contact_changes: self.contact_changes,
            events: self.events,
        }
    }

    fn courtesy(&self) -> Option<Courtesy> {
        let (mark_as_read, typing) = self.manners;
        // Nobody is to be kept waiting for an answer that does not come.
        let answers = !self.messages.is_empty() || self.execution.status == ExecutionStatus::WaitingEffect;
        let typing = typing && answers;
        let message = self.execution.message.as_ref().filter(|_| mark_as_read || typing)?.id;
        Some(Courtesy { message, typing })
    }

    fn push(&mut self, node: Option<i64>, kind: &str, event: &'static str, detail: Value) {
        let now_us = (self.scope.elapsed_us)();
        let duration_us = (now_us - self.lap_us).max(0);
        self.lap_us = now_us;
        let seq = self.execution.steps;
        self.execution.steps += 1;
        self.steps.push(Step { seq, node, kind: kind.to_owned(), event, detail, duration_us });
    }
}
