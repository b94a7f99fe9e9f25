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
    let mut tx = app.db.read().await?;
    let contact = tx.contact(current.id, id).await?.ok_or_else(|| Problem::not_found("contact"))?;
    let number_changed_at = tx.number_changes(&[contact.bot_id]).await?.remove(&contact.bot_id);
    tx.commit().await?;
    Ok(Json(ContactView::new(contact, number_changed_at, app.clock.now())))
}
