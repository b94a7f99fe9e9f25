//! `GET /plugins/{name}/secrets/{bot_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        plugins::{Place, bot, seen},
        problem::Result,
    },
};

/// That there is a secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginSecret)]
pub(in crate::http) struct SecretView {
    name: String,
    updated_at: DateTime<Utc>,
}

/// The names of the secrets that a plugin has for one of my bots.
#[utoipa::path(
    get, path = "/plugins/{name}/secrets/{bot_id}", tag = "plugins", operation_id = "list_plugin_secrets",
    params(("name" = String, Path), ("bot_id" = i64, Path)), responses((status = OK, body = Vec<SecretView>))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<Json<Vec<SecretView>>> {
    let mut tx = app.db.read().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let bot = bot(&mut tx, &current, &place).await?;
    let secrets = tx.plugin_secrets(plugin.id, bot).await?;
    let show = |secret: storage::SealedSecret| SecretView { name: secret.name, updated_at: secret.updated_at };
    Ok(Json(secrets.into_iter().map(show).collect()))
}
