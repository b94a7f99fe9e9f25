//! `DELETE /triggers/{trigger_id}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::TriggerId;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Delete a trigger. What it started goes on.
#[utoipa::path(
    delete, path = "/triggers/{trigger_id}", tag = "triggers", operation_id = "delete_trigger",
    params(("trigger_id" = i64, Path)), responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TriggerId>,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    tx.claim_trigger(current.id, id).await?.ok_or_else(|| Problem::not_found("trigger"))?;
    tx.delete_trigger(id).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
