//! A call of a guest of the SDK that keeps a state, in a fresh instance: with a kilobyte of configuration, of contact and of
//! state, which it gives back. It takes `plugins/build errands` before.

#![expect(clippy::unwrap_used, reason = "what a benchmark sets up is known to be right, or it ends here")]

mod pair;
mod sdk;

use std::process::ExitCode;

fn main() -> ExitCode {
    sdk::bench("sdk_state_calls", "errands", "tally", true)
}
