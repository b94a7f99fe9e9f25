//! Nodes of flows.

use std::{borrow::Cow, time::Duration};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Actions, Bot, Contact, ContactChange, Context, Event, Fault, Flow, Message, NodeSpec, OutgoingMessage, Result,
};

/// A type of node: what the flow's author configures, and what happens when an execution comes to it.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// /// A greeting.
/// #[config]
/// struct Greet {
///     /// Said before the contact's name.
///     greeting: String,
/// }
///
/// impl Node for Greet {
///     type State = ();
///
///     fn spec() -> NodeSpec {
///         NodeSpec::new("greet", "Greet").exit("next", "Next")
///     }
///
///     fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
///         let name = visit.contact().first_name.as_deref().unwrap_or("you").to_owned();
///         visit.say(format!("{} {name}", self.greeting));
///         Ok(Outcome::next("next"))
///     }
/// }
/// ```
pub trait Node: DeserializeOwned + JsonSchema {
    /// What a waiting node remembers until it goes on; `()` for nothing.
    type State: Serialize + DeserializeOwned;

    /// What the node type is called, its exits and examples.
    fn spec() -> NodeSpec;

    /// An execution has come to the node.
    ///
    /// # Errors
    ///
    /// [`Fault`]: nothing of what was asked for happens, and the flow takes the node's `error` exit or fails.
    fn execute(&self, visit: &mut Visit<Self::State>) -> Result<Outcome>;

    /// What the node waited for has come to pass. Nodes that wait must have it.
    ///
    /// # Errors
    ///
    /// As in [`execute`](Self::execute).
    fn resume(&self, visit: &mut Visit<Self::State>, cause: Cause) -> Result<Outcome> {
        let _ = (visit, cause);
        Err(Fault::permanent("this node does not know how to go on after a wait").code("cannot_resume"))
    }
}

/// Where an execution goes after a call.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Leaves the node by an exit.
    Next(Cow<'static, str>),
    /// Stays until the contact writes, or until the time is over.
    WaitInput {
        /// How long; for ever when none.
        timeout: Option<Duration>,
    },
    /// Stays for a time.
    WaitFor(Duration),
    /// Stays until an event comes, or until the time is over.
    WaitEvent {
        /// Its name.
        name: String,
        /// How long; for ever when none.
        timeout: Option<Duration>,
    },
    /// Ends the execution.
    Complete,
    /// Takes the `error` exit, or fails the execution: a sentence for people.
    Fail(String),
}

impl Outcome {
    /// Leaves the node by an exit of its [`NodeSpec`].
    pub fn next(exit: impl Into<Cow<'static, str>>) -> Self {
        Self::Next(exit.into())
    }

    /// Waits for the contact's next message.
    pub fn wait_input() -> Self {
        Self::WaitInput { timeout: None }
    }

    /// Waits for a time, to the millisecond.
    pub fn wait_for(time: Duration) -> Self {
        Self::WaitFor(time)
    }

    /// Waits for an event, e.g. `opt_in` or `custom.paid`.
    pub fn wait_event(name: impl Into<String>) -> Self {
        Self::WaitEvent { name: name.into(), timeout: None }
    }

    /// Ends a wait for a message or an event after a time; the node goes on with [`Cause::TimedOut`]. Leaves other outcomes
    /// as they are.
    ///
    /// ```
    /// use chatboost_sdk::Outcome;
    /// use std::time::Duration;
    ///
    /// let hour = Duration::from_secs(3600);
    /// assert_eq!(Outcome::wait_input().within(hour), Outcome::WaitInput { timeout: Some(hour) });
    /// ```
    pub fn within(self, time: Duration) -> Self {
        match self {
            Self::WaitInput { .. } => Self::WaitInput { timeout: Some(time) },
            Self::WaitEvent { name, .. } => Self::WaitEvent { name, timeout: Some(time) },
            other => other,
        }
    }

    /// Whether the execution stays at the node.
    pub fn waits(&self) -> bool {
        matches!(self, Self::WaitInput { .. } | Self::WaitFor(_) | Self::WaitEvent { .. })
    }
}

/// Why a waiting node goes on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The contact wrote.
    Input(Message),
    /// The time-out of a wait for a message or event has passed.
    TimedOut,
    /// The time of [`Outcome::wait_for`] has passed.
    Elapsed,
    /// The event came.
    Event(Event),
    /// A person ended the wait.
    Forced,
}

/// A call of a node: what it knows, and what it wants done. What it wants is committed together with the step, or not at
/// all.
#[derive(Debug)]
pub struct Visit<S = ()> {
    pub(crate) context: Context,
    pub(crate) call_id: String,
    pub(crate) state: Option<S>,
    pub(crate) actions: Actions,
    pub(crate) nobody: Contact,
}

impl<S> Visit<S> {
    /// All that is known.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The contact.
    pub fn contact(&self) -> &Contact {
        self.context.contact.as_ref().unwrap_or(&self.nobody)
    }

    /// The bot.
    pub fn bot(&self) -> &Bot {
        &self.context.bot
    }

    /// The flow.
    pub fn flow(&self) -> Option<&Flow> {
        self.context.flow.as_ref()
    }

    /// The contact's last message in this execution.
    pub fn message(&self) -> Option<&Message> {
        self.context.message.as_ref()
    }

    /// A variable by its path, e.g. `order.id`. What this call sets is not seen.
    pub fn variable(&self, path: &str) -> Option<&Value> {
        self.context.variable(path)
    }

    /// The same for a call that is repeated after a crash, and for no other. Fit as an idempotency key for other services.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// What was remembered at the last call for this visit of the node.
    pub fn state(&self) -> Option<&S> {
        self.state.as_ref()
    }

    /// The same, to change it.
    pub fn state_mut(&mut self) -> Option<&mut S> {
        self.state.as_mut()
    }

    /// Remembers something until the node goes on. It is forgotten when the node is left.
    pub fn remember(&mut self, state: S) {
        self.state = Some(state);
    }

    /// Sends a text to the contact.
    pub fn say(&mut self, text: impl Into<String>) {
        self.send(OutgoingMessage::text(text));
    }

    /// Sends a message to the contact, after those that were sent before.
    pub fn send(&mut self, message: OutgoingMessage) {
        self.actions.messages.push(message);
    }

    /// Sets a variable by its path, as `set_variable` does: `order.id` is `state.order.id` in templates.
    pub fn set(&mut self, path: impl Into<String>, value: impl Into<Value>) {
        self.actions.variables.insert(state_path(path.into()), value.into());
    }

    /// Removes a variable.
    pub fn unset(&mut self, path: impl Into<String>) {
        self.set(path, Value::Null);
    }

    /// Changes of the contact.
    pub fn change_contact(&mut self) -> &mut ContactChange {
        self.actions.contact.get_or_insert_default()
    }

    /// Emits an event about the contact, for triggers and for nodes that wait for it. `name` is `custom.` and a word in
    /// snake case.
    pub fn emit(&mut self, name: impl Into<String>, payload: impl Into<Value>) {
        self.actions.events.push(crate::EmittedEvent { name: name.into(), payload: payload.into() });
    }

    /// What was asked for so far.
    pub fn actions(&self) -> &Actions {
        &self.actions
    }
}

/// Paths as flows write them.
fn state_path(path: String) -> String {
    if path.starts_with("state.") { path } else { format!("state.{path}") }
}
