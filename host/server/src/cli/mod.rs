//! The program `chatboost`.

mod client;
mod demo;
mod emulator;
mod logging;
mod plugin;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The argument by which the server starts this program again, to compile a plugin. Not for people.
pub(crate) const COMPILE_PLUGIN: &str = "compile-plugin";

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
    /// Make, try and publish plugins: nodes and triggers of your own
    #[command(subcommand)]
    Plugin(plugin::Command),
}

/// The program, from its command line to its exit status.
pub fn main() -> ExitCode {
    // Before there is any other thread: the child limits its own process.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == COMPILE_PLUGIN) {
        return plugin_host::compile_child();
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| format!("the runtime cannot be started: {error}"));
    match runtime.and_then(|runtime| runtime.block_on(run())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("chatboost: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the program with its command line. `Err` is the sentence to end with.
///
/// # Errors
/// Whatever stood in the way, fit for the person at the terminal.
async fn run() -> Result<(), String> {
    match Cli::parse().command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run().await,
        Command::Demo(options) => demo::run(&options).await,
        Command::Emulator(options) => emulator::run(&options).await,
        Command::Plugin(command) => plugin::run(&command).await,
    }
}
