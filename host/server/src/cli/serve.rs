//! `chatboost serve`

use std::sync::Arc;

use domain::Clock;
use tokio::signal::unix::{SignalKind, signal};

use super::{
    ending::{Ending, status},
    logging,
};
use crate::{config::Config, running::Running};

/// How to serve.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// What this host does, instead of what ROLE says: all, api (requests and webhooks) or worker (runs and sends)
    #[arg(long)]
    role: Option<String>,
}

pub(super) async fn run(options: &Options, clock: Arc<dyn Clock>) -> Result<(), Ending> {
    let config = Config::load_with(|name| options.role.clone().filter(|_| name == "ROLE"))?;
    logging::start(&config)?;
    if config.whatsapp.app_secret.is_none() {
        tracing::warn!(
            "WHATSAPP_APP_SECRET is not set: webhooks are refused, but those of bots with an app secret of their own"
        );
    }
    let server = Running::start(config, clock).await?;
    let base = server.base_url();
    println!("ChatBoost {} is ready", env!("CARGO_PKG_VERSION"));
    println!("  API      {base}");
    println!("  docs     {base}/docs  {base}/redoc");
    println!("  webhook  {base}/whatsapp/webhook");
    let ended = tokio::select! {
        stopped = wait_for_stop() => stopped.map_err(Ending::from),
        () = server.is_outdated() => Err(outdated()),
    };
    tracing::info!("stopping");
    if ended.is_ok() {
        tokio::select! {
            () = server.drain() => {}
            // Asked twice, it does not wait.
            _ = wait_for_stop() => {}
        }
    }
    server.shut_down().await;
    ended
}

fn outdated() -> Ending {
    let message =
        "a newer chatboost has changed the database so that this one cannot work on it: run the newer version";
    Ending { message: message.into(), status: status::NEWER }
}

/// Returns on Ctrl-C or SIGTERM.
pub(super) async fn wait_for_stop() -> Result<(), String> {
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result.map_err(|error| error.to_string())?,
    }
    Ok(())
}
