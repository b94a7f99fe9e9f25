//! A call of a guest of the SDK, in a fresh instance: what authors get. It takes `plugins/build hello` before.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

mod pair;

use std::process::ExitCode;

/// The goal: what the host takes, by what bare wasmtime takes.
const RATIO_MAX: f64 = 1.5;

fn main() -> ExitCode {
    // This program is in PROFILE/deps of cargo's target folder.
    let program = std::env::current_exe().unwrap();
    let guest = program.ancestors().nth(3).unwrap().join("guests/hello.wasm");
    match std::fs::read(&guest) {
        Ok(component) => {
            let (bench, host) = pair::bench("sdk_calls", component, false);
            bench.operation(host.at_most(RATIO_MAX)).main()
        }
        Err(error) => {
            eprintln!("{}: {error}; `plugins/build hello` makes it", guest.display());
            ExitCode::FAILURE
        }
    }
}
