//! `chatboost serve`

use std::sync::Arc;

use domain::SystemClock;
use tokio::signal::unix::{SignalKind, signal};

use super::logging;
use crate::{config::Config, running::Running};

pub(super) async fn run() -> Result<(), String> {
    let config = Config::load().map_err(|error| error.to_string())?;
    logging::start(&config)?;
    if config.whatsapp.app_secret.is_none() {
        tracing::warn!(
            "WHATSAPP_APP_SECRET is not set: webhooks are refused, but those of bots with an app secret of their own"
        );
    }
    let server = Running::start(config, Arc::new(SystemClock)).await.map_err(|error| error.to_string())?;
    let base = server.base_url();
    println!("ChatBoost {} is ready", env!("CARGO_PKG_VERSION"));
    println!("  API      {base}");
    println!("  docs     {base}/docs  {base}/redoc");
    println!("  webhook  {base}/whatsapp/webhook");
    wait_for_stop().await?;
    tracing::info!("stopping");
    server.shut_down().await;
    Ok(())
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
