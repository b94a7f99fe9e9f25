//! What the nodes that say something have in common: what they say, what instead when WhatsApp would refuse it, and
//! where they go when it cannot be said at all.

use domain::OutgoingMessage;
use serde_json::{Map, Value, json};

use crate::{
    config::Reader,
    content::{Content, Filled, TEMPLATE},
    path::Target,
    run::{Failure, Run},
    sprint::Saying,
    variables,
};

/// `{message_type, content, fallback_template?, error_path?, mark_as_read?, typing?}`.
#[derive(Debug)]
pub(crate) struct Outgoing {
    content: Content,
    fallback: Option<Content>,
    error_path: Option<usize>,
    mark_as_read: Option<bool>,
    typing: Option<bool>,
    /// Where the reason goes when it takes the error path.
    error_in: Target,
}

/// What became of it.
#[derive(Debug)]
pub(crate) enum Sent {
    /// It was sent.
    Yes {
        /// The message type.
        kind: &'static str,
        /// Whether it was the template that stands in.
        is_fallback: bool,
    },
    /// Something it cannot do without is empty.
    Skipped {
        /// The message type.
        kind: &'static str,
        /// A sentence that says what.
        reason: &'static str,
    },
    /// WhatsApp would not take a message of this type, and the error path is there for that.
    Refused(&'static str, Refused),
}

/// Why a message is not even tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The customer service window is closed, and it is no template.
    WindowClosed,
    /// It is a marketing template, and the contact wants none.
    OptedOut,
}

impl Refused {
    /// Stable word for programs.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::WindowClosed => "window_closed",
            Self::OptedOut => "opted_out",
        }
    }

    /// Sentence for people.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::WindowClosed => "the contact wrote more than 24 hours ago, so WhatsApp takes only templates",
            Self::OptedOut => "the contact has opted out of marketing messages",
        }
    }

    /// What the author of the flow can do.
    fn advice(self) -> &'static str {
        match self {
            Self::WindowClosed => "set `fallback_template`, or an `error_path`",
            Self::OptedOut => "set an `error_path`",
        }
    }
}

impl Outgoing {
    /// Reads the settings. `error_in`: where the reason goes when the error path is taken.
    pub(crate) fn read(reader: &mut Reader<'_, '_>, error_in: Option<Target>) -> Option<Self> {
        let content = Content::read(reader);
        let fallback = Content::read_fallback(reader);
        let error_path = reader.reference("error_path");
        let mark_as_read = reader.boolean("mark_as_read");
        let typing = reader.boolean("typing");
        let content = content?;
        if content.is_template() && reader.get("fallback_template").is_some() {
            reader.warning(
                "unused_fallback",
                "fallback_template",
                "is never sent, because `content` is a template itself",
            );
        }
        Some(Self { content, fallback, error_path, mark_as_read, typing, error_in: error_in? })
    }

    /// Where the node goes when its message cannot be sent, or fails for good.
    pub(crate) fn error_path(&self) -> Option<usize> {
        self.error_path
    }

    /// Whether a closed window is thought of, or does not matter.
    pub(crate) fn minds_window(&self) -> bool {
        self.content.is_template() || self.fallback.is_some() || self.error_path.is_some()
    }

    /// Says it, or what stands in for it.
    ///
    /// # Errors
    /// When it cannot be filled in, or WhatsApp would refuse it and no way leads on.
    pub(crate) fn send(&self, run: &mut Run<'_>) -> Result<Sent, Failure> {
        run.show_manners(self.mark_as_read, self.typing);
        let message = match self.content.fill(run)? {
            Filled::Message(message) => message,
            // Nothing to say is no trouble, whatever WhatsApp would take.
            Filled::Lacking(reason) => return Ok(Sent::Skipped { kind: self.content.kind(), reason }),
        };
        let fallback = match self.fallback.as_ref().filter(|_| !self.content.is_template()) {
            Some(fallback) => Some(fallback.fill(run)?),
            None => None,
        };
        let has_no_way = fallback.is_none() && self.error_path.is_none();
        if run.window().refuses(&message.kind) && !(has_no_way && run.answers_late()) {
            return match fallback {
                None => self.refuse(run, Refused::WindowClosed),
                Some(Filled::Lacking(reason)) => Ok(Sent::Skipped { kind: TEMPLATE, reason }),
                Some(Filled::Message(template)) if is_unwanted(run, &template) => self.refuse(run, Refused::OptedOut),
                Some(Filled::Message(template)) => {
                    self.say(run, template, None)?;
                    Ok(Sent::Yes { kind: TEMPLATE, is_fallback: true })
                }
            };
        }
        if is_unwanted(run, &message) {
            return self.refuse(run, Refused::OptedOut);
        }
        // Only Meta may know that the window is closed; then the template is at hand.
        let fallback = match fallback {
            Some(Filled::Message(template)) if !is_unwanted(run, &template) => Some(template),
            _ => None,
        };
        self.say(run, message, fallback)?;
        Ok(Sent::Yes { kind: self.content.kind(), is_fallback: false })
    }

    fn say(
        &self,
        run: &mut Run<'_>,
        message: OutgoingMessage,
        fallback: Option<OutgoingMessage>,
    ) -> Result<(), Failure> {
        run.send(|node| Saying { node, message, fallback })?;
        self.forget_error(run)
    }

    fn refuse(&self, run: &mut Run<'_>, refused: Refused) -> Result<Sent, Failure> {
        if self.error_path.is_none() {
            return Err(Failure(format!("{}: {}", refused.reason(), refused.advice())));
        }
        self.keep_error(run, refused.reason(), refused.code().into())?;
        Ok(Sent::Refused(self.content.kind(), refused))
    }

    /// Keeps why the error path is taken: a sentence, and beside it what a program can compare.
    pub(crate) fn keep_error(&self, run: &mut Run<'_>, reason: &str, code: Value) -> Result<(), Failure> {
        run.assign(vec![
            (self.error_in.clone(), Some(reason.into())),
            (self.error_in.beside("_code"), Some(code).filter(|code| !code.is_null())),
        ])?;
        Ok(())
    }

    /// What an earlier try left goes, so that it is not taken for this one's.
    fn forget_error(&self, run: &mut Run<'_>) -> Result<(), Failure> {
        if let Some((first, rest)) = self.error_in.segments().split_first()
            && run.execution().state.get(first).is_some_and(|value| variables::walk(value, rest).is_some())
        {
            run.assign(vec![(self.error_in.clone(), None), (self.error_in.beside("_code"), None)])?;
        }
        Ok(())
    }
}

impl Sent {
    /// The step event and its detail.
    pub(crate) fn told(&self) -> (&'static str, Map<String, Value>) {
        let (event, kind, more) = match *self {
            Self::Yes { kind, is_fallback: false } => ("sent", kind, None),
            Self::Yes { kind, is_fallback: true } => ("sent", kind, Some(("is_fallback", json!(true)))),
            Self::Skipped { kind, reason } => ("message_skipped", kind, Some(("reason", json!(reason)))),
            Self::Refused(kind, refused) => ("message_refused", kind, Some(("code", json!(refused.code())))),
        };
        let mut detail = Map::from_iter([("type".to_owned(), json!(kind))]);
        detail.extend(more.map(|(name, value)| (name.to_owned(), value)));
        (event, detail)
    }
}

/// Why a message of a plugin must not be sent, if so. Without another way to go, only Meta's own word closes the window:
/// when webhooks come late, the contact may have written since.
pub(crate) fn objection(run: &Run<'_>, message: &OutgoingMessage, has_way: bool) -> Option<Refused> {
    let is_certain = has_way || run.contact().window_closed_at.is_some();
    if is_certain && run.window().refuses(&message.kind) {
        return Some(Refused::WindowClosed);
    }
    is_unwanted(run, message).then_some(Refused::OptedOut)
}

/// Whether it is a marketing template to somebody who wants none. What is not known to be marketing is left to Meta.
fn is_unwanted(run: &Run<'_>, message: &OutgoingMessage) -> bool {
    if run.contact().opted_in || message.kind != TEMPLATE {
        return false;
    }
    let text = |pointer: &str| message.content.pointer(pointer).and_then(Value::as_str);
    let (Some(name), Some(language)) = (text("/name"), text("/language/code")) else { return false };
    run.is_marketing(name, language)
}
