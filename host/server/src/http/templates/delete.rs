//! `DELETE /bots/templates/{template_id}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::TemplateId;

use crate::{
    app::App,
    gallery,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Delete a template. Flows made from it stay.
#[utoipa::path(
    delete, path = "/bots/templates/{template_id}", tag = "templates", operation_id = "delete_template",
    params(("template_id" = i64, Path)), responses((status = NO_CONTENT), (status = CONFLICT, description = "It comes with the server"))
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TemplateId>,
) -> Result<StatusCode> {
    if gallery::get(id).is_some() {
        return Err(Problem::conflict("this template comes with the server and cannot be deleted"));
    }
    let mut tx = app.db.begin().await?;
    if !tx.delete_template(current.id, id).await? {
        return Err(Problem::not_found("template"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
