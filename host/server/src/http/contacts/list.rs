//! `GET /flows/contacts/`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{BotId, Contact};
use storage::ContactFilter;

use super::ContactView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// The contacts of one of my bots, or of all.
#[utoipa::path(
    get, path = "/flows/contacts/", tag = "contacts", operation_id = "list_contacts",
    params(
        Paging,
        ("bot_id" = Option<i64>, Query),
        ("tag" = Option<String>, Query, description = "With this tag, letter for letter"),
        ("q" = Option<String>, Query, description = "With this text in a name, the phone or the e-mail address"),
    ),
    responses((status = OK, body = List<ContactView>), (status = NOT_FOUND, description = "No such bot"))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<ContactView>>> {
    let paging = Paging::read(&mut query);
    let filter = ContactFilter {
        bot: query.id("bot_id").optional(),
        tag: query.text("tag").max(100).optional(),
        q: query.text("q").max(200).optional(),
    };
    query.finish()?;
    let mut tx = app.db.read().await?;
    if let Some(bot) = filter.bot {
        tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    }
    let contacts = tx.contacts(current.id, &filter, paging.limit, paging.skip).await?;
    let mut bots: Vec<BotId> = contacts.items.iter().map(|contact| contact.bot_id).collect();
    bots.sort_unstable();
    bots.dedup();
    let changes = tx.number_changes(&bots).await?;
    tx.commit().await?;
    let now = app.clock.now();
    Ok(Json(paging.envelope(contacts, |contact: Contact| {
        let number_changed_at = changes.get(&contact.bot_id).copied();
        ContactView::new(contact, number_changed_at, now)
    })))
}
