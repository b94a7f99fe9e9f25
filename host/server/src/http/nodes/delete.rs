//! `DELETE /bots/nodes/{node_id}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::NodeId;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        flows::save,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Delete a node. The others keep their positions; references to it become issues of the flow.
#[utoipa::path(
    delete, path = "/bots/nodes/{node_id}", tag = "flows", operation_id = "delete_node",
    params(("node_id" = i64, Path)), responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<NodeId>,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    let (flow, _) = save::claim_node(&mut tx, current.id, id).await?.ok_or_else(|| Problem::not_found("node"))?;
    tx.delete_node(id).await?;
    save::settle_from_draft(&app, current.id, &mut tx, flow, app.clock.now()).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
