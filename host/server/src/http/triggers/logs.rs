//! `GET /triggers/{trigger_id}/logs`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::TriggerId;
use serde::Serialize;
use storage::TriggerLog;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        id::Id,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// A trigger fired, and started its flow or was refused it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriggerLog)]
pub(in crate::http) struct LogView {
    id: i64,
    trigger_id: i64,
    bot_id: i64,
    flow_id: i64,
    contact_id: Option<i64>,
    /// Phone number in digits, or business-scoped user id.
    contact_phone: Option<String>,
    /// What it started; null when it was refused.
    execution_id: Option<i64>,
    /// The message that fired it.
    message_id: Option<i64>,
    /// `started` or `refused`.
    decision: String,
    /// Why it fired, or why it was refused.
    reason: String,
    at: DateTime<Utc>,
}

impl From<TriggerLog> for LogView {
    fn from(log: TriggerLog) -> Self {
        Self {
            id: log.id,
            trigger_id: log.trigger_id.0,
            bot_id: log.bot_id.0,
            flow_id: log.flow_id.0,
            contact_id: log.contact_id.map(|id| id.0),
            contact_phone: log.contact_address,
            execution_id: log.execution_id.map(|id| id.0),
            message_id: log.message_id.map(|id| id.0),
            decision: log.decision,
            reason: log.reason,
            at: log.at,
        }
    }
}

/// What a trigger started or was refused, newest first.
#[utoipa::path(
    get, path = "/triggers/{trigger_id}/logs", tag = "triggers", operation_id = "list_trigger_logs",
    params(("trigger_id" = i64, Path), Paging), responses((status = OK, body = List<LogView>))
)]
pub(in crate::http) async fn logs(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TriggerId>,
    Query(mut query): Query,
) -> Result<Json<List<LogView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mut tx = app.db.read().await?;
    tx.trigger(current.id, id).await?.ok_or_else(|| Problem::not_found("trigger"))?;
    let logs = tx.trigger_logs(id, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(logs, LogView::from)))
}
