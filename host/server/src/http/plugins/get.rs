//! `GET /plugins/{name}`

use std::sync::Arc;

use axum::{Json, extract::State};
use plugin_host::Limits;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Place, PluginView, VersionView, seen};
use crate::{
    app::App,
    http::{auth::CurrentUser, problem::Result},
};

/// A plugin with its newest version.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PluginDetail {
    #[serde(flatten)]
    plugin: PluginView,
    /// The version that new flows and triggers take.
    newest_version: Option<VersionView>,
    /// What one call may use.
    #[schema(value_type = Object)]
    limits: Limits,
}

/// A plugin.
#[utoipa::path(
    get, path = "/plugins/{name}", tag = "plugins", operation_id = "get_plugin",
    params(("name" = String, Path)), responses((status = OK, body = PluginDetail))
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<Json<PluginDetail>> {
    let mut tx = app.db.read().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let limits = app.plugins.limits(&plugin);
    let (id, name) = (plugin.id, plugin.name.clone());
    let versions = tx.plugin_versions(id).await?;
    let plugin = PluginView::new(plugin, versions, &current);
    let newest_version = match &plugin.newest {
        Some(version) => tx.plugin_version(id, version).await?.map(|version| VersionView::new(&name, version)),
        None => None,
    };
    Ok(Json(PluginDetail { plugin, newest_version, limits }))
}
