//! The committed numbers of a benchmark.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// What is committed of each operation.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Numbers(pub(crate) BTreeMap<String, Number>);

/// What is committed of one operation.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Number {
    /// Its time, divided by that of the reference operation in the same run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ratio: Option<f64>,
    /// Instructions each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instructions: Option<u64>,
    /// Allocations each time, those that only change a size included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) allocations: Option<u64>,
}

/// The file of numbers cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}", path.display())]
pub(crate) struct Unusable {
    path: PathBuf,
    why: String,
}

impl Numbers {
    /// Reads them. Before the first ones are accepted there is no file.
    pub(crate) fn read(path: &Path) -> Result<Self, Unusable> {
        let unusable = |why: String| Unusable { path: path.to_owned(), why };
        match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| unusable(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(unusable(error.to_string())),
        }
    }

    /// Writes them, without those of operations that are gone.
    pub(crate) fn write(mut self, path: &Path, names: &[&str]) -> Result<(), String> {
        self.0.retain(|name, _| names.contains(&name.as_str()));
        let text = serde_json::to_string_pretty(&self).map_err(|error| error.to_string())?;
        std::fs::write(path, text + "\n").map_err(|error| format!("{}: {error}", path.display()))?;
        println!("written to {}", path.display());
        Ok(())
    }

    /// What is committed of an operation, for change.
    pub(crate) fn entry(&mut self, name: &str) -> &mut Number {
        self.0.entry(name.to_owned()).or_default()
    }
}
