//! `POST /bots/flows/`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use domain::BotId;

use super::{FlowView, input, save};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        problem::{Problem, Result},
    },
};

/// Make a flow, with or without nodes. A half-built one is saved too; its faults come back as `issues`.
#[utoipa::path(
    post, path = "/bots/flows/", tag = "flows", operation_id = "create_flow", request_body = input::FlowInput,
    responses((status = CREATED, body = FlowView), (status = NOT_FOUND, description = "No such bot"))
)]
pub(in crate::http) async fn create(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    mut body: Body,
) -> Result<(StatusCode, Json<FlowView>)> {
    let bot: Option<BotId> = body.id("bot_id").needed();
    let mut fields = input::blank();
    let nodes = input::read(&mut body, &mut fields, true).unwrap_or_default();
    body.finish()?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let bot = match bot {
        Some(id) => tx.claim_bot(current.id, id).await?,
        None => None,
    };
    let bot = bot.ok_or_else(|| Problem::not_found("bot"))?;
    let flow = tx.create_flow(bot.id, &fields, now).await?;
    let nodes = tx.replace_nodes(flow.id, &nodes, now).await?;
    let saved = save::settle(&app, current.id, &mut tx, flow, nodes, now).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(saved.into())))
}
