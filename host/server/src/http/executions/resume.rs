//! `POST /flows/executions/{execution_id}/resume`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{ExecutionId, ExecutionStatus};

use super::{ExecutionView, ask};
use crate::{
    app::App,
    http::{auth::CurrentUser, id::Id, problem::Result},
    work::Request,
};

/// End an execution's wait now.
///
/// A timer counts as elapsed. Waiting for a message ends by the node's `timeout_path` if there is one, else with an
/// empty answer.
#[utoipa::path(
    post, path = "/flows/executions/{execution_id}/resume", tag = "executions", operation_id = "resume_execution",
    params(("execution_id" = i64, Path)),
    responses((status = OK, body = ExecutionView), (status = CONFLICT, description = "It does not wait"))
)]
pub(in crate::http) async fn resume(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ExecutionId>,
) -> Result<Json<ExecutionView>> {
    ask(&app, current.id, id, Request::Resume, |status| {
        matches!(status, ExecutionStatus::WaitingInput | ExecutionStatus::WaitingTimer | ExecutionStatus::WaitingEvent)
    })
    .await
}
