//! `GET /bots/flows/`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::FlowSummary;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// The flows of one of my bots, or of all, without their nodes.
#[utoipa::path(
    get, path = "/bots/flows/", tag = "flows", operation_id = "list_flows",
    params(Paging, ("bot_id" = Option<i64>, Query)),
    responses((status = OK, body = List<FlowSummary>), (status = NOT_FOUND, description = "No such bot"))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<FlowSummary>>> {
    let paging = Paging::read(&mut query);
    let bot = query.id("bot_id").optional();
    query.finish()?;
    let mut tx = app.db.read().await?;
    if let Some(bot) = bot {
        tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    }
    let flows = tx.flows(current.id, bot, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(flows, FlowSummary::from)))
}
