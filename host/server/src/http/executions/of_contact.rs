//! `GET /flows/executions/contact/{phone}`

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use domain::{Address, BotId, Fault};

use super::ExecutionView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// A contact's executions, newest first.
#[utoipa::path(
    get, path = "/flows/executions/contact/{phone}", tag = "executions", operation_id = "list_executions_of_contact",
    params(
        ("phone" = String, Path, description = "Phone number with country code, or business-scoped user id"),
        ("bot_id" = Option<i64>, Query, description = "Only of this bot"),
        Paging,
    ),
    responses((status = OK, body = List<ExecutionView>))
)]
pub(in crate::http) async fn of_contact(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Path(phone): Path<String>,
    Query(mut query): Query,
) -> Result<Json<List<ExecutionView>>> {
    let bot = query.id::<BotId>("bot_id").optional();
    let paging = Paging::read(&mut query);
    let address = Address::parse(&phone);
    if let Err(error) = &address {
        query.faults([Fault::new("/path/phone", error.to_string())]);
    }
    query.finish()?;
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    let mut tx = app.db.read().await?;
    if let Some(bot) = bot {
        tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    }
    let page = tx.list_executions(current.id, bot, &address, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(page, ExecutionView::from)))
}
