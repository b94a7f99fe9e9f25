//! A call of a guest that does nothing, in a fresh instance: what the host adds to bare wasmtime, and nothing else. Here it
//! is more than what it is added to; the goal is about guests that do something, in `sdk_calls.rs`.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

#[path = "../tests/it/guests.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod guests;
mod pair;

use std::process::ExitCode;

fn main() -> ExitCode {
    let (bench, host) = pair::bench("calls", guests::Guest::decent().component(), "step", true);
    bench.operation(host).main()
}
