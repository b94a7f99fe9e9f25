//! `DELETE /bots/flows/{flow_id}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::FlowId;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Delete a flow and its triggers. Executions that run it finish.
#[utoipa::path(
    delete, path = "/bots/flows/{flow_id}", tag = "flows", operation_id = "delete_flow",
    params(("flow_id" = i64, Path)), responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<FlowId>,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    let flow = tx.claim_flow(current.id, id).await?.ok_or_else(|| Problem::not_found("flow"))?;
    tx.delete_flow(flow.id, app.clock.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
