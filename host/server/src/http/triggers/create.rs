//! `POST /triggers/`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use domain::{BotId, TriggerRule};

use super::{
    TriggerView, hook_rules, input,
    keep::{keep, keep_secret},
};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        problem::{Problem, Result},
    },
};

/// Make a trigger.
#[utoipa::path(
    post, path = "/triggers/", tag = "triggers", operation_id = "create_trigger", request_body = input::TriggerInput,
    responses((status = CREATED, body = TriggerView), (status = NOT_FOUND, description = "No such bot or flow"))
)]
pub(in crate::http) async fn create(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    mut body: Body,
) -> Result<(StatusCode, Json<TriggerView>)> {
    let bot: Option<BotId> = body.id("bot_id").needed();
    let mut fields = input::blank();
    input::read(&mut body, &mut fields, true);
    let secret = hook_rules::secret(&mut body).flatten();
    body.finish()?;
    hook_rules::check_secret(&fields.rule, secret.is_some())?;
    if let TriggerRule::Plugin(rule) = &mut fields.rule {
        hook_rules::fit(&app, current.id, rule).await?;
    }
    let mut tx = app.db.begin().await?;
    let bot = match bot {
        Some(id) => tx.claim_bot(current.id, id).await?,
        None => None,
    };
    let bot = bot.ok_or_else(|| Problem::not_found("bot"))?;
    input::check_flow(&mut tx, current.id, bot.id, fields.flow_id).await?;
    let now = app.clock.now();
    input::check_future(&fields.rule, now)?;
    let mut trigger = tx.create_trigger(bot.id, &fields, now).await?;
    keep(&mut tx, None, &mut trigger, now).await?;
    keep_secret(&app, &mut tx, &mut trigger, Some(secret)).await?;
    tx.commit().await?;
    app.work.reschedule();
    Ok((StatusCode::CREATED, Json(TriggerView::of(trigger, &app))))
}
