//! `GET /flows/contacts/{contact_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::ContactId;

use super::ContactView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// One contact.
#[utoipa::path(
    get, path = "/flows/contacts/{contact_id}", tag = "contacts", operation_id = "get_contact",
    params(("contact_id" = i64, Path)), responses((status = OK, body = ContactView))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ContactId>,
) -> Result<Json<ContactView>> {
    let contact = app.db.read().await?.contact(current.id, id).await?;
    Ok(Json(contact.ok_or_else(|| Problem::not_found("contact"))?.into()))
}
