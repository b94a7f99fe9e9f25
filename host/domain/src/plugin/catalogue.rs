//! What a user can use now.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Manifest, NodeTypeSpec, PluginPin, TriggerTypeSpec};

/// The newest enabled version of every plugin that a user sees: their own first, then what others share.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    plugins: BTreeMap<String, Usable>,
    disabled: BTreeSet<String>,
}

/// A version that new flows take.
#[derive(Debug, Clone)]
pub struct Usable {
    /// What is run.
    pub pin: PluginPin,
    /// What it says of itself.
    pub manifest: Arc<Manifest>,
}

impl Catalogue {
    /// Puts versions together, by the plugin's name. `disabled`: names of plugins that the user sees and none of whose
    /// versions is switched on, so that they can be told from names that nobody knows.
    pub fn new(versions: impl IntoIterator<Item = Usable>, disabled: impl IntoIterator<Item = String>) -> Self {
        Self {
            plugins: versions.into_iter().map(|usable| (usable.pin.name.clone(), usable)).collect(),
            disabled: disabled.into_iter().collect(),
        }
    }

    /// The plugin of that name.
    pub fn get(&self, name: &str) -> Option<&Usable> {
        self.plugins.get(name)
    }

    /// Whether a plugin of that name is there and switched off.
    pub fn is_disabled(&self, name: &str) -> bool {
        self.disabled.contains(name) && !self.plugins.contains_key(name)
    }

    /// The node type that flows call `<plugin>/<type>`.
    pub fn node(&self, kind: &str) -> Option<(&Usable, &NodeTypeSpec)> {
        let (plugin, node) = kind.split_once('/')?;
        let usable = self.get(plugin)?;
        Some((usable, usable.manifest.node(node)?))
    }

    /// A trigger type of a plugin.
    pub fn trigger(&self, plugin: &str, kind: &str) -> Option<(&Usable, &TriggerTypeSpec)> {
        let usable = self.get(plugin)?;
        Some((usable, usable.manifest.trigger(kind)?))
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Usable> {
        self.plugins.values()
    }
}
