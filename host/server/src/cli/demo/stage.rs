//! Server and stand-in for Meta in one process, with everything in a temporary folder.

use std::{path::PathBuf, sync::Arc};

use domain::SystemClock;
use emulator::Emulator;

use super::chat;
use crate::{
    config::Config,
    running::{Running, StartError},
};

/// See the module.
pub(in crate::cli) struct Stage {
    server: Running,
    emulator: Emulator,
    _folder: Folder,
}

impl Stage {
    /// Starts both. A scripted conversation takes any free port; else it is `port`, if that is free.
    pub(in crate::cli) async fn start(is_scripted: bool, port: u16) -> Result<Self, String> {
        let folder = Folder::make()?;
        let emulator =
            Emulator::start(emulator::Config::new(Arc::new(SystemClock))).await.map_err(|e| e.to_string())?;
        let port = if is_scripted { 0 } else { port };
        let server = match start(&folder, &emulator, port).await {
            Err(StartError::Listen(..)) if port != 0 => start(&folder, &emulator, 0).await,
            other => other,
        }
        .map_err(|error| error.to_string())?;
        emulator.set_callback(&format!("{}/whatsapp/webhook", server.base_url()));
        Ok(Self { server, emulator, _folder: folder })
    }

    /// Address of the API.
    pub(in crate::cli) fn base_url(&self) -> String {
        self.server.base_url()
    }

    /// The stand-in for Meta.
    pub(in crate::cli) fn emulator(&self) -> &Emulator {
        &self.emulator
    }

    /// Says what is given and prints the conversation, or else chats until the input ends.
    pub(in crate::cli) async fn chat(&self, intro: &str, says: &[String]) -> Result<(), String> {
        if says.is_empty() {
            chat::interactive(&self.server, &self.emulator, intro).await
        } else {
            chat::scripted(&self.server, &self.emulator, says).await
        }
    }

    /// Stops the server.
    pub(in crate::cli) async fn end(self) {
        self.server.shut_down().await;
    }
}

async fn start(folder: &Folder, emulator: &Emulator, port: u16) -> Result<Running, StartError> {
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
        Err(error) => Err(StartError::File("configuration of the demo".into(), std::io::Error::other(error))),
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
