//! Versions of plugins and their components. A version never changes; it can be switched off.

use std::collections::HashMap;

use domain::{PluginId, Time, UserId, plugin::Manifest};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use super::Plugin;
use crate::{Result, Tx, db::on};

/// A version of a plugin.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct PluginVersion {
    /// The plugin.
    #[sqlx(try_from = "i64")]
    pub plugin_id: PluginId,
    /// Semantic version.
    pub version: String,
    /// SHA-256 of the component, lower-case hex.
    pub digest: String,
    /// What it says of itself.
    #[sqlx(json)]
    pub manifest: Manifest,
    /// What was found when it was uploaded.
    #[sqlx(json)]
    pub report: Value,
    /// Whether it may run.
    pub is_enabled: bool,
    /// When it was uploaded.
    pub uploaded_at: Time,
}

/// A version as listed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct VersionHead {
    /// Semantic version.
    pub version: String,
    /// SHA-256 of the component, lower-case hex.
    pub digest: String,
    /// Whether it may run.
    pub is_enabled: bool,
    /// When it was uploaded.
    pub uploaded_at: Time,
}

/// A version of a plugin that a user sees.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct VisibleVersion {
    /// The plugin.
    #[sqlx(try_from = "i64")]
    pub plugin_id: PluginId,
    /// The plugin's name.
    pub name: String,
    /// Whether it is the user's own and not one that another shares.
    pub is_own: bool,
    /// Semantic version.
    pub version: String,
    /// SHA-256 of the component, lower-case hex.
    pub digest: String,
    /// Whether it may run.
    pub is_enabled: bool,
}

/// What an upload brings.
#[derive(Debug, Clone, Copy)]
pub struct NewPluginVersion<'a> {
    /// Semantic version.
    pub version: &'a str,
    /// SHA-256 of the component, lower-case hex.
    pub digest: &'a str,
    /// The component.
    pub component: &'a [u8],
    /// What it says of itself.
    pub manifest: &'a Manifest,
    /// What was found.
    pub report: &'a Value,
}

impl Tx {
    /// Adds a version to a plugin. Plugins were claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when it has that version already.
    pub async fn add_plugin_version(
        &mut self,
        plugin: PluginId,
        new: NewPluginVersion<'_>,
        now: Time,
    ) -> Result<PluginVersion> {
        on!(&mut *self, c => sqlx::query(
            "INSERT INTO plugin_components (digest, bytes) VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING",
        )
        .bind(new.digest)
        .bind(new.component)
        .execute(c)
        .await
        .map(|_| ()))?;
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO plugin_versions (plugin_id, version, digest, manifest, report, is_enabled, uploaded_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *",
        )
        .bind(plugin.0)
        .bind(new.version)
        .bind(new.digest)
        .bind(Json(new.manifest))
        .bind(Json(new.report))
        .bind(true)
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// The versions of a plugin, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_versions(&mut self, plugin: PluginId) -> Result<Vec<VersionHead>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT version, digest, is_enabled, uploaded_at FROM plugin_versions WHERE plugin_id = $1",
        )
        .bind(plugin.0)
        .fetch_all(c)
        .await)?)
    }

    /// The versions of several plugins, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn versions_of_plugins(&mut self, plugins: &[PluginId]) -> Result<HashMap<PluginId, Vec<VersionHead>>> {
        #[derive(FromRow)]
        struct OfPlugin {
            plugin_id: i64,
            #[sqlx(flatten)]
            head: VersionHead,
        }
        let mut of_each: HashMap<PluginId, Vec<VersionHead>> = HashMap::new();
        if plugins.is_empty() {
            return Ok(of_each);
        }
        let found: Vec<OfPlugin> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT plugin_id, version, digest, is_enabled, uploaded_at FROM plugin_versions WHERE plugin_id IN (",
            );
            let mut list = query.separated(", ");
            for plugin in plugins {
                list.push_bind(plugin.0);
            }
            query.push(")").build_query_as().persistent(false).fetch_all(c).await
        })?;
        for OfPlugin { plugin_id, head } in found {
            of_each.entry(PluginId(plugin_id)).or_default().push(head);
        }
        Ok(of_each)
    }

    /// One version of a plugin.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_version(&mut self, plugin: PluginId, version: &str) -> Result<Option<PluginVersion>> {
        Ok(on!(self, c => sqlx::query_as("SELECT * FROM plugin_versions WHERE plugin_id = $1 AND version = $2")
            .bind(plugin.0)
            .bind(version)
            .fetch_optional(c)
            .await)?)
    }

    /// The version with this very code of a plugin of that name that a user sees, their own first; none when it was
    /// deleted or is not shared any more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn pinned_version(
        &mut self,
        viewer: UserId,
        name: &str,
        digest: &str,
    ) -> Result<Option<(Plugin, PluginVersion)>> {
        let found: Option<PluginVersion> = on!(&mut *self, c => sqlx::query_as(
            "SELECT v.* FROM plugin_versions v JOIN plugins p ON p.id = v.plugin_id
             WHERE v.digest = $3 AND p.name = $2 AND (p.owner_id = $1 OR p.is_shared)
             ORDER BY CASE WHEN p.owner_id = $1 THEN 0 ELSE 1 END, CASE WHEN v.is_enabled THEN 0 ELSE 1 END, v.version
             LIMIT 1",
        )
        .bind(viewer.0)
        .bind(name)
        .bind(digest)
        .fetch_optional(c)
        .await)?;
        let Some(version) = found else { return Ok(None) };
        let plugin: Plugin = on!(self, c => sqlx::query_as("SELECT * FROM plugins WHERE id = $1")
            .bind(version.plugin_id.0)
            .fetch_one(c)
            .await)?;
        Ok(Some((plugin, version)))
    }

    /// What the code with this digest says of itself, whoever uploaded it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn manifest_of(&mut self, digest: &str) -> Result<Option<Manifest>> {
        let found: Option<Json<Manifest>> = on!(self, c => sqlx::query_scalar(
            "SELECT manifest FROM plugin_versions WHERE digest = $1 LIMIT 1")
            .bind(digest)
            .fetch_optional(c)
            .await)?;
        Ok(found.map(|Json(manifest)| manifest))
    }

    /// All versions of all plugins that a user sees, in no order; those of shared plugins also where an own one of the
    /// name hides them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn visible_versions(&mut self, viewer: UserId) -> Result<Vec<VisibleVersion>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT v.plugin_id, p.name, p.owner_id = $1 AS is_own, v.version, v.digest, v.is_enabled
             FROM plugins p JOIN plugin_versions v ON v.plugin_id = p.id WHERE p.owner_id = $1 OR p.is_shared",
        )
        .bind(viewer.0)
        .fetch_all(c)
        .await)?)
    }

    /// For each version of the owner's plugins, the version of the contract that it is made for, as its report says.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn contracts_used(&mut self, owner: UserId) -> Result<Vec<String>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT COALESCE(v.report ->> 'contract', '') FROM plugin_versions v JOIN plugins p ON p.id = v.plugin_id
             WHERE p.owner_id = $1",
        )
        .bind(owner.0)
        .fetch_all(c)
        .await)?)
    }

    /// The manifests of these versions, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn manifests(&mut self, versions: &[(PluginId, String)]) -> Result<Vec<(PluginId, Manifest)>> {
        if versions.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, Json<Manifest>)> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT plugin_id, manifest FROM plugin_versions WHERE (plugin_id, version) IN (");
            query.push_values(versions, |mut row, (plugin, version)| {
                row.push_bind(plugin.0).push_bind(version);
            });
            query.push(")").build_query_as().persistent(false).fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|(id, Json(manifest))| (PluginId(id), manifest)).collect())
    }

    /// Switches a version on or off. Plugins were claimed in this transaction. Answers whether there is one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn switch_plugin_version(&mut self, plugin: PluginId, version: &str, is_enabled: bool) -> Result<bool> {
        let done = on!(self, c => sqlx::query(
            "UPDATE plugin_versions SET is_enabled = $3 WHERE plugin_id = $1 AND version = $2")
            .bind(plugin.0)
            .bind(version)
            .bind(is_enabled)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// Deletes a version. Plugins were claimed in this transaction. Answers whether there was one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_plugin_version(&mut self, plugin: PluginId, version: &str) -> Result<bool> {
        let done = on!(&mut *self, c => sqlx::query(
            "DELETE FROM plugin_versions WHERE plugin_id = $1 AND version = $2")
            .bind(plugin.0)
            .bind(version)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        self.drop_unused_components().await?;
        Ok(done > 0)
    }

    /// A component by its digest.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_component(&mut self, digest: &str) -> Result<Option<Vec<u8>>> {
        Ok(on!(self, c => sqlx::query_scalar("SELECT bytes FROM plugin_components WHERE digest = $1")
            .bind(digest)
            .fetch_optional(c)
            .await)?)
    }

    /// Removes components that no version has any more. Plugins were claimed in this transaction, so none is about to.
    pub(super) async fn drop_unused_components(&mut self) -> Result<()> {
        Ok(on!(self, c => sqlx::query(
            "DELETE FROM plugin_components WHERE digest NOT IN (SELECT digest FROM plugin_versions)")
            .execute(c)
            .await
            .map(|_| ()))?)
    }
}
