//! `PUT /bots/{bot_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::BotId;
use storage::BotSettings;

use super::{BotView, input};
use crate::{
    app::App,
    health,
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
    let before = settings.clone();
    let secrets = input::read(&mut body, &mut settings, false);
    body.finish()?;
    secrets.seal_into(&mut settings, id, &app.secrets)?;
    let now = app.clock.now();
    let mut bot = tx.update_bot(id, &settings, now).await.map_err(input::conflict)?;
    let is_mended = reaches_meta_otherwise(&before, &settings);
    if is_mended {
        if let Some(number) = app.work.sender(&bot) {
            tx.move_queued(id, &number).await?;
        }
        health::release(&mut tx, id, now).await?;
        bot = tx.bot(current.id, id).await?.ok_or_else(|| Problem::not_found("bot"))?;
    }
    tx.commit().await?;
    if is_mended {
        app.work.mended(id);
    }
    Ok(Json(bot.into()))
}

/// Whether messages go out in another way than before: what Meta refused may be taken now.
fn reaches_meta_otherwise(before: &BotSettings, after: &BotSettings) -> bool {
    before.whatsapp_access_token != after.whatsapp_access_token
        || before.whatsapp_phone_number_id != after.whatsapp_phone_number_id
        || before.whatsapp_business_account_id != after.whatsapp_business_account_id
        || before.is_whatsapp_enabled != after.is_whatsapp_enabled
}
