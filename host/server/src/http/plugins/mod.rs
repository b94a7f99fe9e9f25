//! Plugins: uploading them, looking at them, and saying what they may do.

pub(super) mod compat;
pub(super) mod delete;
pub(super) mod delete_version;
pub(super) mod get;
pub(super) mod get_version;
pub(super) mod grants;
pub(super) mod limits;
pub(super) mod list;
pub(super) mod logs;
pub(super) mod metrics;
mod needed;
mod place;
pub(super) mod secrets;
pub(super) mod share;
pub(super) mod switch;
pub(super) mod trial;
pub(super) mod upload;

use chrono::{DateTime, Utc};
use domain::plugin::Manifest;
use serde::Serialize;
use serde_json::Value;
use storage::{Plugin, PluginVersion, VersionHead};
use utoipa::ToSchema;

use crate::{
    http::{
        auth::CurrentUser,
        problem::{Kind, Problem, Result},
    },
    plugins::in_order,
};
use place::Place;

/// A plugin as listed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plugin)]
pub(super) struct PluginView {
    name: String,
    /// Whether it is mine; else another user shares it.
    is_own: bool,
    /// Whether every user sees it.
    is_shared: bool,
    /// What new flows and triggers take: the highest version that is switched on.
    newest: Option<String>,
    /// All versions, highest first.
    versions: Vec<VersionLine>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A version as listed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginVersionLine)]
pub(super) struct VersionLine {
    version: String,
    /// SHA-256 of the component.
    digest: String,
    is_enabled: bool,
    uploaded_at: DateTime<Utc>,
}

/// A version with all that is known of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginVersion)]
pub(super) struct VersionView {
    name: String,
    version: String,
    /// SHA-256 of the component.
    digest: String,
    is_enabled: bool,
    uploaded_at: DateTime<Utc>,
    /// What it says of itself: `manifest.schema.json`.
    #[schema(value_type = Object)]
    manifest: Manifest,
    /// What was found when it was uploaded: size, imports, times, what its examples cost, differences from the version
    /// before.
    report: Value,
}

impl PluginView {
    pub(super) fn new(plugin: Plugin, versions: Vec<VersionHead>, current: &CurrentUser) -> Self {
        let versions = in_order(versions);
        Self {
            is_own: plugin.owner_id == current.id,
            is_shared: plugin.is_shared,
            newest: versions.iter().find(|version| version.is_enabled).map(|version| version.version.clone()),
            versions: versions.into_iter().map(VersionLine::from).collect(),
            name: plugin.name,
            created_at: plugin.created_at,
            updated_at: plugin.updated_at,
        }
    }
}

impl From<VersionHead> for VersionLine {
    fn from(head: VersionHead) -> Self {
        Self { version: head.version, digest: head.digest, is_enabled: head.is_enabled, uploaded_at: head.uploaded_at }
    }
}

impl VersionView {
    pub(super) fn new(name: &str, version: PluginVersion) -> Self {
        Self {
            name: name.to_owned(),
            version: version.version,
            digest: version.digest,
            is_enabled: version.is_enabled,
            uploaded_at: version.uploaded_at,
            manifest: version.manifest,
            report: version.report,
        }
    }
}

/// The plugin that a path names.
async fn seen(tx: &mut storage::Tx, current: &CurrentUser, place: &Place) -> Result<Plugin> {
    tx.plugin(current.id, place.name()).await?.ok_or_else(|| Problem::not_found("plugin"))
}

/// The plugin that a path names, if it is the caller's to change.
async fn own(tx: &mut storage::Tx, current: &CurrentUser, place: &Place) -> Result<Plugin> {
    let plugin = seen(tx, current, place).await?;
    if plugin.owner_id == current.id {
        Ok(plugin)
    } else {
        Err(Problem::new(Kind::FORBIDDEN, "another user shares this plugin; only they can change it"))
    }
}

/// The bot that a path names; it must be the caller's.
async fn bot(tx: &mut storage::Tx, current: &CurrentUser, place: &Place) -> Result<domain::BotId> {
    let id = place.bot()?;
    tx.bot(current.id, id).await?.map(|bot| bot.id).ok_or_else(|| Problem::not_found("bot"))
}
