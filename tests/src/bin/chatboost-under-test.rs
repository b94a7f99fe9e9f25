//! The program itself, as a binary of this package: that is how cargo builds it before the tests that kill it.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match server::cli::run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("chatboost: {message}");
            ExitCode::FAILURE
        }
    }
}
