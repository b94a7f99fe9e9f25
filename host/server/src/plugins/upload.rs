//! From bytes to a version of a plugin.

use std::sync::Arc;

use domain::{UserId, plugin::Manifest};
use plugin_host::{
    Examination, ExamineError, Examined, Report, StructureLimits, UploadFinding as Finding, differences,
};
use storage::{NewPluginVersion, Plugin, PluginVersion};

use super::{Plugins, in_order, setup};
use crate::nul;

/// Most plugins of a user.
const PLUGINS_MAX: i64 = 200;
/// Most versions of a plugin.
const VERSIONS_MAX: usize = 200;

/// A version that is stored.
#[derive(Debug)]
pub struct Accepted {
    /// Its plugin.
    pub plugin: Plugin,
    /// The version.
    pub version: PluginVersion,
    /// Whether it is new; else the same code was there already under the same version.
    pub is_new: bool,
}

/// Why nothing was stored.
#[derive(Debug)]
pub enum UploadError {
    /// It is no plugin: everything that is wrong with it.
    Refused(Vec<Finding>),
    /// It stands against what is there; a sentence.
    Conflict(String),
    /// The server could not examine it; a sentence.
    Busy(String),
    /// The database refused.
    Storage(storage::Error),
}

impl From<storage::Error> for UploadError {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}

impl Plugins {
    /// Examines a component and makes it a version of the plugin that its manifest names, owned by the user.
    ///
    /// # Errors
    /// What is wrong with it, or what stands against it.
    pub async fn upload(&self, owner: UserId, component: Vec<u8>) -> Result<Accepted, UploadError> {
        let component: Arc<[u8]> = component.into();
        let examination = Examination {
            tenant: -owner.0,
            bytes_max: self.config.upload_bytes_max,
            structure: StructureLimits::usual(),
            limits: setup::usual_limits(&self.config),
            previous: None,
        };
        // The semaphore is never closed.
        let _turn = self.examinations.acquire().await;
        let Examined { mut report, manifest, .. } =
            self.host.examine(component.clone(), &examination).await.map_err(|error| match error {
                ExamineError::Refused(findings) => UploadError::Refused(findings),
                ExamineError::Failed(failure) => UploadError::Busy(failure.message),
            })?;
        let manifest = without_nul(manifest)?;
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        tx.claim_plugins().await?;
        let is_known = tx.plugin(owner, &manifest.name).await?.is_some_and(|plugin| plugin.owner_id == owner);
        if !is_known && tx.count_plugins(owner).await? >= PLUGINS_MAX {
            return Err(UploadError::Conflict(format!("you have {PLUGINS_MAX} plugins already; delete some first")));
        }
        let plugin = tx.ensure_plugin(owner, &manifest.name, now).await?;
        if let Some(version) = tx.plugin_version(plugin.id, &manifest.version).await? {
            if version.digest == report.digest {
                return Ok(Accepted { plugin, version, is_new: false });
            }
            return Err(UploadError::Conflict(format!(
                "{} {} is there already with other code; a version never changes: raise the version",
                manifest.name, manifest.version
            )));
        }
        let versions = in_order(tx.plugin_versions(plugin.id).await?);
        if versions.len() >= VERSIONS_MAX {
            let detail = format!("{} has {VERSIONS_MAX} versions already; delete some first", manifest.name);
            return Err(UploadError::Conflict(detail));
        }
        if let Some(previous) = versions.first()
            && let Some(previous) = tx.plugin_version(plugin.id, &previous.version).await?
        {
            report.changes = differences(&previous.manifest, &manifest);
        }
        let report = as_json(&report)?;
        let new = NewPluginVersion {
            version: &manifest.version,
            digest: &plugin_host::digest_of(&component),
            component: &component,
            manifest: &manifest,
            report: &report,
        };
        let version = tx.add_plugin_version(plugin.id, new, now).await?;
        tx.commit().await?;
        self.changed();
        Ok(Accepted { plugin, version, is_new: true })
    }
}

/// The databases refuse NUL, which a plugin may say.
fn without_nul(manifest: Manifest) -> storage::Result<Manifest> {
    let corrupt = |error: serde_json::Error| storage::Error::Corrupt(error.to_string());
    let value = serde_json::to_value(manifest).map_err(corrupt)?;
    serde_json::from_value(nul::without(value)).map_err(corrupt)
}

fn as_json(report: &Report) -> storage::Result<serde_json::Value> {
    let value = serde_json::to_value(report).map_err(|error| storage::Error::Corrupt(error.to_string()))?;
    Ok(nul::without(value))
}
