//! `GET /triggers/`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::TriggerView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::Result,
    },
};

/// The triggers of all my bots.
#[utoipa::path(
    get, path = "/triggers/", tag = "triggers", operation_id = "list_triggers",
    params(Paging), responses((status = OK, body = List<TriggerView>))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<TriggerView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let triggers = app.db.read().await?.triggers(current.id, None, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(triggers, |trigger| TriggerView::of(trigger, &app))))
}
