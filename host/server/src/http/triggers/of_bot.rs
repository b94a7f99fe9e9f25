//! `GET /triggers/bot/{bot_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::BotId;

use super::TriggerView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        id::Id,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// The triggers of one of my bots.
#[utoipa::path(
    get, path = "/triggers/bot/{bot_id}", tag = "triggers", operation_id = "list_triggers_of_bot",
    params(("bot_id" = i64, Path), Paging), responses((status = OK, body = List<TriggerView>))
)]
pub(in crate::http) async fn of_bot(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(bot): Id<BotId>,
    Query(mut query): Query,
) -> Result<Json<List<TriggerView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mut tx = app.db.read().await?;
    tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    let triggers = tx.triggers(current.id, Some(bot), paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(triggers, |trigger| TriggerView::of(trigger, &app))))
}
