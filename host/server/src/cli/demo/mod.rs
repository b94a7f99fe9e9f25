//! `chatboost demo`: server, stand-in for Meta and a sample bot in one process, and a chat with it in the terminal.
//!
//! Nothing is short-circuited: what is typed becomes a signed webhook, passes through ingest, engine and outbox, and
//! leaves over HTTP. Everything lives in a temporary folder and is gone afterwards.

mod bot;
mod chat;

use std::{path::PathBuf, sync::Arc};

use clap::Args;
use domain::SystemClock;
use emulator::Emulator;

use crate::{config::Config, running::Running};

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
    let folder = Folder::make()?;
    let emulator = Emulator::start(emulator::Config::new(Arc::new(SystemClock))).await.map_err(|e| e.to_string())?;
    let interactive = options.say.is_empty();
    let port = if interactive { options.port } else { 0 };
    let server = match start(&folder, &emulator, port).await {
        Err(crate::running::StartError::Listen(..)) if port != 0 => start(&folder, &emulator, 0).await,
        other => other,
    }
    .map_err(|error| error.to_string())?;
    emulator.set_callback(&format!("{}/whatsapp/webhook", server.base_url()));
    bot::make(&server.base_url(), emulator.number()).await?;

    let result = if interactive {
        chat::interactive(&server, &emulator).await
    } else {
        chat::scripted(&server, &emulator, &options.say).await
    };
    server.shut_down().await;
    result
}

async fn start(folder: &Folder, emulator: &Emulator, port: u16) -> Result<Running, crate::running::StartError> {
    let data = folder.0.display().to_string();
    let config = Config::from_vars(|name| {
        Some(match name {
            "DATA_DIR" => data.clone(),
            "PORT" => port.to_string(),
            "WHATSAPP_API_BASE_URL" => emulator.base_url(),
            "WHATSAPP_APP_SECRET" => emulator.app_secret().to_owned(),
            "WHATSAPP_ACCESS_TOKEN" => "demo-token".to_owned(),
            _ => return None,
        })
    });
    match config {
        Ok(config) => Running::start(config, Arc::new(SystemClock)).await,
        Err(error) => {
            Err(crate::running::StartError::File("configuration of the demo".into(), std::io::Error::other(error)))
        }
    }
}

/// A temporary folder, removed when the demo ends.
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, String> {
        let path = std::env::temp_dir().join(format!("chatboost-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in a folder for temporary files anyway.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
