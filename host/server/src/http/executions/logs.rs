//! `GET /flows/executions/{execution_id}/logs`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::ExecutionId;
use serde::Serialize;
use serde_json::Value;
use storage::StepRow;
use utoipa::ToSchema;

use super::find;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        id::Id,
        page::{List, Paging},
        problem::Result,
    },
};

/// One step of an execution.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Step)]
pub(in crate::http) struct StepView {
    /// Number within the execution, from 0.
    seq: i64,
    /// Position of the node; none for what concerns the flow as a whole.
    node: Option<i64>,
    /// Node type, or `flow`.
    r#type: String,
    /// What happened, e.g. `sent`, `branch`, `failed`.
    event: String,
    /// More about it.
    #[schema(value_type = Object)]
    detail: Value,
    /// Microseconds spent on it.
    duration_us: i64,
    at: DateTime<Utc>,
}

impl From<StepRow> for StepView {
    fn from(row: StepRow) -> Self {
        Self {
            seq: row.seq,
            node: row.node,
            r#type: row.r#type,
            event: row.event,
            detail: row.detail.0,
            duration_us: row.duration_us,
            at: row.at,
        }
    }
}

/// What an execution did, step by step.
#[utoipa::path(
    get, path = "/flows/executions/{execution_id}/logs", tag = "executions", operation_id = "list_execution_logs",
    params(("execution_id" = i64, Path), Paging), responses((status = OK, body = List<StepView>))
)]
pub(in crate::http) async fn logs(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ExecutionId>,
    Query(mut query): Query,
) -> Result<Json<List<StepView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mut tx = app.db.read().await?;
    find(&mut tx, current.id, id).await?;
    let page = tx.list_steps(id, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(page, StepView::from)))
}
