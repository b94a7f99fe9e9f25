//! What is different between two versions of a plugin.

use std::collections::BTreeSet;

use domain::plugin::{Capabilities, Manifest};
use serde::{Deserialize, Serialize};

/// A difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Whether what worked with the version before may not work with this one.
    pub is_breaking: bool,
    /// Sentence for people.
    pub message: String,
}

/// What is different in `new`.
pub fn differences(old: &Manifest, new: &Manifest) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    if version(&new.version) <= version(&old.version) {
        changes.note(false, format!("version {} is not newer than {}", new.version, old.version));
    }
    let names = |manifest: &Manifest| manifest.nodes.iter().map(|node| node.name.clone()).collect();
    changes.sets("the node type", &names(old), &names(new));
    for (before, node) in old.nodes.iter().filter_map(|before| Some((before, new.node(&before.name)?))) {
        let exits = |exits: &[domain::plugin::Exit]| exits.iter().map(|exit| exit.name.clone()).collect();
        changes.sets(&format!("{}: the exit", node.name), &exits(&before.exits), &exits(&node.exits));
        changes.schemas(&node.name, &before.config_schema, &node.config_schema);
    }
    let names = |manifest: &Manifest| manifest.triggers.iter().map(|trigger| trigger.name.clone()).collect();
    changes.sets("the trigger type", &names(old), &names(new));
    for (before, trigger) in old.triggers.iter().filter_map(|before| Some((before, new.trigger(&before.name)?))) {
        if before.kind != trigger.kind {
            changes.note(true, format!("{} is of another kind", trigger.name));
        }
        changes.schemas(&trigger.name, &before.config_schema, &trigger.config_schema);
    }
    let (gone, wanted) = (wishes(&old.capabilities), wishes(&new.capabilities));
    for wish in wanted.difference(&gone) {
        changes.note(true, format!("it wants {wish}, which owners of bots have to grant"));
    }
    for wish in gone.difference(&wanted) {
        changes.note(false, format!("it no longer wants {wish}"));
    }
    changes.0
}

struct Changes(Vec<Change>);

impl Changes {
    fn note(&mut self, is_breaking: bool, message: String) {
        self.0.push(Change { is_breaking, message });
    }

    fn sets(&mut self, what: &str, old: &BTreeSet<String>, new: &BTreeSet<String>) {
        for name in old.difference(new) {
            self.note(true, format!("{what} {name} is gone"));
        }
        for name in new.difference(old) {
            self.note(false, format!("{what} {name} is new"));
        }
    }

    fn schemas(&mut self, name: &str, old: &serde_json::Value, new: &serde_json::Value) {
        if old == new {
            return;
        }
        let required = |schema: &serde_json::Value| -> BTreeSet<String> {
            let names = schema["required"].as_array().into_iter().flatten();
            names.filter_map(|name| name.as_str().map(ToOwned::to_owned)).collect()
        };
        let more: Vec<_> = required(new).difference(&required(old)).cloned().collect();
        if more.is_empty() {
            self.note(false, format!("{name}: the configuration is described differently"));
        } else {
            self.note(true, format!("{name}: the configuration must now have {}", more.join(", ")));
        }
    }
}

fn version(text: &str) -> Option<semver::Version> {
    semver::Version::parse(text).ok()
}

fn wishes(capabilities: &Capabilities) -> BTreeSet<String> {
    let mut wishes: BTreeSet<String> =
        capabilities.http.iter().map(|rule| format!("requests to {}", rule.host)).collect();
    wishes.extend(capabilities.secrets.iter().map(|secret| format!("the secret {}", secret.name)));
    wishes.extend(capabilities.config.iter().map(|setting| format!("the setting {}", setting.key)));
    let kv = capabilities.kv.unwrap_or_default();
    let switches = [
        (kv.bot, "values of the bot"),
        (kv.contact, "values of contacts"),
        (capabilities.log, "`log`"),
        (capabilities.clock, "`clock`"),
        (capabilities.random, "`random`"),
    ];
    wishes.extend(switches.into_iter().filter(|(is_on, _)| *is_on).map(|(_, name)| name.to_owned()));
    wishes
}
