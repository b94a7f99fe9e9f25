//! Everything that a call of a plugin for a bot hangs on, kept until something about plugins changes.

use std::{collections::BTreeMap, sync::Arc};

use domain::{
    BotId, PluginId, UserId,
    plugin::{FailureKind, Grant, Manifest, PluginFailure},
};
use plugin_host::{CallError, Limits, OperatorPolicy, Rights};
use storage::{Plugin, PluginVersion, SealedSecret, Tx};

use super::{failure, versions};
use crate::{
    config::{PluginsConfig, SecretText},
    secrets::{Secrets, UnsealError},
};

/// The secrets that a plugin has for a bot.
pub(super) type HeldSecrets = BTreeMap<String, Result<SecretText, UnsealError>>;

/// See the module.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) plugin: PluginId,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) digest: String,
    /// The bot's owner.
    pub(super) tenant: UserId,
    /// Whether the bot's owner owns the plugin as well.
    pub(super) is_own: bool,
    pub(super) rights: Arc<Rights>,
    pub(super) limits: Limits,
    pub(super) secrets: Arc<HeldSecrets>,
}

impl Setup {
    /// An error without what only the plugin's owner may see, unless that is whom it goes to.
    pub(super) fn for_owner_only(&self, error: CallError) -> CallError {
        match error {
            CallError::Failure(failure) if !self.is_own => {
                CallError::Failure(PluginFailure { detail: None, ..failure })
            }
            error => error,
        }
    }
}

/// Which setup.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct SetupKey {
    pub(super) bot: BotId,
    pub(super) name: String,
    /// The code; none: the newest.
    pub(super) digest: Option<String>,
}

/// What a secret of a plugin is sealed for, beside the bot.
pub(crate) fn secret_place(plugin: PluginId, name: &str) -> String {
    format!("plugin {plugin} {name}")
}

/// Why there is no setup.
pub(super) enum SetupError {
    Storage(storage::Error),
    Failure(PluginFailure),
}

impl From<storage::Error> for SetupError {
    fn from(error: storage::Error) -> Self {
        Self::Storage(error)
    }
}

fn unavailable(message: String) -> SetupError {
    SetupError::Failure(failure(FailureKind::Unavailable, message))
}

/// Reads a setup as it is in this transaction.
pub(super) async fn read(
    tx: &mut Tx,
    key: &SetupKey,
    config: &PluginsConfig,
    secrets: &Secrets,
) -> Result<Setup, SetupError> {
    let name = &key.name;
    let bots = tx.bot_runtimes(&[key.bot]).await?;
    let owner = bots.first().and_then(|bot| bot.owner_id).map(UserId);
    let owner = owner.ok_or_else(|| unavailable("the bot is gone".into()))?;
    let (plugin, version) = match &key.digest {
        Some(digest) => {
            let found = tx.pinned_version(owner, name, digest).await?;
            found.ok_or_else(|| unavailable(format!("the version of {name} that the flow runs is gone")))?
        }
        None => newest(tx, owner, name).await?,
    };
    if !version.is_enabled {
        return Err(unavailable(format!("{name} {} is switched off", version.version)));
    }
    let grant = tx.plugin_grant(plugin.id, key.bot).await?.unwrap_or_else(Grant::harmless);
    let sealed = tx.plugin_secrets(plugin.id, key.bot).await?;
    Ok(Setup {
        plugin: plugin.id,
        name: plugin.name.clone(),
        rights: Arc::new(rights(&version.manifest, &config.policy, grant)),
        limits: limits(&plugin, config),
        secrets: Arc::new(open(secrets, sealed)),
        tenant: owner,
        is_own: plugin.owner_id == owner,
        version: version.version,
        digest: version.digest,
    })
}

pub(super) fn rights(manifest: &Manifest, policy: &OperatorPolicy, grant: Grant) -> Rights {
    Rights::new(manifest.capabilities.clone(), policy.clone(), grant)
}

pub(super) fn open(secrets: &Secrets, sealed: Vec<SealedSecret>) -> HeldSecrets {
    let open = |secret: SealedSecret| {
        let value = secrets.unseal(secret.bot_id, &secret_place(secret.plugin_id, &secret.name), &secret.sealed);
        (secret.name, value)
    };
    sealed.into_iter().map(open).collect()
}

/// What one call of a plugin may use: what an admin has set for it, else what is usual, and never more than the operator
/// allows.
pub(super) fn limits(plugin: &Plugin, config: &PluginsConfig) -> Limits {
    let usual = usual_limits(config);
    let Some(serde_json::Value::Object(set)) = &plugin.limits else { return usual };
    let Ok(serde_json::Value::Object(mut all)) = serde_json::to_value(usual) else { return usual };
    // A limit that this version does not know any more is passed over.
    for (name, value) in set {
        if let Some(limit) = all.get_mut(name) {
            limit.clone_from(value);
        }
    }
    serde_json::from_value(serde_json::Value::Object(all)).map_or(usual, |set: Limits| set.within(&config.limits))
}

/// What one call may use unless an admin says otherwise.
pub(super) fn usual_limits(config: &PluginsConfig) -> Limits {
    Limits::usual().within(&config.limits)
}

async fn newest(tx: &mut Tx, owner: UserId, name: &str) -> Result<(Plugin, PluginVersion), SetupError> {
    let plugin = tx.plugin(owner, name).await?;
    let plugin = plugin.ok_or_else(|| unavailable(format!("there is no plugin {name}")))?;
    let versions = versions::in_order(tx.plugin_versions(plugin.id).await?);
    let off = || unavailable(format!("{name} is switched off"));
    let newest = versions.into_iter().find(|version| version.is_enabled).ok_or_else(off)?;
    let version = tx.plugin_version(plugin.id, &newest.version).await?.ok_or_else(off)?;
    Ok((plugin, version))
}
