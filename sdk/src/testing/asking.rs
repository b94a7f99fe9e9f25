//! Calls of triggers.

use serde_json::{Value, json};

use super::{
    Answered, Harness,
    harness::problem,
    protocol::{CallResult, Entry, Occurrence},
};
use crate::{Event, Handling, HookRequest, Message, Recognition, TriggerEvent};

impl Harness {
    /// Asks a matcher about a message.
    ///
    /// # Errors
    ///
    /// [`Problem`](super::Problem).
    #[track_caller]
    pub fn matches(
        &mut self,
        trigger_type: &str,
        config: Value,
        message: impl Into<Message>,
    ) -> Answered<Option<Recognition>> {
        let message = self.complete(message.into());
        self.ask(trigger_type, config, Occurrence::Message(message))
    }

    /// Asks a matcher about an event.
    ///
    /// # Errors
    ///
    /// [`Problem`](super::Problem).
    #[track_caller]
    pub fn matches_event(&mut self, trigger_type: &str, config: Value, event: &Event) -> Answered<Option<Recognition>> {
        self.ask(trigger_type, config, Occurrence::Event(json!(event)))
    }

    fn ask(&mut self, trigger_type: &str, config: Value, occurrence: Occurrence) -> Answered<Option<Recognition>> {
        let entry = Entry::Matcher { trigger_type: trigger_type.to_owned(), occurrence };
        match self.call(entry, config).result {
            CallResult::NoMatch => Ok(None),
            CallResult::Recognition { score, extracted, reason } => {
                assert!((0.0..=1.0).contains(&score), "a score is from 0 to 1, not {score}");
                Ok(Some(Recognition { score, extracted, reason }))
            }
            other => Err(problem(other)),
        }
    }

    /// Hands a request to a webhook handler. There is no contact in such a call.
    ///
    /// # Errors
    ///
    /// [`Problem`](super::Problem).
    #[track_caller]
    pub fn handle(&mut self, trigger_type: &str, config: Value, request: HookRequest) -> Answered<Handling> {
        let entry = Entry::Webhook { trigger_type: trigger_type.to_owned(), request };
        match self.call(entry, config).result {
            CallResult::Handling { status, headers, body, events } => Ok(Handling { status, headers, body, events }),
            other => Err(problem(other)),
        }
    }

    /// Lets a poller look. There is no contact in such a call. Returns the events and the next cursor.
    ///
    /// # Errors
    ///
    /// [`Problem`](super::Problem).
    #[track_caller]
    pub fn poll(
        &mut self,
        trigger_type: &str,
        config: Value,
        cursor: Option<Value>,
    ) -> Answered<(Vec<TriggerEvent>, Option<Value>)> {
        let entry = Entry::Poller { trigger_type: trigger_type.to_owned(), cursor };
        match self.call(entry, config).result {
            CallResult::Finding { events, cursor, .. } => Ok((events, cursor)),
            other => Err(problem(other)),
        }
    }
}
