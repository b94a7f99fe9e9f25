//! Calls of plugins that flows and triggers ask for, made between two commits.

use std::{collections::HashMap, time::Duration};

use domain::{
    BotId, ContactId, EffectOutcome, ItemId, OutgoingMessage, TriggerId,
    plugin::{FailureKind, PluginEffect, PluginFailure, PluginFault, PluginOutcome},
};
use engine::{Limits, triggers::Recognised};
use futures_util::future::join_all;
use whatsapp::limits::{self, Templates};

use crate::{
    nul,
    plugins::{MatchCall, PluginError, Plugins},
};

/// Pause before the first retry that asks for none; it doubles with each further one.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
/// Longest pause between two attempts of one effect. For a longer one the execution waits like for any other time.
const RETRY_PAUSE_MAX: Duration = Duration::from_secs(5);
/// Longest wait for the matchers of one priority; who has not answered by then does not match.
const MATCH_TIME: Duration = Duration::from_secs(3);

/// Calls a node, with its retries as far as their pauses are short. Always comes to an outcome.
pub(super) async fn run_node(
    plugins: &Plugins,
    bot: BotId,
    contact: ContactId,
    effect: &PluginEffect,
) -> EffectOutcome {
    let mut attempts = 0;
    let once = PluginEffect { retries: 0, ..effect.clone() };
    loop {
        attempts += 1;
        let outcome = cleaned(plugins.run_node(bot, contact, &once).await);
        let doubled = RETRY_PAUSE * 2_u32.pow((attempts - 1).min(5));
        let pause = match &outcome {
            PluginOutcome::Fault(PluginFault::Retryable { retry_after_ms: Some(ms), .. }) => {
                Some(Duration::from_millis(*ms))
            }
            PluginOutcome::Fault(PluginFault::Retryable { .. })
            | PluginOutcome::Failure(PluginFailure { kind: FailureKind::Overloaded, .. }) => {
                Some(doubled.min(RETRY_PAUSE_MAX))
            }
            _ => None,
        };
        match pause {
            Some(pause) if attempts <= effect.retries && pause <= RETRY_PAUSE_MAX => tokio::time::sleep(pause).await,
            _ => return EffectOutcome::Plugin { outcome: Box::new(measured(outcome)), attempts },
        }
    }
}

/// What a plugin says may hold NUL, which databases refuse.
fn cleaned(outcome: PluginOutcome) -> PluginOutcome {
    match serde_json::to_value(&outcome) {
        Ok(value) if holds_nul(&value) => serde_json::from_value(nul::without(value)).unwrap_or(outcome),
        _ => outcome,
    }
}

fn holds_nul(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().any(holds_nul),
        serde_json::Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

/// A step with a message that breaks a limit of the Cloud API is none: nothing of it is done.
fn measured(outcome: PluginOutcome) -> PluginOutcome {
    let PluginOutcome::Step(step) = &outcome else { return outcome };
    for (n, message) in step.actions.messages.iter().enumerate() {
        // What cannot be read at all is for the engine to refuse.
        let Ok(OutgoingMessage { kind, content }) = engine::literal(&message.message_type, message.content.clone())
        else {
            return outcome;
        };
        if let Some(fault) = limits::check(&OutgoingMessage { kind, content }, Templates::Filled).into_iter().next() {
            let at = format!("messages/{n}/content{}", fault.pointer);
            return PluginOutcome::Failure(PluginFailure {
                kind: FailureKind::InvalidOutput,
                message: format!("what the plugin returned cannot be done: `{at}` {}", fault.detail),
                detail: None,
            });
        }
    }
    outcome
}

/// What matchers are to be asked about one item.
#[derive(Debug)]
pub(crate) struct Asks {
    pub(crate) item: ItemId,
    pub(crate) calls: Vec<(TriggerId, MatchCall)>,
    /// What those said that were asked before.
    pub(crate) known: HashMap<TriggerId, Result<Option<Answer>, String>>,
}

/// What matchers said of one item.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    pub(crate) item: ItemId,
    pub(crate) by_trigger: HashMap<TriggerId, Result<Option<Answer>, String>>,
}

/// That a matcher recognised something.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) recognised: Recognised,
    /// Its reason, for people.
    pub(crate) reason: Option<String>,
}

/// Asks all of them at once. Whoever fails or is too slow counts as one that does not match, with the reason.
pub(super) async fn ask(plugins: &Plugins, bot: BotId, asks: Asks, limits: &Limits) -> Answers {
    let Asks { item, calls, known } = asks;
    let made =
        join_all(calls.into_iter().map(async |(trigger, call)| (trigger, ask_one(plugins, bot, call, limits).await)));
    let mut by_trigger = known;
    by_trigger.extend(made.await);
    Answers { item, by_trigger }
}

/// Asks one matcher. The error is a sentence for people.
pub(crate) async fn ask_one(
    plugins: &Plugins,
    bot: BotId,
    call: MatchCall,
    limits: &Limits,
) -> Result<Option<Answer>, String> {
    let answer = tokio::time::timeout(MATCH_TIME, plugins.matches(bot, call)).await;
    let recognition = match answer {
        Ok(Ok(recognition)) => recognition,
        Ok(Err(error)) => return Err(told(&error)),
        Err(_) => return Err(format!("no answer within {} s", MATCH_TIME.as_secs())),
    };
    let Some(found) = recognition else { return Ok(None) };
    if !(0.0..=1.0).contains(&found.score) {
        return Err(format!("its score is {}, which is not between 0 and 1", found.score));
    }
    let extracted = match nul::without(serde_json::Value::Object(found.extracted)) {
        serde_json::Value::Object(extracted) => extracted,
        _ => domain::JsonMap::new(),
    };
    engine::triggers::check_state(&extracted, limits).map_err(|fault| format!("what it extracted: {fault}"))?;
    let reason = found.reason.map(|reason| nul::without_in_text(&reason).chars().take(200).collect::<String>());
    Ok(Some(Answer { recognised: Recognised { score: found.score, extracted }, reason }))
}

/// A plugin's failure as one sentence without its insides.
pub(crate) fn told(error: &PluginError) -> String {
    let whose = match error {
        PluginError::Fault(_) => "the plugin says",
        PluginError::Failure(_) => "the plugin could not be run",
    };
    nul::without_in_text(&format!("{whose}: {}", error.message())).chars().take(500).collect()
}

/// What calls of a trigger's plugin are told of where they are.
pub(crate) fn surroundings(
    bot: &domain::BotInfo,
    contact: Option<&domain::Contact>,
    message: Option<&domain::InboundMessage>,
    now: domain::Time,
) -> serde_json::Value {
    let mut known = serde_json::json!({
        "bot": { "id": bot.id, "name": bot.name, "timezone": bot.timezone },
        "now": engine::local_time(now, &bot.timezone),
    });
    if let Some(contact) = contact {
        known["contact"] = engine::contact_document(contact);
    }
    if message.is_some() {
        known["message"] = engine::message_document(message);
    }
    known
}

#[cfg(test)]
mod tests {
    use domain::{BotInfo, Contact, InboundMessage};
    use serde_json::{Value, json};

    use super::surroundings;

    #[test]
    fn what_triggers_are_told_is_what_the_schema_says() {
        let text = include_str!("../../../../wit/chatboost-plugin@0.1.0/context.schema.json");
        let schema: Value = serde_json::from_str(text).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let at = "2026-03-02T03:30:00Z";
        let bot: BotInfo = serde_json::from_value(json!({ "id": 1, "name": "B", "timezone": "Asia/Kolkata" })).unwrap();
        let mut person = json!({
            "id": 2, "bot_id": 1, "tags": [], "attributes": {}, "source": "api", "opted_in": true, "created_at": at,
            "updated_at": at,
        });
        let stranger: Contact = serde_json::from_value(person.clone()).unwrap();
        for field in ["phone", "bsuid", "username", "name", "first_name", "last_name", "email", "language", "timezone"]
        {
            person[field] = field.into();
        }
        let known: Contact = serde_json::from_value(person).unwrap();
        let message: InboundMessage = serde_json::from_value(json!({
            "id": 3, "type": "interactive", "text": "Blue", "reply_id": "b", "content": {}, "timestamp": at,
        }))
        .unwrap();
        for (contact, message) in [(None, None), (Some(&stranger), None), (Some(&known), Some(&message))] {
            let told = surroundings(&bot, contact, message, at.parse().unwrap());
            let faults: Vec<_> = validator.iter_errors(&told).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{faults:?} in {told:#}");
            assert_eq!(
                (told.get("contact").is_some(), told.get("message").is_some()),
                (contact.is_some(), message.is_some())
            );
            assert_eq!(told["now"], "2026-03-02T09:00:00+05:30");
            for field in told.as_object().unwrap().keys() {
                assert!(schema["properties"].get(field).is_some(), "the schema does not know {field}");
            }
        }
    }
}
