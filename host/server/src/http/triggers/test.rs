//! `POST /triggers/{trigger_id}/test`

use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State};
use domain::{InboundMessage, MessageId, PluginRule, Trigger, TriggerId, TriggerRule};
use engine::{
    Limits,
    triggers::{self, Candidate, Said},
};
use futures_util::future::join_all;
use serde::Serialize;
use storage::Bot;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        id::Id,
        problem::{Problem, Result},
    },
    plugins::{MatchCall, Occurrence, TriggerCall},
    runner::{ask_one, surroundings},
};

/// Most characters of a WhatsApp text.
const MESSAGE_CHARS_MAX: usize = 4_096;
/// Most matchers that are asked; the others are shown as not asked.
const MATCHERS_MAX: usize = 50;

/// A message to try.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read")]
pub(in crate::http) struct Trial {
    #[schema(max_length = 4096)]
    test_message: String,
}

/// How a trigger fares with a message.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct TrialOutcome {
    /// Whether this trigger matches.
    matched: bool,
    /// The first keyword that did.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched_keyword: Option<String>,
    /// Whether the message, from a contact whom no execution waits for, would start this trigger's flow.
    would_start_flow: bool,
    /// Why, or why not.
    reason: String,
    /// The trigger that goes first among those that match; none when none does.
    #[schema(value_type = Option<i64>)]
    winner: Option<TriggerId>,
    while_waiting: WhileWaiting,
    /// All triggers of the bot, those that go first first.
    candidates: Vec<CandidateView>,
}

/// The same while an execution waits for the contact's reply: then only triggers that interrupt are asked.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TrialWhileWaiting)]
struct WhileWaiting {
    /// The trigger that goes first among those that match and interrupt; none when the execution gets the message.
    #[schema(value_type = Option<i64>)]
    winner: Option<TriggerId>,
    would_start_flow: bool,
    reason: String,
}

/// How one trigger of the bot fares.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CandidateView {
    #[schema(value_type = i64)]
    trigger_id: TriggerId,
    name: String,
    matched: bool,
    priority: i64,
    is_active: bool,
    interrupt: bool,
    /// How sure a matcher is that matches, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// Why it matches and goes first, or why not.
    reason: String,
}

/// Try a message on a trigger, without starting anything.
#[utoipa::path(
    post, path = "/triggers/{trigger_id}/test", tag = "triggers", operation_id = "test_trigger",
    params(("trigger_id" = i64, Path)), request_body = Trial, responses((status = OK, body = TrialOutcome))
)]
pub(in crate::http) async fn test(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TriggerId>,
    mut body: Body,
) -> Result<Json<TrialOutcome>> {
    let message = body.text("test_message").max(MESSAGE_CHARS_MAX).required();
    body.finish()?;
    let mut tx = app.db.read().await?;
    let trigger = tx.trigger(current.id, id).await?.ok_or_else(|| Problem::not_found("trigger"))?;
    let bot = tx.bot(current.id, trigger.bot_id).await?.ok_or_else(|| Problem::not_found("trigger"))?;
    let is_published = !tx.published_versions(&[trigger.flow_id]).await?.is_empty();
    let all = tx.triggers_of_bot(trigger.bot_id).await?;
    drop(tx);

    let said = ask_matchers(&app, &bot, &all, &message).await;
    let candidates = triggers::explain(&all, &message, &said);
    let own = candidates.iter().find(|candidate| candidate.trigger_id == id);
    // The first that matched is the one a message fires.
    let winner = candidates.iter().find(|candidate| candidate.matched);
    let all: HashMap<TriggerId, Trigger> = all.into_iter().map(|trigger| (trigger.id, trigger)).collect();
    let interrupts = |candidate: &&Candidate| all.get(&candidate.trigger_id).is_some_and(|trigger| trigger.interrupt);
    let interrupting = candidates.iter().filter(|candidate| candidate.matched).find(interrupts);
    let can_start = bot.is_active && is_published;
    let is_own = |found: Option<&Candidate>| found.is_some_and(|found| found.trigger_id == id);
    let reason = match own {
        _ if is_own(winner) && !bot.is_active => "matches and goes first, but the bot is switched off".into(),
        _ if is_own(winner) && !is_published => "matches and goes first, but its flow has no published version".into(),
        Some(own) => explained(own, winner),
        None => "is gone".into(),
    };
    Ok(Json(TrialOutcome {
        matched: own.is_some_and(|own| own.matched),
        matched_keyword: own.and_then(|own| own.matched_keyword.clone()),
        would_start_flow: is_own(winner) && can_start,
        winner: winner.map(|winner| winner.trigger_id),
        while_waiting: WhileWaiting {
            winner: interrupting.map(|winner| winner.trigger_id),
            would_start_flow: is_own(interrupting) && can_start,
            reason: match (own, interrupting) {
                (Some(own), _) if !own.matched => reason.clone(),
                (_, None) => "does not interrupt: the execution that waits gets the message".into(),
                (_, Some(found)) if found.trigger_id != id => {
                    format!("trigger {} interrupts the execution that waits", found.trigger_id)
                }
                _ if can_start => "interrupts the execution that waits".into(),
                _ if bot.is_active => "interrupts, but its flow has no published version".into(),
                _ => "interrupts, but the bot is switched off".into(),
            },
        },
        reason,
        candidates: all_shown(&candidates, &all, winner),
    }))
}

/// Asks the matchers that are switched on about a text from a contact of whom nothing is known.
async fn ask_matchers(app: &App, bot: &Bot, all: &[Trigger], text: &str) -> HashMap<TriggerId, Said> {
    let now = app.clock.now();
    let info = bot.info();
    let message = InboundMessage {
        id: MessageId(0),
        kind: "text".into(),
        text: Some(text.to_owned()),
        reply_id: None,
        content: serde_json::json!({ "body": text }),
        context: None,
        referral: None,
        error: None,
        timestamp: now,
    };
    let matchers = all.iter().filter_map(|trigger| match &trigger.rule {
        TriggerRule::Plugin(rule) if trigger.is_active && rule.listens_to(PluginRule::MESSAGE) => {
            Some((trigger.id, rule))
        }
        _ => None,
    });
    let asked = matchers.take(MATCHERS_MAX).map(async |(id, rule)| {
        let call = MatchCall {
            trigger: TriggerCall {
                plugin: rule.plugin.clone(),
                trigger_type: rule.trigger_type.clone(),
                config: rule.config.clone(),
                context: surroundings(&info, None, Some(&message), now),
                contact: None,
                idempotency_key: format!("test-{id}-{}", now.timestamp_micros()),
            },
            occurrence: Occurrence::Message(engine::message_document(Some(&message))),
        };
        let answer = ask_one(&app.plugins, bot.id, call, &Limits::default()).await;
        (id, answer.map(|answer| answer.map(|answer| (answer.recognised.score, answer.reason))))
    });
    join_all(asked).await.into_iter().collect()
}

fn all_shown(
    candidates: &[Candidate],
    all: &HashMap<TriggerId, Trigger>,
    winner: Option<&Candidate>,
) -> Vec<CandidateView> {
    let show = |candidate: &Candidate| {
        let trigger = all.get(&candidate.trigger_id)?;
        Some(CandidateView {
            trigger_id: candidate.trigger_id,
            name: trigger.name.clone(),
            matched: candidate.matched,
            priority: candidate.priority,
            is_active: trigger.is_active,
            interrupt: trigger.interrupt,
            score: candidate.score,
            reason: explained(candidate, winner),
        })
    };
    candidates.iter().filter_map(show).collect()
}

/// The reason, and what decided between this one and the winner.
fn explained(candidate: &Candidate, winner: Option<&Candidate>) -> String {
    match winner {
        Some(winner) if candidate.matched && winner.trigger_id != candidate.trigger_id => {
            let sure = |candidate: &Candidate| candidate.score.unwrap_or(1.0);
            let why = match winner.priority > candidate.priority {
                true => "higher priority",
                false if sure(winner) > sure(candidate) => "same priority, surer",
                false => "same priority, lower id",
            };
            format!("{} ({why})", candidate.reason)
        }
        _ => candidate.reason.clone(),
    }
}
