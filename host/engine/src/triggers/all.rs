//! All triggers of a bot together: which one flow starts.

use std::{
    cmp::{Ordering, Reverse},
    collections::{HashMap, HashSet},
};

use domain::{EventType, FlowId, PluginRule, Trigger, TriggerId, TriggerRule};
use serde_json::{Value, json};

use crate::triggers::{
    event::{self, Event, EventIndex},
    index::{Candidate, KeywordIndex},
    matchers::{Choice, Known, Matchers},
};

/// The triggers of one bot, ready to be asked. Meant to be built when triggers change and shared.
#[derive(Debug)]
pub struct Triggers {
    keywords: KeywordIndex,
    events: EventIndex,
    matchers: Matchers,
    flows: HashMap<TriggerId, Fired>,
}

/// A trigger that fires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fired {
    /// The trigger.
    pub trigger_id: TriggerId,
    /// The flow it starts.
    pub flow_id: FlowId,
    /// Its priority.
    pub priority: i64,
    /// Whether it ends an execution that waits for this contact's reply.
    pub interrupt: bool,
}

impl Fired {
    /// What a trigger does when it fires.
    pub(super) fn of(trigger: &Trigger) -> Self {
        Self {
            trigger_id: trigger.id,
            flow_id: trigger.flow_id,
            priority: trigger.priority,
            interrupt: trigger.interrupt,
        }
    }
}

impl Triggers {
    /// Builds the index. Triggers that are switched off are never chosen.
    pub fn build(triggers: &[Trigger]) -> Self {
        let active = triggers.iter().filter(|trigger| trigger.is_active);
        Self {
            keywords: KeywordIndex::build(triggers),
            events: EventIndex::build(triggers),
            matchers: Matchers::build(triggers),
            flows: active.map(|trigger| (trigger.id, Fired::of(trigger))).collect(),
        }
    }

    /// The trigger that a message fires, among keyword triggers and those of the events that the message is: the
    /// highest priority that matches, then the lowest id. `interrupting`: only those that interrupt, which is what to
    /// ask while an execution waits for the contact's reply. `is_new`: whether the message announces a new contact.
    pub fn of_message(&self, message: &Event<'_>, is_new: bool, interrupting: bool) -> Option<Fired> {
        let text = message.message.and_then(|message| message.text.as_deref()).unwrap_or_default();
        let keyword = if interrupting { self.keywords.choose_interrupting(text) } else { self.keywords.choose(text) };
        let keyword = keyword.and_then(|found| self.flows.get(&found.trigger_id));
        let mut types = vec![EventType::MessageReceived];
        if is_new {
            types.push(EventType::NewContact);
        }
        let events = types
            .into_iter()
            .filter_map(|event_type| self.of_event(&Event { event_type, ..message.clone() }, interrupting));
        keyword.copied().into_iter().chain(events).min_by_key(|fired| (Reverse(fired.priority), fired.trigger_id))
    }

    /// The keyword trigger that a text fires, whatever else watches for messages.
    pub fn of_keyword(&self, text: &str) -> Option<Fired> {
        self.flows.get(&self.keywords.choose(text)?.trigger_id).copied()
    }

    /// The trigger that an event fires.
    pub fn of_event(&self, event: &Event<'_>, interrupting: bool) -> Option<Fired> {
        // The document is made only when somebody looks at it.
        if !self.events.watches(&event.event_type) {
            return None;
        }
        let found = self.events.choose(&event.event_type, &event.document(), interrupting)?;
        self.flows.get(&found.trigger_id).copied()
    }

    /// Whether a matcher is to be asked about this: `message`, or the name of an event.
    pub fn matchers_listen_to(&self, what: &str) -> bool {
        self.matchers.listen_to(what)
    }

    /// Who wins between `built_in`, which [`of_message`](Self::of_message) or [`of_event`](Self::of_event) chose, and the
    /// matchers that listen to one of `what`, as far as their answers are `known`.
    pub fn choose_with_matchers<'a>(
        &self,
        built_in: Option<Fired>,
        what: &[&str],
        interrupting: bool,
        known: &dyn Fn(TriggerId) -> Known<'a>,
    ) -> Choice<'_, 'a> {
        self.matchers.choose(built_in, what, interrupting, known)
    }

    /// A trigger that is switched on.
    pub fn get(&self, id: TriggerId) -> Option<Fired> {
        self.flows.get(&id).copied()
    }
}

/// What a matcher answered about a message: how sure it is and why, nothing when it does not match, or why it could not
/// say.
pub type Said = Result<Option<(f64, Option<String>)>, String>;

/// How each trigger of a bot fares with a text from a contact of whom nothing is known; those that go first first, so
/// that the first that matched is the one chosen. `said`: what matchers answered; those that are missing were not asked.
pub fn explain(triggers: &[Trigger], text: &str, said: &HashMap<TriggerId, Said>) -> Vec<Candidate> {
    let message = json!({
        "event_type": EventType::MessageReceived, "source": "whatsapp", "contact": {"source": "whatsapp"},
        "message": {"type": "text", "text": text},
    });
    let keywords = KeywordIndex::build(triggers).explain(text);
    let mut known: HashMap<TriggerId, Candidate> =
        keywords.into_iter().map(|found| (found.trigger_id, found)).collect();
    let mut sorted: Vec<&Trigger> = triggers.iter().collect();
    sorted.sort_by_key(|trigger| (Reverse(trigger.priority), trigger.id));
    let mut all: Vec<Candidate> = sorted
        .into_iter()
        .map(|trigger| known.remove(&trigger.id).unwrap_or_else(|| explain_one(trigger, &message, said)))
        .collect();
    // A trigger that is no matcher counts as entirely sure.
    all.sort_by(|a, b| {
        let sure = |candidate: &Candidate| candidate.score.unwrap_or(1.0);
        let scores = if a.matched && b.matched { sure(b).total_cmp(&sure(a)) } else { Ordering::Equal };
        b.priority.cmp(&a.priority).then(b.matched.cmp(&a.matched)).then(scores).then(a.trigger_id.cmp(&b.trigger_id))
    });
    name_the_winner(&mut all, triggers);
    all
}

fn explain_one(trigger: &Trigger, message: &Value, said: &HashMap<TriggerId, Said>) -> Candidate {
    let mut score = None;
    let (matched, reason) = match &trigger.rule {
        TriggerRule::Event { event_type: EventType::MessageReceived, .. } => match event::unmet(trigger, message) {
            None => (trigger.is_active, "watches for every message that meets its conditions".to_owned()),
            Some(field) => {
                (false, format!("watches for messages, but the condition on `{field}` is not met by this one"))
            }
        },
        TriggerRule::Event { event_type: EventType::NewContact, .. } => {
            (false, "watches for new contacts: only the first message of a contact can fire it".to_owned())
        }
        TriggerRule::Event { event_type, .. } => {
            (false, format!("watches for {} events, not for messages", event_type.as_str()))
        }
        TriggerRule::Schedule(_) => (false, "fires by the clock, not by messages".to_owned()),
        TriggerRule::Webhook(_) => (false, "fires by requests to its address, not by messages".to_owned()),
        TriggerRule::Plugin(rule) if rule.listens_to(PluginRule::MESSAGE) => match said.get(&trigger.id) {
            None => (false, "was not asked".to_owned()),
            Some(Err(reason)) => (false, format!("counts as no match: {reason}")),
            Some(Ok(None)) => (false, "does not recognise the message".to_owned()),
            Some(Ok(Some((sure, reason)))) => {
                score = trigger.is_active.then_some(*sure);
                let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                (trigger.is_active, format!("recognises the message with a score of {sure:.2}{reason}"))
            }
        },
        TriggerRule::Plugin(_) => (false, "is not asked about messages".to_owned()),
        TriggerRule::Keyword { .. } => (false, "does not match".to_owned()),
    };
    let reason = if trigger.is_active { reason } else { "is switched off".to_owned() };
    Candidate { trigger_id: trigger.id, matched, priority: trigger.priority, matched_keyword: None, score, reason }
}

/// The keyword index knows of no other triggers: says who really goes first where that is an event trigger, or where
/// one of those comes second.
fn name_the_winner(all: &mut [Candidate], triggers: &[Trigger]) {
    let Some(first) = all.iter().find(|candidate| candidate.matched).map(|first| first.trigger_id) else { return };
    let events: HashSet<TriggerId> = triggers
        .iter()
        .filter(|trigger| !matches!(trigger.rule, TriggerRule::Keyword { .. }))
        .map(|trigger| trigger.id)
        .collect();
    for candidate in all.iter_mut().filter(|candidate| candidate.matched && candidate.trigger_id != first) {
        if events.contains(&candidate.trigger_id) || events.contains(&first) {
            let own = candidate.reason.split(", but trigger").next().unwrap_or_default();
            candidate.reason = format!("{own}, but trigger {first} goes first");
        }
    }
}
