//! `GET /plugins/{name}/grants/{bot_id}`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{GrantView, manifests};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        plugins::{Place, bot, seen},
        problem::Result,
    },
};

/// What a plugin may do for one of my bots.
#[utoipa::path(
    get, path = "/plugins/{name}/grants/{bot_id}", tag = "plugins", operation_id = "get_plugin_grant",
    params(("name" = String, Path), ("bot_id" = i64, Path)), responses((status = OK, body = GrantView))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<Json<GrantView>> {
    let mut tx = app.db.read().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let bot = bot(&mut tx, &current, &place).await?;
    let (_, newest) = manifests(&mut tx, &plugin).await?;
    let set = tx.plugin_grant(plugin.id, bot).await?;
    Ok(Json(GrantView::new(bot, set, newest.as_ref(), &app.config.plugins.policy)))
}
