//! `POST /bots/nodes/`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use domain::FlowId;

use super::{NodeView, input};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        flows::save,
        problem::{Problem, Result},
    },
};

/// Add a node to a flow.
#[utoipa::path(
    post, path = "/bots/nodes/", tag = "flows", operation_id = "create_node", request_body = input::NodeInput,
    responses(
        (status = CREATED, body = NodeView),
        (status = NOT_FOUND, description = "No such flow"),
        (status = CONFLICT, description = "The position or the key is taken"),
    )
)]
pub(in crate::http) async fn create(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    mut body: Body,
) -> Result<(StatusCode, Json<NodeView>)> {
    let flow_id: Option<FlowId> = body.id("flow_id").needed();
    // A position below zero stands for none yet.
    let mut fields = input::blank(-1);
    input::read(&mut body, &mut fields, true);
    body.finish()?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let flow = match flow_id {
        Some(id) => tx.claim_flow(current.id, id).await?,
        None => None,
    };
    let flow = flow.ok_or_else(|| Problem::not_found("flow"))?;
    if fields.position < 0 {
        fields.position = tx.next_position(flow.id).await?;
    }
    let node = tx.create_node(flow.id, &fields, now).await.map_err(input::conflict)?;
    save::settle_from_draft(&app, current.id, &mut tx, flow, now).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(node.into())))
}
