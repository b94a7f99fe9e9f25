//! What came of a turn, and what a test says of it.

use serde_json::Value;

use super::{
    Problem,
    protocol::{LogLine, StepOutcome, Usage},
};
use crate::{Actions, Fault, OutgoingMessage, log::Level};

/// What came of a turn. The methods that are sentences fail the test when they are not true.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Where the execution goes, or why nothing happened.
    pub outcome: Result<StepOutcome, Problem>,
    /// What the node remembers.
    pub state: Option<Value>,
    /// What it asked for.
    pub actions: Actions,
    /// What it wrote into its log.
    pub logs: Vec<LogLine>,
    /// Instructions and memory; only of a component.
    pub usage: Option<Usage>,
}

impl Turn {
    /// Messages that were sent.
    pub fn messages(&self) -> &[OutgoingMessage] {
        &self.actions.messages
    }

    /// Exactly these words were sent: texts, captions, bodies of interactive messages.
    #[track_caller]
    pub fn says(&self, words: &[&str]) -> &Self {
        let said: Vec<&str> = self.actions.messages.iter().map(OutgoingMessage::words).collect();
        assert_eq!(said, words, "{self:?}");
        self
    }

    /// Ids of what can be tapped, in order.
    pub fn choices(&self) -> Vec<String> {
        self.actions.messages.iter().flat_map(OutgoingMessage::choices).map(|(id, _)| id).collect()
    }

    /// The node was left by this exit.
    #[track_caller]
    pub fn leaves_by(&self, exit: &str) -> &Self {
        match &self.outcome {
            Ok(StepOutcome::Next { exit: found }) => assert_eq!(found, exit, "{self:?}"),
            other => panic!("the node was not left by {exit}: {other:?}"),
        }
        self
    }

    /// The node waits for a message.
    #[track_caller]
    pub fn waits_for_input(&self) -> &Self {
        assert!(matches!(self.outcome, Ok(StepOutcome::WaitInput { .. })), "no wait for a message: {:?}", self.outcome);
        self
    }

    /// The execution was ended.
    #[track_caller]
    pub fn completes(&self) -> &Self {
        assert_eq!(self.outcome, Ok(StepOutcome::Complete));
        self
    }

    /// The node failed with a reason that contains this.
    #[track_caller]
    pub fn fails(&self, reason: &str) -> &Self {
        match &self.outcome {
            Ok(StepOutcome::Fail { reason: found }) => assert!(found.contains(reason), "it failed because {found}"),
            other => panic!("the node did not fail: {other:?}"),
        }
        self
    }

    /// The fault that the node told.
    #[track_caller]
    pub fn fault(&self) -> &Fault {
        match &self.outcome {
            Err(Problem::Fault(fault)) => fault,
            other => panic!("the node told no fault: {other:?}"),
        }
    }

    /// This variable was set, or removed when the value is null. The path may begin with `state.` or not.
    #[track_caller]
    pub fn sets(&self, path: &str, value: impl Into<Value>) -> &Self {
        let path = format!("state.{}", path.strip_prefix("state.").unwrap_or(path));
        let found = self.actions.variables.get(&path);
        assert_eq!(found, Some(&value.into()), "{path} of {:?}", self.actions.variables);
        self
    }

    /// This event was emitted; its payload.
    #[track_caller]
    pub fn emits(&self, name: &str) -> &Value {
        let found = self.actions.events.iter().find(|event| event.name == name);
        &found.unwrap_or_else(|| panic!("{name} was not emitted: {:?}", self.actions.events)).payload
    }

    /// A line of this level that contains this was written into the log.
    #[track_caller]
    pub fn logs(&self, level: Level, text: &str) -> &Self {
        let found = self.logs.iter().any(|line| line.level == level && line.message.contains(text));
        assert!(found, "the log has no such line: {:?}", self.logs);
        self
    }
}
