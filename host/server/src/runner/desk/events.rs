//! What happens to a contact outside of a conversation: events, requests to triggers and what pollers found.

use domain::{EventType, ExecutionStatus, plugin::PluginWait};
use engine::{Cause, EVENT_DEPTH, triggers::Event};
use serde_json::json;
use storage::Item;

use super::{
    Need, Payload, Session,
    asking::Chosen,
    firing::{Opening, event, state_of},
};

impl Session<'_, '_> {
    /// An event: executions that wait for it go on, in the order in which they began, and a trigger may start a flow.
    pub(super) fn hear(
        &mut self,
        item: &Item,
        event_type: EventType,
        payload: &Payload,
        active: bool,
    ) -> Result<(), Need> {
        let Some(bot) = self.desk.bot.clone() else { return Ok(()) };
        let contact = self.contact.clone();
        let event = Event { payload: payload.payload.as_ref(), ..event(&contact, event_type, item.created_at) };
        let depth = payload.depth.unwrap_or_default();
        let built_in = bot.triggers.of_event(&event, false);
        let chosen = match active {
            true => self.choose(item.id, &event, false, built_in, false),
            // For the record: why nothing starts.
            false => built_in.map_or(Chosen::Nobody, |fired| Chosen::Fires(fired, super::asking::Found::default())),
        };
        if matches!(chosen, Chosen::Unknown) {
            return Ok(());
        }
        if active {
            self.wake_those_who_wait(&event, depth)?;
        }
        let Chosen::Fires(fired, found) = chosen else { return Ok(()) };
        let opening = Opening { state: state_of(event.summary()), depth, ..Opening::default() };
        let opening = found.told(opening, event.event_type.as_str());
        self.fire(fired, opening)
    }

    fn wake_those_who_wait(&mut self, event: &Event<'_>, depth: i64) -> Result<(), Need> {
        let name = event.event_type.as_str();
        let waits = |execution: &domain::Execution| {
            let wait = execution.visit.as_ref().and_then(|visit| visit.wait.as_ref());
            execution.status == ExecutionStatus::WaitingEvent
                && matches!(wait, Some(PluginWait::Event { name: wanted }) if wanted == name)
        };
        // Chosen before any of them goes on: who begins to wait for the event now waits for the next one.
        let waiting: Vec<usize> =
            (0..self.executions.len()).filter(|at| waits(&self.executions[*at].0.execution)).collect();
        for at in waiting {
            let execution = &mut self.executions[at].0.execution;
            if depth > EVENT_DEPTH {
                let (id, event) = (execution.id, name);
                tracing::warn!(execution.id = %id, event, "an event woke nobody: more than {EVENT_DEPTH} emitted one another");
                continue;
            }
            // What it emits from now on comes after this event.
            execution.depth = execution.depth.max(depth);
            self.advance(at, Cause::Event(event.for_plugins()))?;
        }
        Ok(())
    }

    /// A request came to a trigger, or it found something. One that is gone or was switched off meanwhile does nothing.
    pub(super) fn fire_by_finding(&mut self, payload: Payload) -> Result<(), Need> {
        let Some(bot) = self.desk.bot.clone() else { return Ok(()) };
        let Some(fired) = payload.trigger_id.and_then(|id| bot.triggers.get(id)) else { return Ok(()) };
        let mut state = payload.state.unwrap_or_default();
        state.entry("event").or_insert_with(|| json!({ "event_type": "trigger" }));
        self.fire(fired, Opening { state, why: payload.why, ..Opening::default() })
    }
}
