//! `DELETE /plugins/{name}/grants/{bot_id}`

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

/// Take back what a plugin may do for one of my bots, but for what every plugin may.
#[utoipa::path(
    delete, path = "/plugins/{name}/grants/{bot_id}", tag = "plugins", operation_id = "delete_plugin_grant",
    params(("name" = String, Path), ("bot_id" = i64, Path)), responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let bot = bot(&mut tx, &current, &place).await?;
    if !tx.delete_plugin_grant(plugin.id, bot).await? {
        return Err(Problem::not_found("grant"));
    }
    tx.commit().await?;
    app.plugins.changed();
    Ok(StatusCode::NO_CONTENT)
}
