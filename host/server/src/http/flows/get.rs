//! `GET /bots/flows/{flow_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::FlowId;

use super::{FlowView, lint, plugins};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// One flow with its nodes and issues.
#[utoipa::path(
    get, path = "/bots/flows/{flow_id}", tag = "flows", operation_id = "get_flow",
    params(("flow_id" = i64, Path)), responses((status = OK, body = FlowView))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<FlowId>,
) -> Result<Json<FlowView>> {
    let mut tx = app.db.read().await?;
    let flow = tx.flow(current.id, id).await?.ok_or_else(|| Problem::not_found("flow"))?;
    let nodes = tx.nodes_of_flow(id).await?;
    let opening = lint::opening(&mut tx, id).await?;
    drop(tx);
    let definition = storage::definition(&nodes);
    let catalogue = plugins::catalogue(&app, current.id, &definition).await?;
    let issues = lint::validate(&definition, &catalogue, opening);
    Ok(Json(FlowView::new(flow, nodes, issues)))
}
