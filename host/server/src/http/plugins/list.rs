//! `GET /plugins`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::PluginView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::Result,
    },
};

/// The plugins that I can use, by name: mine, and those that others share.
#[utoipa::path(
    get, path = "/plugins", tag = "plugins", operation_id = "list_plugins",
    params(Paging), responses((status = OK, body = List<PluginView>))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<PluginView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mut tx = app.db.read().await?;
    let page = tx.plugins(current.id, paging.limit, paging.skip).await?;
    let ids: Vec<_> = page.items.iter().map(|plugin| plugin.id).collect();
    let mut versions = tx.versions_of_plugins(&ids).await?;
    tx.commit().await?;
    let show = |plugin: storage::Plugin| {
        let versions = versions.remove(&plugin.id).unwrap_or_default();
        PluginView::new(plugin, versions, &current)
    };
    let shown = page.items.into_iter().map(show).collect();
    Ok(Json(paging.envelope(storage::Page { items: shown, total: page.total }, |view| view)))
}
