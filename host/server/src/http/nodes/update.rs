//! `PUT /bots/nodes/{node_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::NodeId;

use super::{NodeView, input};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        flows::save,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Change a node. What is absent stays as it is, null clears.
#[utoipa::path(
    put, path = "/bots/nodes/{node_id}", tag = "flows", operation_id = "update_node",
    params(("node_id" = i64, Path)), request_body = input::NodeInput,
    responses((status = OK, body = NodeView), (status = CONFLICT, description = "The position or the key is taken"))
)]
pub(in crate::http) async fn update(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<NodeId>,
    mut body: Body,
) -> Result<Json<NodeView>> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let (flow, node) = save::claim_node(&mut tx, current.id, id).await?.ok_or_else(|| Problem::not_found("node"))?;
    let mut fields = node.fields();
    input::stays_in(&mut body, flow.id);
    input::read(&mut body, &mut fields, false);
    body.finish()?;
    let node = tx.update_node(id, &fields, now).await.map_err(input::conflict)?;
    save::settle_from_draft(&app, current.id, &mut tx, flow, now).await?;
    tx.commit().await?;
    Ok(Json(node.into()))
}
