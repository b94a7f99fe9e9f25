//! `DELETE /plugins/{name}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};

use super::{Place, needed, own};
use crate::{
    app::App,
    http::{auth::CurrentUser, problem::Result},
};

/// Delete a plugin that no flow and no trigger names, with all versions, grants, secrets and values.
#[utoipa::path(
    delete, path = "/plugins/{name}", tag = "plugins", operation_id = "delete_plugin",
    params(("name" = String, Path)),
    responses(
        (status = NO_CONTENT),
        (status = FORBIDDEN, description = "Another user's plugin"),
        (status = CONFLICT, description = "Still needed: `needed_by` lists the flows and triggers"),
    )
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    tx.claim_plugins().await?;
    let plugin = own(&mut tx, &current, &place).await?;
    let mut references = tx.name_references(&plugin).await?;
    for version in tx.plugin_versions(plugin.id).await? {
        references.extend(tx.code_references(&plugin, &version.digest).await?);
    }
    references.sort();
    references.dedup();
    needed::must_be_free(references, &plugin.name, current.id)?;
    tx.delete_plugin(plugin.id).await?;
    tx.commit().await?;
    app.plugins.changed();
    Ok(StatusCode::NO_CONTENT)
}
