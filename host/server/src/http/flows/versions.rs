//! `GET /bots/flows/{flow_id}/versions`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::FlowId;
use serde::Serialize;
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

/// A published version of a flow.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct VersionView {
    version: i64,
    /// Whether new executions run it.
    is_current: bool,
    created_at: DateTime<Utc>,
}

/// The published versions of a flow, newest first.
#[utoipa::path(
    get, path = "/bots/flows/{flow_id}/versions", tag = "flows", operation_id = "list_flow_versions",
    params(("flow_id" = i64, Path), Paging), responses((status = OK, body = List<VersionView>))
)]
pub(in crate::http) async fn versions(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<FlowId>,
    Query(mut query): Query,
) -> Result<Json<List<VersionView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mut tx = app.db.read().await?;
    let flow = tx.flow(current.id, id).await?.ok_or_else(|| Problem::not_found("flow"))?;
    let versions = tx.flow_versions(id, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(versions, |row| VersionView {
        version: row.version,
        is_current: flow.published_version == Some(row.version),
        created_at: row.created_at,
    })))
}
