//! `GET /bots/nodes/{node_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::NodeId;

use super::NodeView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// One node.
#[utoipa::path(
    get, path = "/bots/nodes/{node_id}", tag = "flows", operation_id = "get_node",
    params(("node_id" = i64, Path)), responses((status = OK, body = NodeView))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<NodeId>,
) -> Result<Json<NodeView>> {
    let node = app.db.read().await?.node(current.id, id).await?;
    Ok(Json(node.ok_or_else(|| Problem::not_found("node"))?.into()))
}
