//! `PUT /flows/contacts/{contact_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{ContactId, EventType};
use storage::ContactFields;

use super::{ContactView, input};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Change a contact. What is absent stays as it is, null clears.
#[utoipa::path(
    put, path = "/flows/contacts/{contact_id}", tag = "contacts", operation_id = "update_contact",
    params(("contact_id" = i64, Path)), request_body = input::ContactInput,
    responses((status = OK, body = ContactView), (status = CONFLICT, description = "The bot has a contact with this phone"))
)]
pub(in crate::http) async fn update(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ContactId>,
    mut body: Body,
) -> Result<Json<ContactView>> {
    let mut tx = app.db.begin().await?;
    let contact = tx.claim_contact(current.id, id).await?.ok_or_else(|| Problem::not_found("contact"))?;
    let was_opted_in = contact.opted_in;
    let mut fields = ContactFields::from(&contact);
    input::stays_in(&mut body, contact.bot_id);
    input::read(&mut body, &mut fields, false);
    body.finish()?;
    let now = app.clock.now();
    let contact = tx.update_contact(id, &fields, now).await.map_err(input::conflict)?;
    let number_changed_at = tx.number_changes(&[contact.bot_id]).await?.remove(&contact.bot_id);
    match (was_opted_in, contact.opted_in) {
        (false, true) => app.work.announce(tx, &contact, EventType::OptIn).await?,
        (true, false) => app.work.announce(tx, &contact, EventType::OptOut).await?,
        _ => tx.commit().await?,
    }
    Ok(Json(ContactView::new(contact, number_changed_at, now)))
}
