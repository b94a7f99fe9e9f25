//! The contract between the server and its plugins: what is published in `wit/`, and that host and SDK keep to it.

mod agreement;
mod released;
mod schemas;

use std::path::PathBuf;

use serde_json::Value;

/// The version of the contract that is worked on.
const VERSION: &str = "0.1.0";

/// The folder `wit/`.
fn wit() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit"))
}

/// A schema of the contract.
pub(crate) fn schema(name: &str) -> Value {
    let path = wit().join(format!("chatboost-plugin@{VERSION}/{name}.schema.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
