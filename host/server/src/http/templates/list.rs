//! `GET /bots/templates/`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::TemplateView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::Result,
    },
};

/// My templates.
#[utoipa::path(
    get, path = "/bots/templates/", tag = "templates", operation_id = "list_templates",
    params(Paging), responses((status = OK, body = List<TemplateView>))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<TemplateView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let templates = app.db.read().await?.templates(current.id, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(templates, TemplateView::from)))
}
