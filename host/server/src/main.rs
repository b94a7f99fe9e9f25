//! The program `chatboost`; see [`server::cli`].

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
