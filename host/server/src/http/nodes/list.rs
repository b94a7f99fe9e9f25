//! `GET /bots/nodes/`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::NodeView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// The nodes of one of my flows by position, or of all.
#[utoipa::path(
    get, path = "/bots/nodes/", tag = "flows", operation_id = "list_nodes",
    params(Paging, ("flow_id" = Option<i64>, Query)),
    responses((status = OK, body = List<NodeView>), (status = NOT_FOUND, description = "No such flow"))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<NodeView>>> {
    let paging = Paging::read(&mut query);
    let flow = query.id("flow_id").optional();
    query.finish()?;
    let mut tx = app.db.read().await?;
    if let Some(flow) = flow {
        tx.flow(current.id, flow).await?.ok_or_else(|| Problem::not_found("flow"))?;
    }
    let nodes = tx.nodes(current.id, flow, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(nodes, NodeView::from)))
}
