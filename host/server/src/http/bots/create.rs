//! `POST /bots/`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use storage::BotSettings;

use super::{BotView, input};
use crate::{
    app::App,
    http::{auth::CurrentUser, body::Body, problem::Result},
};

/// Make a bot.
#[utoipa::path(
    post, path = "/bots/", tag = "bots", operation_id = "create_bot", request_body = input::BotInput,
    responses((status = CREATED, body = BotView), (status = CONFLICT, description = "Another bot has the number"))
)]
pub(in crate::http) async fn create(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    mut body: Body,
) -> Result<(StatusCode, Json<BotView>)> {
    let mut settings =
        BotSettings { timezone: "UTC".into(), is_active: true, is_whatsapp_enabled: true, ..BotSettings::default() };
    let secrets = input::read(&mut body, &mut settings, true);
    body.finish()?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let mut bot = tx.create_bot(current.id, &settings, now).await.map_err(input::conflict)?;
    // Secrets are sealed for their bot, so the bot must have its id first.
    if secrets.is_some() {
        secrets.seal_into(&mut settings, bot.id, &app.secrets)?;
        bot = tx.update_bot(bot.id, &settings, now).await?;
    }
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(bot.into())))
}
