//! `GET /bots/templates/{template_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::TemplateId;

use super::TemplateView;
use crate::{
    app::App,
    gallery,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// One template.
#[utoipa::path(
    get, path = "/bots/templates/{template_id}", tag = "templates", operation_id = "get_template",
    params(("template_id" = i64, Path)), responses((status = OK, body = TemplateView))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TemplateId>,
) -> Result<Json<TemplateView>> {
    if let Some(built_in) = gallery::get(id) {
        return Ok(Json(built_in.into()));
    }
    let template = app.db.read().await?.template(current.id, id).await?;
    Ok(Json(template.ok_or_else(|| Problem::not_found("template"))?.into()))
}
