//! `GET /triggers/{trigger_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::TriggerId;

use super::TriggerView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// One trigger.
#[utoipa::path(
    get, path = "/triggers/{trigger_id}", tag = "triggers", operation_id = "get_trigger",
    params(("trigger_id" = i64, Path)), responses((status = OK, body = TriggerView))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TriggerId>,
) -> Result<Json<TriggerView>> {
    let trigger = app.db.read().await?.trigger(current.id, id).await?;
    Ok(Json(TriggerView::of(trigger.ok_or_else(|| Problem::not_found("trigger"))?, &app)))
}
