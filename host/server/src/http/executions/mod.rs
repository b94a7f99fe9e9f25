//! Executions: flows at work with a contact.

pub(super) mod cancel;
pub(super) mod execute;
pub(super) mod get;
pub(super) mod input;
pub(super) mod logs;
pub(super) mod of_contact;
pub(super) mod resume;
pub(super) mod statistics;

use std::{sync::Arc, time::Duration};

use axum::Json;
use chrono::{DateTime, Utc};
use domain::{ExecutionId, ExecutionStatus, UserId};
use serde::Serialize;
use serde_json::Value;
use storage::{ExecutionRow, Tx};
use utoipa::ToSchema;

use super::problem::{Problem, Result};
use crate::{app::App, work::Request};

/// How long a request waits for what it asked of an execution to be done.
const PATIENCE: Duration = Duration::from_secs(5);

/// One run of a flow with one contact.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Execution)]
pub(super) struct ExecutionView {
    id: i64,
    flow_id: i64,
    /// The version it began with and keeps.
    flow_version: i64,
    bot_id: i64,
    contact_id: i64,
    /// Phone number in digits, or business-scoped user id.
    contact_phone: String,
    /// `running`, `waiting_input`, `waiting_timer`, `waiting_event`, `waiting_effect`, `completed`, `failed` or `cancelled`.
    status: &'static str,
    /// Position of the node it is at; of the last one when it has ended.
    current_node: Option<i64>,
    /// The flow's variables.
    #[schema(value_type = Object)]
    state: Value,
    /// The trigger that started it; none when it was started by API.
    trigger_id: Option<i64>,
    /// When a wait ends by itself.
    wake_at: Option<DateTime<Utc>>,
    /// Why it failed.
    error: Option<String>,
    started_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    completed_at: Option<DateTime<Utc>>,
}

impl From<ExecutionRow> for ExecutionView {
    fn from(row: ExecutionRow) -> Self {
        let execution = row.execution;
        Self {
            id: execution.id.0,
            flow_id: execution.flow_id.0,
            flow_version: execution.flow_version,
            bot_id: execution.bot_id.0,
            contact_id: execution.contact_id.0,
            contact_phone: row.contact_address,
            status: execution.status.as_str(),
            current_node: execution.current_node,
            state: Value::Object(execution.state),
            trigger_id: row.trigger_id.map(|id| id.0),
            wake_at: execution.wake_at,
            error: execution.error,
            started_at: execution.started_at,
            updated_at: execution.updated_at,
            completed_at: execution.completed_at,
        }
    }
}

/// The execution, if it is the user's.
async fn find(tx: &mut Tx, owner: UserId, id: ExecutionId) -> Result<ExecutionRow> {
    let row = tx.execution(id).await?.ok_or_else(|| Problem::not_found("execution"))?;
    match tx.bot(owner, row.execution.bot_id).await? {
        Some(_) => Ok(row),
        None => Err(Problem::not_found("execution")),
    }
}

/// Asks something of an execution whose status allows it, and shows what became of it.
async fn ask(
    app: &Arc<App>,
    owner: UserId,
    id: ExecutionId,
    request: Request,
    allowed: fn(ExecutionStatus) -> bool,
) -> Result<Json<ExecutionView>> {
    let mut tx = app.db.begin().await?;
    let row = find(&mut tx, owner, id).await?;
    let status = row.execution.status;
    if !allowed(status) {
        return Err(Problem::conflict(format!("the execution is {}, which does not allow this", status.as_str()))
            .with("status_of_execution", status.as_str()));
    }
    let after = app.work.ask(tx, &row, request, PATIENCE).await?;
    after.map(|row| Json(row.into())).ok_or_else(|| Problem::not_found("execution"))
}
