//! `GET /plugins/compat`

use std::sync::Arc;

use axum::{Json, extract::State};
use plugin_host::CONTRACTS;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{auth::CurrentUser, problem::Result},
};

/// What this server runs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PluginCompat {
    /// Versions of the contract `chatboost:plugin` that it serves.
    contracts: Vec<ContractView>,
    /// Whether components may import WASI, which gives them nothing.
    wasi: bool,
    /// Most bytes of a component.
    upload_bytes_max: usize,
    /// Capabilities that the operator lets be granted.
    capabilities: Vec<&'static str>,
}

/// A version of the contract.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginContract)]
struct ContractView {
    version: &'static str,
    /// How many versions of my plugins are made for it.
    used_by: usize,
}

/// Which plugins this server runs.
#[utoipa::path(
    get, path = "/plugins/compat", tag = "plugins", operation_id = "plugin_compat",
    responses((status = OK, body = PluginCompat))
)]
pub(in crate::http) async fn compat(State(app): State<Arc<App>>, current: CurrentUser) -> Result<Json<PluginCompat>> {
    let mut tx = app.db.read().await?;
    let used = tx.contracts_used(current.id).await?;
    let policy = &app.config.plugins.policy;
    let capabilities = [
        ("http", !policy.http.is_empty()),
        ("kv", policy.kv.bot || policy.kv.contact),
        ("secrets", policy.secrets),
        ("log", policy.log),
        ("clock", policy.clock),
        ("random", policy.random),
        ("config", policy.config),
    ];
    Ok(Json(PluginCompat {
        contracts: CONTRACTS
            .iter()
            .map(|version| ContractView { version, used_by: used.iter().filter(|used| used == version).count() })
            .collect(),
        wasi: app.config.plugins.allows_wasi,
        upload_bytes_max: app.config.plugins.upload_bytes_max,
        capabilities: capabilities.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect(),
    }))
}
