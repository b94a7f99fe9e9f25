//! `PUT /bots/flows/{flow_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{BotId, FlowId};

use super::{FlowView, input, save};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Change a flow. What is absent stays as it is; `nodes` replaces all nodes.
#[utoipa::path(
    put, path = "/bots/flows/{flow_id}", tag = "flows", operation_id = "update_flow",
    params(("flow_id" = i64, Path)), request_body = input::FlowInput,
    responses((status = OK, body = FlowView))
)]
pub(in crate::http) async fn update(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<FlowId>,
    mut body: Body,
) -> Result<Json<FlowView>> {
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let flow = tx.claim_flow(current.id, id).await?.ok_or_else(|| Problem::not_found("flow"))?;
    let stays =
        |bot: &BotId| if *bot == flow.bot_id { Ok(()) } else { Err("a flow does not move to another bot".into()) };
    let _ = body.id::<BotId>("bot_id").check(stays).optional();
    let mut fields = flow.fields();
    let nodes = input::read(&mut body, &mut fields, false);
    body.finish()?;
    let flow = tx.update_flow(id, &fields, now).await?;
    let nodes = match nodes {
        Some(nodes) => tx.replace_nodes(id, &nodes, now).await?,
        None => tx.nodes_of_flow(id).await?,
    };
    let saved = save::settle(&app, current.id, &mut tx, flow, nodes, now).await?;
    tx.commit().await?;
    Ok(Json(saved.into()))
}
