//! `POST /bots/flows/{flow_id}/validate`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::FlowId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{IssueView, lint, plugins, save};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// What is wrong with a flow as saved.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Verdict {
    /// Whether it may be published.
    valid: bool,
    issues: Vec<IssueView>,
}

/// Check a flow as saved.
#[utoipa::path(
    post, path = "/bots/flows/{flow_id}/validate", tag = "flows", operation_id = "validate_flow",
    params(("flow_id" = i64, Path)), responses((status = OK, body = Verdict))
)]
pub(in crate::http) async fn validate(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<FlowId>,
) -> Result<Json<Verdict>> {
    let mut tx = app.db.read().await?;
    let flow = tx.flow(current.id, id).await?.ok_or_else(|| Problem::not_found("flow"))?;
    let nodes = tx.nodes_of_flow(flow.id).await?;
    let opening = lint::opening(&mut tx, id).await?;
    drop(tx);
    let definition = storage::definition(&nodes);
    let catalogue = plugins::catalogue(&app, current.id, &definition).await?;
    let issues = lint::validate(&definition, &catalogue, opening);
    let valid = save::is_publishable(&issues);
    Ok(Json(Verdict { valid, issues: issues.into_iter().map(IssueView::from).collect() }))
}
