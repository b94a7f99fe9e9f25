//! Load: plays Meta on both sides of a server, matches every reply to its message, and says how fast, how dear and
//! whether anything was lost, doubled or out of order.
//!
//! ```text
//! cargo build --release -p server
//! cargo run --release -p tests --bin load -- closed
//! ```

mod ceiling;
mod meta;
mod modes;
mod options;
mod plot;
mod report;
mod score;
mod target;
mod usage;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use options::{Command, Options};

fn main() -> ExitCode {
    let options = Options::parse();
    // One thread: the fewer cycles the generator takes from the server's cores, the less it shows in the figures.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.to_string()),
    };
    let result = match &options.command {
        Command::Ceiling(ceiling) => ceiling::serve(ceiling),
        _ => runtime.block_on(modes::run(&options)),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &str) -> ExitCode {
    eprintln!("load: {error}");
    ExitCode::FAILURE
}
