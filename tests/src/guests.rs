//! Components that `plugins/build` made.

use std::path::PathBuf;

/// A component by the name of its plugin.
pub fn guest(name: &str) -> Vec<u8> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let path = target.join("guests").join(format!("{name}.wasm"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run plugins/build", path.display()))
}

/// The same as another version: the manifest of an example says 0.1.0, and that is changed where the name stands before
/// it. The new version is as long.
pub fn guest_version(name: &str, version: &str) -> Vec<u8> {
    let mut component = guest(name);
    let said = format!("{name}0.1.0");
    let places: Vec<_> =
        (0..component.len() - said.len()).filter(|at| component[*at..].starts_with(said.as_bytes())).collect();
    assert_eq!((places.len(), version.len()), (1, 5), "{name} says its name and version once");
    let from = places[0] + name.len();
    component[from..from + version.len()].copy_from_slice(version.as_bytes());
    component
}
