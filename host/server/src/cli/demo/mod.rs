//! `chatboost demo`: server, stand-in for Meta and a sample bot in one process, and a chat with it in the terminal.
//!
//! Nothing is short-circuited: what is typed becomes a signed webhook, passes through ingest, engine and outbox, and
//! leaves over HTTP. Everything lives in a temporary folder and is gone afterwards.

mod bot;
mod chat;
mod stage;

use clap::Args;

pub(super) use bot::make_bot;
pub(super) use stage::Stage;

/// How to chat.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Say this, wait for the answers, and go on to the next; print the conversation and end. May be repeated
    #[arg(long = "say", value_name = "TEXT")]
    say: Vec<String>,
    /// Port of the API; a free one is taken if it is in use
    #[arg(long, default_value_t = 8000)]
    port: u16,
}

pub(super) async fn run(options: &Options) -> Result<(), String> {
    let stage = Stage::start(!options.say.is_empty(), options.port).await?;
    let result = async {
        let (token, bot) = make_bot(&stage.base_url(), stage.emulator().number()).await?;
        bot::add_flow(&stage.base_url(), &token, bot).await?;
        stage.chat("Write to its sample bot, hi for example.", &options.say).await
    }
    .await;
    stage.end().await;
    result
}
