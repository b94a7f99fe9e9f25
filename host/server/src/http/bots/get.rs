//! `GET /bots/{bot_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::BotId;

use super::BotView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// One of my bots.
#[utoipa::path(
    get, path = "/bots/{bot_id}", tag = "bots", operation_id = "get_bot",
    params(("bot_id" = i64, Path)), responses((status = OK, body = BotView))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<BotId>,
) -> Result<Json<BotView>> {
    let bot = app.db.read().await?.bot(current.id, id).await?;
    Ok(Json(bot.ok_or_else(|| Problem::not_found("bot"))?.into()))
}
