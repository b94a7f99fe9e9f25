//! A contact at a node.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Harness, Turn,
    harness::problem,
    protocol::{CallResult, Cause, Entry, Returned, StepOutcome},
};
use crate::{Actions, Context, Event, Message};

/// A node of a flow, and a contact that comes to it, writes, or lets time pass. What a turn asks for takes effect: variables
/// and changes of the contact are there in the next one.
#[derive(Debug)]
pub struct Play<'h> {
    harness: &'h mut Harness,
    node_type: String,
    config: Value,
    state: Option<Value>,
    /// What the node waits for, if it does.
    waiting: Option<StepOutcome>,
    /// What can be tapped: ids and titles.
    choices: Vec<(String, String)>,
}

impl<'h> Play<'h> {
    pub(crate) fn new(harness: &'h mut Harness, node_type: &str, config: Value) -> Self {
        Self { harness, node_type: node_type.to_owned(), config, state: None, waiting: None, choices: vec![] }
    }

    /// The world around, to be changed between turns.
    pub fn world(&mut self) -> &mut Harness {
        self.harness
    }

    /// The execution comes to the node.
    #[track_caller]
    pub fn enter(&mut self) -> Turn {
        self.state = None;
        self.turn(None)
    }

    /// The contact writes a text, or any other message.
    ///
    /// # Panics
    ///
    /// When the node does not wait for a message.
    #[track_caller]
    pub fn say(&mut self, message: impl Into<Message>) -> Turn {
        let waits = matches!(self.waiting, Some(StepOutcome::WaitInput { .. }));
        assert!(waits, "the node waits for no message, but for {:?}", self.waiting);
        let message = self.harness.complete(message.into());
        self.harness.context().message = serde_json::from_value(message.clone()).ok();
        self.turn(Some(Cause::Input(message)))
    }

    /// The contact taps a button or a row of a list that the node sent.
    ///
    /// # Panics
    ///
    /// When no message since the node was entered has it, or the node does not wait for a message.
    #[track_caller]
    pub fn tap(&mut self, id: &str) -> Turn {
        let known = self.choices.iter().rev().find(|(known, _)| known == id).cloned();
        let (id, title) = known.unwrap_or_else(|| panic!("{id} cannot be tapped; there are {:?}", self.choices));
        self.say(Message::tap(id, title))
    }

    /// The time-out of the wait passes.
    ///
    /// # Panics
    ///
    /// When the node waits for nothing, or for ever.
    #[track_caller]
    pub fn time_out(&mut self) -> Turn {
        let timeout_ms = match self.waiting {
            Some(StepOutcome::WaitInput { timeout_ms } | StepOutcome::WaitEvent { timeout_ms, .. }) => timeout_ms,
            _ => None,
        };
        let ms = timeout_ms.unwrap_or_else(|| panic!("the node has no wait that times out, but {:?}", self.waiting));
        self.harness.advance(Duration::from_millis(ms));
        self.turn(Some(Cause::TimedOut))
    }

    /// The time that the node waits for passes.
    ///
    /// # Panics
    ///
    /// When the node does not wait for a time.
    #[track_caller]
    pub fn elapse(&mut self) -> Turn {
        let Some(StepOutcome::WaitFor { ms }) = self.waiting else {
            panic!("the node does not wait for a time, but for {:?}", self.waiting)
        };
        self.harness.advance(Duration::from_millis(ms));
        self.turn(Some(Cause::Elapsed))
    }

    /// The event comes that the node waits for.
    ///
    /// # Panics
    ///
    /// When the node does not wait for it.
    #[track_caller]
    pub fn event(&mut self, name: &str, payload: Value) -> Turn {
        match &self.waiting {
            Some(StepOutcome::WaitEvent { name: expected, .. }) if expected == name => {}
            other => panic!("the node does not wait for {name}, but for {other:?}"),
        }
        self.turn(Some(Cause::Event(json!(Event { name: name.to_owned(), payload, at: None }))))
    }

    /// A person ends the wait.
    ///
    /// # Panics
    ///
    /// When the node does not wait.
    #[track_caller]
    pub fn force(&mut self) -> Turn {
        assert!(self.waiting.is_some(), "the node does not wait");
        self.turn(Some(Cause::Forced))
    }

    #[track_caller]
    fn turn(&mut self, cause: Option<Cause>) -> Turn {
        let entry = Entry::Node { node_type: self.node_type.clone(), state: self.state.take(), cause };
        let Returned { result, logs, usage, .. } = self.harness.call(entry, self.config.clone());
        self.waiting = None;
        let mut turn =
            Turn { outcome: Ok(StepOutcome::Complete), state: None, actions: Actions::default(), logs, usage };
        match result {
            CallResult::Step { outcome, state, actions } => {
                self.check(&outcome, &actions);
                apply(self.harness.context(), &actions);
                self.choices.extend(actions.messages.iter().flat_map(crate::OutgoingMessage::choices));
                let waits = matches!(
                    outcome,
                    StepOutcome::WaitInput { .. } | StepOutcome::WaitFor { .. } | StepOutcome::WaitEvent { .. }
                );
                if waits {
                    (self.waiting, self.state) = (Some(outcome.clone()), state.clone());
                }
                (turn.outcome, turn.state, turn.actions) = (Ok(outcome), state, *actions);
            }
            other => turn.outcome = Err(problem(other)),
        }
        turn
    }

    /// What the server would not take.
    #[track_caller]
    fn check(&self, outcome: &StepOutcome, actions: &Actions) {
        if let StepOutcome::Next { exit } = outcome {
            let manifest = self.harness.manifest();
            let spec = manifest.nodes.iter().find(|spec| spec.name == self.node_type);
            let known = spec.is_some_and(|spec| spec.exits.iter().any(|known| known.name == *exit));
            assert!(known, "the node left by {exit}, which is none of its exits");
        }
        let written = json!(actions).to_string();
        assert!(!written.contains("{{secret:"), "a secret's placeholder leaves the plugin: {written}");
        for event in &actions.events {
            assert!(event.name.starts_with("custom."), "{} does not begin with custom.", event.name);
        }
    }
}

/// What the server would do.
fn apply(context: &mut Context, actions: &Actions) {
    for (path, value) in &actions.variables {
        let segments: Vec<&str> = path.strip_prefix("state.").unwrap_or(path).split('.').collect();
        assign(&mut context.variables, &segments, value);
    }
    let (Some(change), Some(contact)) = (&actions.contact, &mut context.contact) else { return };
    let fields = [
        (&change.name, &mut contact.name),
        (&change.email, &mut contact.email),
        (&change.language, &mut contact.language),
        (&change.timezone, &mut contact.timezone),
    ];
    for (change, field) in fields {
        if change.is_some() {
            field.clone_from(change);
        }
    }
    contact.tags.retain(|tag| !change.remove_tags.contains(tag));
    for tag in &change.add_tags {
        if !contact.tags.contains(tag) {
            contact.tags.push(tag.clone());
        }
    }
    for (name, value) in &change.attributes {
        if value.is_null() {
            contact.attributes.remove(name);
        } else {
            contact.attributes.insert(name.clone(), value.clone());
        }
    }
}

fn assign(members: &mut serde_json::Map<String, Value>, path: &[&str], value: &Value) {
    match path {
        [] => {}
        [last] if value.is_null() => {
            members.remove(*last);
        }
        [last] => {
            members.insert((*last).to_owned(), value.clone());
        }
        [first, rest @ ..] => {
            let inner = members.entry(*first).or_insert_with(|| json!({}));
            if !inner.is_object() {
                *inner = json!({});
            }
            if let Value::Object(inner) = inner {
                assign(inner, rest, value);
            }
        }
    }
}
