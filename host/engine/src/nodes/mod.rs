//! The node types: one file each.
//!
//! A new type is a new file here, a variant of [`NodeType`] and of [`Node`], and a `cases/<type>.json`; the compiler
//! names every place that has to know it.

mod ask;
mod condition;
mod end;
pub(crate) mod plugin;
mod send_message;
mod set_variable;
mod wait;
mod webhook_action;

use chrono::TimeDelta;
use domain::EffectOutcome;
use serde::Deserialize;
use serde::de::value::{Error, StrDeserializer};
use serde_json::{Map, Value};

use crate::{
    config::Reader,
    outgoing::Outgoing,
    run::{Failure, Next, Run},
};

/// The words for the node types, as used in a node's `type`.
pub const NODE_TYPES: &[&str] = &["send_message", "ask", "wait", "condition", "webhook_action", "set_variable", "end"];

/// A node's `type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NodeType {
    /// Sends a message.
    SendMessage,
    /// Sends a message and waits for the reply.
    Ask,
    /// Waits for a point in time.
    Wait,
    /// Goes one way or the other.
    Condition,
    /// Calls an HTTP service.
    WebhookAction,
    /// Sets variables.
    SetVariable,
    /// Ends the flow.
    End,
}

impl NodeType {
    /// Reads the word of a definition.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::deserialize(StrDeserializer::<Error>::new(word)).ok()
    }

    /// The word of a definition.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::SendMessage => "send_message",
            Self::Ask => "ask",
            Self::Wait => "wait",
            Self::Condition => "condition",
            Self::WebhookAction => "webhook_action",
            Self::SetVariable => "set_variable",
            Self::End => "end",
        }
    }
}

/// A node with its settings.
#[derive(Debug)]
pub(crate) enum Node {
    /// See [`NodeType::SendMessage`].
    SendMessage(send_message::SendMessage),
    /// See [`NodeType::Ask`].
    Ask(ask::Ask),
    /// See [`NodeType::Wait`].
    Wait(wait::Wait),
    /// See [`NodeType::Condition`].
    Condition(condition::Condition),
    /// See [`NodeType::WebhookAction`].
    WebhookAction(Box<webhook_action::WebhookAction>),
    /// See [`NodeType::SetVariable`].
    SetVariable(set_variable::SetVariable),
    /// See [`NodeType::End`].
    End(end::End),
    /// A plugin's: `<plugin>/<type>`.
    Plugin(Box<plugin::PluginNode>),
}

/// What becomes of a contact's silence on the way out of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Silence {
    /// The contact has just written.
    Broken,
    /// It has lasted so much longer, as far as known beforehand.
    Longer(TimeDelta),
}

/// What ended a node's wait.
#[derive(Debug)]
pub(crate) enum Wake {
    /// The contact's message, now the execution's.
    Input,
    /// The time set for it.
    Timer,
    /// A person.
    Resume,
    /// The event it waited for.
    Event(Value),
    /// The outcome of its effect.
    Effect(EffectOutcome),
}

impl Wake {
    /// A failure for a node that waits for something else, or not at all.
    fn unexpected<T>(&self) -> Result<T, Failure> {
        let what = match self {
            Self::Input => "a message",
            Self::Timer => "a point in time",
            Self::Resume => "anything",
            Self::Event(_) => "an event",
            Self::Effect(_) => "the outcome of a request",
        };
        Err(Failure(format!("the node does not wait for {what}")))
    }
}

impl Node {
    /// Reads a node's settings.
    pub(crate) fn read(kind: NodeType, reader: &mut Reader<'_, '_>) -> Option<Self> {
        Some(match kind {
            NodeType::SendMessage => Self::SendMessage(send_message::SendMessage::read(reader)?),
            NodeType::Ask => Self::Ask(ask::Ask::read(reader)?),
            NodeType::Wait => Self::Wait(wait::Wait::read(reader)?),
            NodeType::Condition => Self::Condition(condition::Condition::read(reader)?),
            NodeType::WebhookAction => Self::WebhookAction(Box::new(webhook_action::WebhookAction::read(reader)?)),
            NodeType::SetVariable => Self::SetVariable(set_variable::SetVariable::read(reader)?),
            NodeType::End => Self::End(end::End::read(reader)),
        })
    }

    /// The word for its type.
    pub(crate) fn word(&self) -> &str {
        let kind = match self {
            Self::SendMessage(_) => NodeType::SendMessage,
            Self::Ask(_) => NodeType::Ask,
            Self::Wait(_) => NodeType::Wait,
            Self::Condition(_) => NodeType::Condition,
            Self::WebhookAction(_) => NodeType::WebhookAction,
            Self::SetVariable(_) => NodeType::SetVariable,
            Self::End(_) => NodeType::End,
            Self::Plugin(node) => return node.word(),
        };
        kind.as_str()
    }

    /// Where it can lead; none stands for an exit that ends the flow.
    pub(crate) fn exits(&self) -> Vec<Option<usize>> {
        match self {
            Self::SendMessage(node) => node.exits(),
            Self::Ask(node) => node.exits(),
            Self::Wait(node) => node.exits(),
            Self::Condition(node) => node.exits(),
            Self::WebhookAction(node) => node.exits(),
            Self::SetVariable(node) => node.exits(),
            Self::End(_) => Vec::new(),
            Self::Plugin(node) => node.exits(),
        }
    }

    /// The nodes it can lead to, and how long the contact has been silent then.
    pub(crate) fn silences(&self) -> Vec<(usize, Silence)> {
        let at_once = |node: &Self| {
            node.exits().into_iter().flatten().map(|to| (to, Silence::Longer(TimeDelta::zero()))).collect()
        };
        match self {
            Self::Ask(node) => node.silences(),
            Self::Wait(node) => {
                let waits = node.fixed().unwrap_or_default();
                self.exits().into_iter().flatten().map(|to| (to, Silence::Longer(waits))).collect()
            }
            Self::SendMessage(_)
            | Self::Condition(_)
            | Self::WebhookAction(_)
            | Self::SetVariable(_)
            | Self::End(_)
            // How long it waits is only known to the plugin.
            | Self::Plugin(_) => at_once(self),
        }
    }

    /// What it says and where it goes when that fails; none when it says nothing.
    pub(crate) fn outgoing(&self) -> Option<&Outgoing> {
        match self {
            Self::SendMessage(node) => Some(node.outgoing()),
            Self::Ask(node) => Some(node.outgoing()),
            Self::Wait(_)
            | Self::Condition(_)
            | Self::WebhookAction(_)
            | Self::SetVariable(_)
            | Self::End(_)
            | Self::Plugin(_) => None,
        }
    }

    /// Where it goes when a message that it said fails for good; none when nowhere.
    pub(crate) fn error_way(&self) -> Option<usize> {
        match self {
            Self::Plugin(node) => node.error(),
            said => said.outgoing().and_then(Outgoing::error_path),
        }
    }

    /// Goes where [`error_way`](Self::error_way) leads. `reason` is a sentence, `code` Meta's.
    pub(crate) fn message_failed(
        &self,
        run: &mut Run<'_>,
        reason: &str,
        code: Value,
        detail: Map<String, Value>,
    ) -> Result<Next, Failure> {
        match self {
            Self::Plugin(node) => node.message_failed(run, reason, code, detail),
            said => {
                if let Some(outgoing) = said.outgoing() {
                    outgoing.keep_error(run, reason, code)?;
                }
                Ok(run.leave("message_failed", "error_path", said.error_way(), detail))
            }
        }
    }

    /// Whether it makes the execution wait.
    pub(crate) fn pauses(&self) -> bool {
        match self {
            Self::Ask(_) | Self::Wait(_) | Self::WebhookAction(_) | Self::Plugin(_) => true,
            Self::SendMessage(_) | Self::Condition(_) | Self::SetVariable(_) | Self::End(_) => false,
        }
    }

    /// Does what the node does when an execution comes to it.
    pub(crate) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        match self {
            Self::SendMessage(node) => node.enter(run),
            Self::Ask(node) => node.enter(run),
            Self::Wait(node) => node.enter(run),
            Self::Condition(node) => node.enter(run),
            Self::WebhookAction(node) => node.enter(run),
            Self::SetVariable(node) => node.enter(run),
            Self::End(node) => Ok(node.enter(run)),
            Self::Plugin(node) => node.enter(run),
        }
    }

    /// Goes on after a wait.
    pub(crate) fn resume(&self, run: &mut Run<'_>, wake: Wake) -> Result<Next, Failure> {
        match self {
            Self::Ask(node) => node.resume(run, &wake),
            Self::Wait(node) => node.resume(run, &wake),
            Self::WebhookAction(node) => node.resume(run, wake),
            Self::Plugin(node) => node.resume(run, wake),
            Self::SendMessage(_) | Self::Condition(_) | Self::SetVariable(_) | Self::End(_) => wake.unexpected(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read_and_written_back() {
        for word in NODE_TYPES {
            assert_eq!(NodeType::parse(word).map(NodeType::as_str), Some(*word));
        }
        assert_eq!(NodeType::parse("SendMessage"), None);
    }
}
