//! `PUT /bots/{bot_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::BotId;

use super::{BotView, input};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Change a bot. What is absent stays as it is, null clears.
#[utoipa::path(
    put, path = "/bots/{bot_id}", tag = "bots", operation_id = "update_bot",
    params(("bot_id" = i64, Path)), request_body = input::BotInput,
    responses((status = OK, body = BotView), (status = CONFLICT, description = "Another bot has the number"))
)]
pub(in crate::http) async fn update(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<BotId>,
    mut body: Body,
) -> Result<Json<BotView>> {
    let mut tx = app.db.begin().await?;
    let bot = tx.claim_bot(current.id, id).await?.ok_or_else(|| Problem::not_found("bot"))?;
    let mut settings = bot.settings();
    let secrets = input::read(&mut body, &mut settings, false);
    body.finish()?;
    secrets.seal_into(&mut settings, id, &app.secrets)?;
    let bot = tx.update_bot(id, &settings, app.clock.now()).await.map_err(input::conflict)?;
    tx.commit().await?;
    Ok(Json(bot.into()))
}
