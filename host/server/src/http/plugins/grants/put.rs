//! `PUT /plugins/{name}/grants/{bot_id}`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{GrantView, input, manifests};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        plugins::{Place, bot, seen},
        problem::Result,
    },
};

/// Say what a plugin may do for one of my bots. Takes the place of what was said before.
#[utoipa::path(
    put, path = "/plugins/{name}/grants/{bot_id}", tag = "plugins", operation_id = "put_plugin_grant",
    params(("name" = String, Path), ("bot_id" = i64, Path)), request_body = input::GrantInput,
    responses((status = OK, body = GrantView))
)]
pub(in crate::http) async fn put(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
    mut body: Body,
) -> Result<Json<GrantView>> {
    let grant = input::read(&mut body);
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let bot = bot(&mut tx, &current, &place).await?;
    let (all, newest) = manifests(&mut tx, &plugin).await?;
    input::check(&mut body, &grant, &all);
    body.finish()?;
    tx.put_plugin_grant(plugin.id, bot, &grant, app.clock.now()).await?;
    tx.commit().await?;
    app.plugins.changed();
    Ok(Json(GrantView::new(bot, Some(grant), newest.as_ref(), &app.config.plugins.policy)))
}
