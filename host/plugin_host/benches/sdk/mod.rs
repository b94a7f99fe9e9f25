//! Calls of guests of the SDK: what authors get.

use std::process::ExitCode;

use crate::pair;

/// The goal: what the host takes, by what bare wasmtime takes.
const RATIO_MAX: f64 = 1.5;

/// Measures a node of a guest that `plugins/build` makes. `has_state`: whether the node takes a state.
pub(crate) fn bench(name: &'static str, guest: &str, node_type: &'static str, has_state: bool) -> ExitCode {
    // This program is in PROFILE/deps of cargo's target folder.
    let program = std::env::current_exe().unwrap();
    let path = program.ancestors().nth(3).unwrap().join(format!("guests/{guest}.wasm"));
    match std::fs::read(&path) {
        Ok(component) => {
            let (bench, host) = pair::bench(name, component, node_type, has_state);
            bench.operation(host.at_most(RATIO_MAX)).main()
        }
        Err(error) => {
            eprintln!("{}: {error}; `plugins/build {guest}` makes it", path.display());
            ExitCode::FAILURE
        }
    }
}
