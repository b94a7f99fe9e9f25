//! `POST /plugins/{name}/versions/{version}/enable` and `…/disable`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{Place, VersionView, own};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        problem::{Problem, Result},
    },
};

/// Switch a version on: it runs again, and new flows take it if it is the highest.
#[utoipa::path(
    post, path = "/plugins/{name}/versions/{version}/enable", tag = "plugins", operation_id = "enable_plugin_version",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = OK, body = VersionView), (status = FORBIDDEN, description = "Another user's plugin"))
)]
pub(in crate::http) async fn enable(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<Json<VersionView>> {
    switch(&app, &current, &place, true).await
}

/// Switch a version off, for flows that run it too: its nodes take their `error` exit or fail.
#[utoipa::path(
    post, path = "/plugins/{name}/versions/{version}/disable", tag = "plugins", operation_id = "disable_plugin_version",
    params(("name" = String, Path), ("version" = String, Path)),
    responses((status = OK, body = VersionView), (status = FORBIDDEN, description = "Another user's plugin"))
)]
pub(in crate::http) async fn disable(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<Json<VersionView>> {
    switch(&app, &current, &place, false).await
}

async fn switch(app: &App, current: &CurrentUser, place: &Place, on: bool) -> Result<Json<VersionView>> {
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let plugin = own(&mut tx, current, place).await?;
    tx.switch_plugin_version(plugin.id, place.version(), on).await?;
    let version = tx.plugin_version(plugin.id, place.version()).await?;
    let version = version.ok_or_else(|| Problem::not_found("version of this plugin"))?;
    tx.commit().await?;
    app.plugins.changed();
    Ok(Json(VersionView::new(&plugin.name, version)))
}
