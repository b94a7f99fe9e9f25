//! The program `chatboost`.

mod client;
mod demo;
mod emulator;
pub mod ending;
mod logging;
mod migrate_data;
mod plugin;
mod serve;

use std::{process::ExitCode, sync::Arc};

use clap::{Parser, Subcommand};
use domain::{Clock, SystemClock};

use ending::Ending;

/// The argument by which the server starts this program again, to compile a plugin. Not for people.
pub(crate) const COMPILE_PLUGIN: &str = "compile-plugin";

/// A self-hosted platform for WhatsApp bots.
#[derive(Debug, Parser)]
#[command(name = "chatboost", version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    serve: serve::Options,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the API and run the bots (the default). Configured by environment variables or a file `.env`
    Serve(serve::Options),
    /// Chat with a sample bot in the terminal: server, stand-in for Meta and bot in one, gone when you leave
    Demo(demo::Options),
    /// Be a stand-in for Meta, for trying out clients of the Cloud API
    Emulator(emulator::Options),
    /// Copy everything from an SQLite database to an empty one on PostgreSQL. Can be interrupted and run again
    MigrateData(migrate_data::Options),
    /// Make, try and publish plugins: nodes and triggers of your own
    #[command(subcommand)]
    Plugin(plugin::Command),
}

/// The program, from its command line to its exit status.
pub fn main() -> ExitCode {
    main_by(Arc::new(SystemClock))
}

/// The program by another clock than the computer's, for drills in which that jumps. Only `serve` goes by it.
pub fn main_by(clock: Arc<dyn Clock>) -> ExitCode {
    // Before there is any other thread: the child limits its own process.
    if std::env::args_os().nth(1).is_some_and(|argument| argument == COMPILE_PLUGIN) {
        return plugin_host::compile_child();
    }
    let runtime =
        tokio::runtime::Runtime::new().map_err(|error| Ending::from(format!("the runtime cannot be started: {error}")));
    match runtime.and_then(|runtime| runtime.block_on(run(clock))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Ending { message, status }) => {
            eprintln!("chatboost: {message}");
            ExitCode::from(status)
        }
    }
}

/// Runs the program with its command line. `Err` is the sentence to end with, and the exit status.
///
/// # Errors
/// Whatever stood in the way, fit for the person at the terminal.
async fn run(clock: Arc<dyn Clock>) -> Result<(), Ending> {
    let Cli { serve, command } = Cli::parse();
    match command.unwrap_or(Command::Serve(serve)) {
        Command::Serve(options) => serve::run(&options, clock).await,
        Command::Demo(options) => Ok(demo::run(&options).await?),
        Command::Emulator(options) => Ok(emulator::run(&options).await?),
        Command::MigrateData(options) => migrate_data::run(&options).await,
        Command::Plugin(command) => Ok(plugin::run(&command).await?),
    }
}
