//! `GET /flows/executions/{execution_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::ExecutionId;

use super::{ExecutionView, find};
use crate::{
    app::App,
    http::{auth::CurrentUser, id::Id, problem::Result},
};

/// One execution.
#[utoipa::path(
    get, path = "/flows/executions/{execution_id}", tag = "executions", operation_id = "get_execution",
    params(("execution_id" = i64, Path)), responses((status = OK, body = ExecutionView))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ExecutionId>,
) -> Result<Json<ExecutionView>> {
    let mut tx = app.db.read().await?;
    Ok(Json(find(&mut tx, current.id, id).await?.into()))
}
