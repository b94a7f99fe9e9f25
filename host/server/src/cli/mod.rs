//! The program `chatboost`.

mod demo;
mod emulator;
mod logging;
mod serve;

use clap::{Parser, Subcommand};

/// A self-hosted platform for WhatsApp bots.
#[derive(Debug, Parser)]
#[command(name = "chatboost", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and run the bots (the default). Configured by environment variables or a file `.env`
    Serve,
    /// Chat with a sample bot in the terminal: server, stand-in for Meta and bot in one, gone when you leave
    Demo(demo::Options),
    /// Be a stand-in for Meta, for trying out clients of the Cloud API
    Emulator(emulator::Options),
}

/// Runs the program with its command line. `Err` is the sentence to end with.
///
/// # Errors
/// Whatever stood in the way, fit for the person at the terminal.
pub async fn run() -> Result<(), String> {
    match Cli::parse().command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run().await,
        Command::Demo(options) => demo::run(&options).await,
        Command::Emulator(options) => emulator::run(&options).await,
    }
}
