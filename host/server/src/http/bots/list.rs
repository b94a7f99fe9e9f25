//! `GET /bots/`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::BotView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::Result,
    },
};

/// My bots.
#[utoipa::path(
    get, path = "/bots/", tag = "bots", operation_id = "list_bots",
    params(Paging), responses((status = OK, body = List<BotView>))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<BotView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let bots = app.db.read().await?.bots(current.id, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(bots, BotView::from)))
}
