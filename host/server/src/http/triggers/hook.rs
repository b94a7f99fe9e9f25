//! `POST /triggers/{trigger_id}/rotate-hook`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{TriggerId, TriggerRule, plugin::TriggerKind};
use storage::{TriggerRow, Tx};

use super::TriggerView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
    secrets::random_text,
};

/// Whether requests fire a trigger.
fn has_address(rule: &TriggerRule) -> bool {
    match rule {
        TriggerRule::Webhook(_) => true,
        TriggerRule::Plugin(rule) => rule.kind == TriggerKind::Webhook,
        TriggerRule::Keyword { .. } | TriggerRule::Event { .. } | TriggerRule::Schedule(_) => false,
    }
}

/// Gives a trigger that was just saved an address, or takes it away.
pub(super) async fn keep_address(tx: &mut Tx, trigger: &mut TriggerRow) -> Result<()> {
    if has_address(&trigger.rule) == trigger.hook_token.is_some() {
        return Ok(());
    }
    let token = if trigger.hook_token.is_some() { None } else { Some(new_token()?) };
    tx.set_hook_token(trigger.id, token.as_deref()).await?;
    trigger.hook_token = token;
    Ok(())
}

fn new_token() -> Result<String> {
    random_text().map_err(|error| Problem::internal(&error))
}

/// Give a trigger another address. The one before is gone at once.
#[utoipa::path(
    post, path = "/triggers/{trigger_id}/rotate-hook", tag = "triggers", operation_id = "rotate_hook",
    params(("trigger_id" = i64, Path)),
    responses((status = OK, body = TriggerView), (status = CONFLICT, description = "Requests do not fire this trigger"))
)]
pub(in crate::http) async fn rotate(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TriggerId>,
) -> Result<Json<TriggerView>> {
    let mut tx = app.db.begin().await?;
    let mut trigger = tx.claim_trigger(current.id, id).await?.ok_or_else(|| Problem::not_found("trigger"))?;
    if !has_address(&trigger.rule) {
        return Err(Problem::conflict("requests do not fire this trigger: it has no address"));
    }
    trigger.hook_token = Some(new_token()?);
    tx.set_hook_token(id, trigger.hook_token.as_deref()).await?;
    tx.commit().await?;
    Ok(Json(TriggerView::of(trigger, &app)))
}
