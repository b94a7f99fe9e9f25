//! `DELETE /flows/contacts/{contact_id}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::ContactId;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Delete a contact with its messages and executions.
#[utoipa::path(
    delete, path = "/flows/contacts/{contact_id}", tag = "contacts", operation_id = "delete_contact",
    params(("contact_id" = i64, Path)), responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ContactId>,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    if !tx.delete_contact(current.id, id).await? {
        return Err(Problem::not_found("contact"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}
