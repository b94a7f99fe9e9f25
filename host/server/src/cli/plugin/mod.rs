//! `chatboost plugin`: from nothing to a node or trigger of one's own.

mod build;
mod check;
mod doctor;
mod harness;
mod host;
mod logs;
mod new;
mod project;
mod publish;
mod report;
mod run;
mod test;
mod toolchain;

use clap::Subcommand;

/// Make, try and publish plugins: nodes and triggers of your own
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Begin a plugin in a folder of its own
    New(new::Options),
    /// Compile a plugin and make a component of it
    Build(build::Options),
    /// Check a component as the server does at upload
    Check(check::Options),
    /// Build a plugin and run its tests, also those that need the component
    Test(test::Options),
    /// Chat with a bot that has just this plugin
    Run(run::Options),
    /// Upload a component to a server
    Publish(publish::Options),
    /// Show a plugin's log
    Logs(logs::Options),
    /// Find out why plugins cannot be built here
    Doctor(doctor::Options),
    /// Make calls for a test harness, over standard input and output
    #[command(hide = true)]
    Harness,
}

pub(super) async fn run(command: &Command) -> Result<(), String> {
    match command {
        Command::New(options) => new::run(options),
        Command::Build(options) => build::run(options).map(drop),
        Command::Check(options) => check::run(options).await,
        Command::Test(options) => test::run(options),
        Command::Run(options) => run::run(options).await,
        Command::Publish(options) => publish::run(options).await,
        Command::Logs(options) => logs::run(options).await,
        Command::Doctor(options) => doctor::run(options),
        Command::Harness => harness::run().await,
    }
}
