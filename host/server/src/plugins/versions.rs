//! Which version of a plugin is newer.

use std::cmp::Ordering;

use semver::Version;
use storage::{VersionHead, VisibleVersion};

/// The versions, highest first, as semantic versioning orders them.
pub(crate) fn in_order(mut versions: Vec<VersionHead>) -> Vec<VersionHead> {
    versions.sort_by(|a, b| compare(&b.version, &a.version));
    versions
}

/// Orders two versions. Uploads are checked, so both can be read; what could not is the lowest.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    Version::parse(a).ok().cmp(&Version::parse(b).ok())
}

/// Of each plugin that a user sees by its name, the highest version that is switched on; own plugins hide shared ones.
/// Then the names of plugins of which none is.
pub(super) fn newest(versions: Vec<VisibleVersion>) -> (Vec<VisibleVersion>, Vec<String>) {
    let mut by_name = std::collections::BTreeMap::<String, Vec<VisibleVersion>>::new();
    for version in versions {
        by_name.entry(version.name.clone()).or_default().push(version);
    }
    let (mut usable, mut disabled) = (Vec::new(), Vec::new());
    for (name, mut versions) in by_name {
        if versions.iter().any(|version| version.is_own) {
            versions.retain(|version| version.is_own);
        }
        let enabled = versions.into_iter().filter(|version| version.is_enabled);
        match enabled.max_by(|a, b| compare(&a.version, &b.version)) {
            Some(version) => usable.push(version),
            None => disabled.push(name),
        }
    }
    (usable, disabled)
}

#[cfg(test)]
mod tests {
    use domain::PluginId;

    use super::*;

    fn version(name: &str, version: &str, is_own: bool, is_enabled: bool) -> VisibleVersion {
        let (name, version) = (name.to_owned(), version.to_owned());
        VisibleVersion { plugin_id: PluginId(1), name, digest: version.clone(), version, is_own, is_enabled }
    }

    #[test]
    fn the_highest_enabled_version_is_the_newest_and_own_plugins_go_first() {
        let (usable, disabled) = newest(vec![
            version("a", "1.9.0", true, true),
            version("a", "1.10.0", true, true),
            version("a", "2.0.0-beta.1", true, true),
            version("a", "2.0.0", true, false),
            version("b", "1.0.0", true, true),
            version("b", "9.0.0", false, true),
            version("c", "1.0.0", true, false),
            version("c", "1.0.0", false, true),
        ]);
        let shown: Vec<_> = usable.iter().map(|v| format!("{} {}", v.name, v.version)).collect();
        assert_eq!(shown, ["a 2.0.0-beta.1", "b 1.0.0"]);
        assert_eq!(disabled, ["c"]);
    }
}
