//! `POST /flows/contacts/`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use domain::{BotId, EventType};

use super::{ContactView, input};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        problem::{Problem, Result},
    },
};

/// Make a contact of a bot.
#[utoipa::path(
    post, path = "/flows/contacts/", tag = "contacts", operation_id = "create_contact",
    request_body = input::ContactInput,
    responses(
        (status = CREATED, body = ContactView),
        (status = NOT_FOUND, description = "No such bot"),
        (status = CONFLICT, description = "The bot has a contact with this phone"),
    )
)]
pub(in crate::http) async fn create(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    mut body: Body,
) -> Result<(StatusCode, Json<ContactView>)> {
    let bot: Option<BotId> = body.id("bot_id").needed();
    let mut fields = input::blank();
    input::read(&mut body, &mut fields, true);
    body.finish()?;
    let mut tx = app.db.begin().await?;
    let bot = match bot {
        Some(id) => tx.bot(current.id, id).await?,
        None => None,
    };
    let bot = bot.ok_or_else(|| Problem::not_found("bot"))?;
    let now = app.clock.now();
    let contact = tx.create_contact(bot.id, &fields, now).await.map_err(input::conflict)?;
    tx.announce_contacts(&[contact.id]).await?;
    app.work.announce(tx, &contact, EventType::NewContact).await?;
    Ok((StatusCode::CREATED, Json(ContactView::new(contact, bot.number_changed_at, now))))
}
