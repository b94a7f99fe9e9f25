//! A call of the smallest guest of the SDK, in a fresh instance: with a kilobyte of configuration and of contact, and an
//! answer of one. It takes `plugins/build hello` before.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

mod pair;
mod sdk;

use std::process::ExitCode;

fn main() -> ExitCode {
    sdk::bench("sdk_calls", "hello", "hello", false)
}
