//! `DELETE /plugins/{name}/secrets/{bot_id}` and `DELETE /plugins/{name}/secrets/{bot_id}/{secret}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        plugins::{Place, bot, seen},
        problem::{Problem, Result},
    },
};

/// Take back one secret that a plugin has for one of my bots.
#[utoipa::path(
    delete, path = "/plugins/{name}/secrets/{bot_id}/{secret}", tag = "plugins", operation_id = "delete_plugin_secret",
    params(("name" = String, Path), ("bot_id" = i64, Path), ("secret" = String, Path)),
    responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn one(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<StatusCode> {
    if delete(&app, &current, &place, Some(place.secret())).await? == 0 {
        return Err(Problem::not_found("secret"));
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Take back all secrets that a plugin has for one of my bots.
#[utoipa::path(
    delete, path = "/plugins/{name}/secrets/{bot_id}", tag = "plugins", operation_id = "delete_plugin_secrets",
    params(("name" = String, Path), ("bot_id" = i64, Path)), responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn all(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<StatusCode> {
    delete(&app, &current, &place, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn delete(app: &App, current: &CurrentUser, place: &Place, name: Option<&str>) -> Result<u64> {
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let plugin = seen(&mut tx, current, place).await?;
    let bot = bot(&mut tx, current, place).await?;
    let removed = tx.delete_plugin_secrets(plugin.id, bot, name).await?;
    tx.commit().await?;
    app.plugins.changed();
    Ok(removed)
}
