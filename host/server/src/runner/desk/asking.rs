//! Matchers of one contact's triggers: whether they have to be asked, and what their answers decide.

use domain::{EventType, ItemId, JsonMap, PluginRule};
use engine::triggers::{Choice, Event, Fired, Known, Matcher};
use storage::Decision;

use super::{Outcome, Session, firing::Opening};
use crate::{
    plugins::{MatchCall, Occurrence, TriggerCall},
    runner::plugin_calls::{Answer, Asks, surroundings},
};

/// Which trigger goes first.
pub(super) enum Chosen {
    /// Matchers have to be asked first: the item stays until they have answered.
    Unknown,
    /// This one.
    Fires(Fired, Found),
    /// None.
    Nobody,
}

/// What a matcher found; nothing of a trigger that is none.
#[derive(Default)]
pub(super) struct Found(Option<Answer>);

impl Found {
    /// Adds to the beginning of a flow what the matcher found.
    pub(super) fn told(self, opening: Opening, cause: &str) -> Opening {
        let Some(Answer { recognised, reason }) = self.0 else { return opening };
        let mut state = opening.state;
        for (name, value) in recognised.extracted {
            state.entry(name).or_insert(value);
        }
        let reason = reason.map(|reason| format!(", {reason}")).unwrap_or_default();
        let why = Some(format!("{cause}, recognised with a score of {:.2}{reason}", recognised.score));
        Opening { state, why, ..opening }
    }
}

impl Session<'_, '_> {
    /// Who goes first for a message or event that stands in an item: `built_in`, or a matcher.
    pub(super) fn choose(
        &mut self,
        item: ItemId,
        event: &Event<'_>,
        new_contact: bool,
        built_in: Option<Fired>,
        interrupting: bool,
    ) -> Chosen {
        let Some(bot) = self.desk.bot.clone() else { return Chosen::Nobody };
        let mut what = match event.event_type {
            EventType::MessageReceived => vec![PluginRule::MESSAGE],
            _ => vec![event.event_type.as_str()],
        };
        if new_contact {
            what.push("new_contact");
        }
        let answers = match &self.desk.outcome {
            Some(Outcome::Answers(answers)) if answers.item == item => Some(answers.by_trigger.clone()),
            _ => None,
        };
        let answers = answers.unwrap_or_default();
        let known = |trigger| match answers.get(&trigger) {
            None => Known::Nothing,
            Some(Ok(Some(answer))) => Known::Yes(&answer.recognised),
            Some(Ok(None) | Err(_)) => Known::No,
        };
        let chosen = match bot.triggers.choose_with_matchers(built_in, &what, interrupting, &known) {
            Choice::Ask(matchers) => {
                let calls = matchers.iter().map(|matcher| (matcher.fired.trigger_id, self.call(item, matcher, event)));
                let calls = calls.collect();
                self.work.asks = Some(Asks { item, calls, known: answers });
                return Chosen::Unknown;
            }
            Choice::Fires(fired, None) => Chosen::Fires(fired, Found::default()),
            Choice::Fires(fired, Some(_)) => {
                let answer = answers.get(&fired.trigger_id).and_then(|answer| answer.as_ref().ok().cloned().flatten());
                Chosen::Fires(fired, Found(answer))
            }
            Choice::Nobody => Chosen::Nobody,
        };
        for (trigger, reason) in answers.iter().filter_map(|(trigger, answer)| Some((trigger, answer.as_ref().err()?)))
        {
            let Some(fired) = bot.triggers.get(*trigger) else { continue };
            self.work.failures.push(Decision {
                bot_id: self.desk.contact.bot_id,
                trigger_id: fired.trigger_id,
                flow_id: fired.flow_id,
                contact_id: Some(self.desk.contact_id()),
                execution_id: None,
                message_id: event.message.map(|message| message.id),
                reason: format!("counts as no match: {reason}"),
                at: self.tools.now,
            });
        }
        chosen
    }

    fn call(&self, item: ItemId, matcher: &Matcher, event: &Event<'_>) -> MatchCall {
        let PluginRule { plugin, trigger_type, config, .. } = &matcher.rule;
        let about_message = event.message.is_some() && matcher.rule.listens_to(PluginRule::MESSAGE);
        let occurrence = match event.message {
            Some(_) if about_message => Occurrence::Message(engine::message_document(event.message)),
            // The message is the contact's first one, and that is what the matcher listens to.
            Some(_) => {
                let first = Event { event_type: EventType::NewContact, ..event.clone() };
                Occurrence::Event(first.for_plugins())
            }
            None => Occurrence::Event(event.for_plugins()),
        };
        let bot = self.desk.bot.as_ref().map(|bot| &bot.info);
        let context = bot.map(|bot| surroundings(bot, Some(&self.contact), event.message, self.tools.now));
        MatchCall {
            trigger: TriggerCall {
                plugin: plugin.clone(),
                trigger_type: trigger_type.clone(),
                config: if config.is_null() { JsonMap::new().into() } else { config.clone() },
                context: context.unwrap_or_default(),
                contact: Some(self.desk.contact_id()),
                idempotency_key: format!("item-{item}-{}", matcher.fired.trigger_id),
            },
            occurrence,
        }
    }
}
