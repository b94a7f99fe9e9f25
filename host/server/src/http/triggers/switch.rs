//! `POST /triggers/{trigger_id}/activate` and `…/deactivate`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{TriggerId, UserId};

use super::{TriggerView, keep::keep};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Switch a trigger on.
#[utoipa::path(
    post, path = "/triggers/{trigger_id}/activate", tag = "triggers", operation_id = "activate_trigger",
    params(("trigger_id" = i64, Path)), responses((status = OK, body = TriggerView))
)]
pub(in crate::http) async fn activate(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TriggerId>,
) -> Result<Json<TriggerView>> {
    switch(&app, current.id, id, true).await
}

/// Switch a trigger off: it matches nothing.
#[utoipa::path(
    post, path = "/triggers/{trigger_id}/deactivate", tag = "triggers", operation_id = "deactivate_trigger",
    params(("trigger_id" = i64, Path)), responses((status = OK, body = TriggerView))
)]
pub(in crate::http) async fn deactivate(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TriggerId>,
) -> Result<Json<TriggerView>> {
    switch(&app, current.id, id, false).await
}

async fn switch(app: &App, owner: UserId, id: TriggerId, is_active: bool) -> Result<Json<TriggerView>> {
    let mut tx = app.db.begin().await?;
    let trigger = tx.claim_trigger(owner, id).await?.ok_or_else(|| Problem::not_found("trigger"))?;
    let mut fields = trigger.fields();
    fields.is_active = is_active;
    let now = app.clock.now();
    let mut after = tx.update_trigger(id, &fields, now).await?;
    keep(&mut tx, Some(&trigger), &mut after, now).await?;
    tx.commit().await?;
    app.work.reschedule();
    Ok(Json(TriggerView::of(after, app)))
}
