//! `GET /plugins/{name}/versions/{version}`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{Place, VersionView, seen};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        problem::{Problem, Result},
    },
};

/// A version of a plugin, with its manifest and what was found when it was uploaded.
#[utoipa::path(
    get, path = "/plugins/{name}/versions/{version}", tag = "plugins", operation_id = "get_plugin_version",
    params(("name" = String, Path), ("version" = String, Path)), responses((status = OK, body = VersionView))
)]
pub(in crate::http) async fn get_version(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<Json<VersionView>> {
    let mut tx = app.db.read().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let version = tx.plugin_version(plugin.id, place.version()).await?;
    let version = version.ok_or_else(|| Problem::not_found("version of this plugin"))?;
    Ok(Json(VersionView::new(&plugin.name, version)))
}
