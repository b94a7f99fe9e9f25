//! `POST /flows/executions/{execution_id}/cancel`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::ExecutionId;

use super::{ExecutionView, ask};
use crate::{
    app::App,
    http::{auth::CurrentUser, id::Id, problem::Result},
    work::Request,
};

/// Stop an execution. Messages that it has queued are still sent.
#[utoipa::path(
    post, path = "/flows/executions/{execution_id}/cancel", tag = "executions", operation_id = "cancel_execution",
    params(("execution_id" = i64, Path)),
    responses((status = OK, body = ExecutionView), (status = CONFLICT, description = "It has ended already"))
)]
pub(in crate::http) async fn cancel(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ExecutionId>,
) -> Result<Json<ExecutionView>> {
    ask(&app, current.id, id, Request::Cancel, |status| !status.is_final()).await
}
