//! `DELETE /plugins/{name}/versions/{version}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use super::{Place, needed, own};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        problem::{Problem, Result},
    },
};

/// Delete a version that no flow runs.
///
/// The last version can be deleted when no flow and no trigger names the plugin; the plugin goes with it.
#[utoipa::path(
    delete, path = "/plugins/{name}/versions/{version}", tag = "plugins", operation_id = "delete_plugin_version",
    params(("name" = String, Path), ("version" = String, Path)),
    responses(
        (status = NO_CONTENT),
        (status = FORBIDDEN, description = "Another user's plugin"),
        (status = CONFLICT, description = "Still needed: `needed_by` lists the flows and triggers"),
    )
)]
pub(in crate::http) async fn delete_version(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let plugin = own(&mut tx, &current, &place).await?;
    let versions = tx.plugin_versions(plugin.id).await?;
    let version = versions.iter().find(|version| version.version == place.version());
    let version = version.ok_or_else(|| Problem::not_found("version of this plugin"))?;
    // Another version may be of the same code; then this one's name is all that goes.
    let is_twin = versions.iter().any(|other| other.digest == version.digest && other.version != version.version);
    let mut references = if is_twin { Vec::new() } else { tx.code_references(&plugin, &version.digest).await? };
    let is_last = versions.len() == 1;
    if is_last {
        references.extend(tx.name_references(&plugin).await?);
    }
    needed::must_be_free(references, &format!("version {} of {}", version.version, plugin.name), current.id)?;
    if is_last {
        tx.delete_plugin(plugin.id).await?;
    } else {
        tx.delete_plugin_version(plugin.id, place.version()).await?;
    }
    tx.commit().await?;
    app.plugins.changed();
    Ok(StatusCode::NO_CONTENT)
}
