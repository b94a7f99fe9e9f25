//! `POST /plugins/{name}/share` and `…/unshare`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::UserId;
use utoipa::IntoParams;

use super::{Place, PluginView, needed};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::{Body, Query},
        problem::{Problem, Result},
    },
};

/// Whose plugin an admin means.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes what `owner` reads")]
pub(super) struct OwnerParams {
    /// Id of the user who uploaded it; mine when absent.
    #[param(required = false)]
    owner_id: i64,
}

/// Reads whose plugin an admin means.
pub(super) fn owner(query: &mut Body, current: &CurrentUser) -> UserId {
    query.id("owner_id").optional().unwrap_or(current.id)
}

/// The plugin of that user and name, for admins.
pub(super) async fn owned_by(tx: &mut storage::Tx, owner: UserId, name: &str) -> Result<storage::Plugin> {
    let plugin = tx.plugin(owner, name).await?.filter(|plugin| plugin.owner_id == owner);
    plugin.ok_or_else(|| Problem::not_found("plugin"))
}

/// Show a plugin to all users; for admins.
#[utoipa::path(
    post, path = "/plugins/{name}/share", tag = "plugins", operation_id = "share_plugin",
    params(("name" = String, Path), OwnerParams),
    responses(
        (status = OK, body = PluginView),
        (status = FORBIDDEN, description = "For admins"),
        (status = CONFLICT, description = "Another plugin of that name is shared"),
    )
)]
pub(in crate::http) async fn share(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
    Query(query): Query,
) -> Result<Json<PluginView>> {
    set(&app, &current, &place, query, true).await
}

/// Show a plugin to its owner alone; for admins.
#[utoipa::path(
    post, path = "/plugins/{name}/unshare", tag = "plugins", operation_id = "unshare_plugin",
    params(("name" = String, Path), OwnerParams),
    responses(
        (status = OK, body = PluginView),
        (status = FORBIDDEN, description = "For admins"),
        (status = CONFLICT, description = "Other users still need it"),
    )
)]
pub(in crate::http) async fn unshare(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
    Query(query): Query,
) -> Result<Json<PluginView>> {
    set(&app, &current, &place, query, false).await
}

async fn set(app: &App, current: &CurrentUser, place: &Place, mut query: Body, on: bool) -> Result<Json<PluginView>> {
    current.must_be_admin()?;
    let owner = owner(&mut query, current);
    query.finish()?;
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let mut plugin = owned_by(&mut tx, owner, place.name()).await?;
    let versions = tx.plugin_versions(plugin.id).await?;
    if !on {
        let mut references = tx.name_references(&plugin).await?;
        for version in &versions {
            references.extend(tx.code_references(&plugin, &version.digest).await?);
        }
        references.retain(|found| found.owner_id != owner);
        references.sort();
        references.dedup();
        needed::must_be_free(references, &plugin.name, current.id)?;
    }
    tx.share_plugin(plugin.id, on, app.clock.now()).await.map_err(|error| match error {
        storage::Error::Conflict(_) => Problem::conflict(format!("another plugin named {} is shared", place.name())),
        error => error.into(),
    })?;
    tx.commit().await?;
    app.plugins.changed();
    plugin.is_shared = on;
    Ok(Json(PluginView::new(plugin, versions, current)))
}
