//! `POST /triggers/{trigger_id}/test`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::TriggerId;
use engine::triggers::KeywordIndex;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Most characters of a WhatsApp text.
const MESSAGE_CHARS_MAX: usize = 4_096;

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
    /// All triggers of the bot, those that go first first.
    candidates: Vec<CandidateView>,
}

/// How one trigger of the bot fares.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CandidateView {
    #[schema(value_type = i64)]
    trigger_id: TriggerId,
    matched: bool,
    priority: i64,
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
    let triggers = tx.triggers_of_bot(trigger.bot_id).await?;
    drop(tx);

    let candidates = KeywordIndex::build(&triggers).explain(&message);
    // The first that matched is the one a message fires.
    let wins = candidates.iter().find(|candidate| candidate.matched).is_some_and(|winner| winner.trigger_id == id);
    let own = candidates.iter().find(|candidate| candidate.trigger_id == id);
    let reason = match own {
        _ if wins && !bot.is_active => "matches and goes first, but the bot is switched off".into(),
        _ if wins && !is_published => "matches and goes first, but its flow has no published version".into(),
        Some(own) => own.reason.clone(),
        None => "no keyword trigger".into(),
    };
    Ok(Json(TrialOutcome {
        matched: own.is_some_and(|own| own.matched),
        matched_keyword: own.and_then(|own| own.matched_keyword.clone()),
        would_start_flow: wins && bot.is_active && is_published,
        reason,
        candidates: candidates
            .into_iter()
            .map(|candidate| CandidateView {
                trigger_id: candidate.trigger_id,
                matched: candidate.matched,
                priority: candidate.priority,
                reason: candidate.reason,
            })
            .collect(),
    }))
}
