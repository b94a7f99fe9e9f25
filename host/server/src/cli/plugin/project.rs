//! A plugin's folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

/// A folder with a plugin's crate.
#[derive(Debug)]
pub(super) struct Project {
    /// The folder.
    pub(super) folder: PathBuf,
    /// Name of the crate, which is the plugin's.
    pub(super) name: String,
    /// What else its `Cargo.toml` says.
    pub(super) manifest: CargoManifest,
}

/// What matters of a `Cargo.toml`.
#[derive(Debug, Deserialize)]
pub(super) struct CargoManifest {
    package: Option<Package>,
    lib: Option<Lib>,
    #[serde(default)]
    dependencies: toml::Table,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
}

#[derive(Debug, Deserialize)]
struct Lib {
    #[serde(default, rename = "crate-type")]
    crate_type: Vec<String>,
}

impl Project {
    /// Reads the project of a folder.
    pub(super) fn open(folder: &Path) -> Result<Self, String> {
        let file = folder.join("Cargo.toml");
        let text = fs::read_to_string(&file).map_err(|error| {
            format!("{}: {error}; is this a plugin's folder? `chatboost plugin new NAME` makes one", file.display())
        })?;
        let manifest: CargoManifest = toml::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let package = manifest.package.as_ref().ok_or_else(|| format!("{}: has no [package]", file.display()))?;
        Ok(Self { folder: folder.to_owned(), name: package.name.clone(), manifest })
    }

    /// Where its component is put.
    pub(super) fn component(&self) -> PathBuf {
        self.folder.join("target").join(format!("{}.wasm", self.name))
    }

    /// What keeps it from being built as a plugin, each with what to do.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let kinds = self.manifest.lib.as_ref().map(|lib| lib.crate_type.as_slice()).unwrap_or_default();
        if !kinds.iter().any(|kind| kind == "cdylib") {
            faults.push("Cargo.toml: a plugin is a cdylib; write [lib] crate-type = [\"cdylib\", \"lib\"]".to_owned());
        }
        if !self.manifest.dependencies.contains_key("chatboost-sdk") {
            faults.push("Cargo.toml: [dependencies] lacks chatboost-sdk; `chatboost plugin new` shows how".to_owned());
        }
        faults
    }
}

/// The component that a command is about: a file, or what was built in a plugin's folder.
pub(super) fn component(path: &Path) -> Result<PathBuf, String> {
    if !path.is_dir() {
        return if path.exists() {
            Ok(path.to_owned())
        } else {
            Err(format!("{}: there is no such file", path.display()))
        };
    }
    let component = Project::open(path)?.component();
    if component.exists() {
        return Ok(component);
    }
    Err(format!("{}: not built yet; `chatboost plugin build` does it", component.display()))
}
