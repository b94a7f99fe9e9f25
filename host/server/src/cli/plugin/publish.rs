//! `chatboost plugin publish`: uploads a component.

use std::{fs, path::PathBuf};

use clap::Args;
use plugin_host::Report;
use reqwest::{Method, header::CONTENT_TYPE};

use super::{project, report};
use crate::cli::client::Server;

/// What to upload, and where.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The component, or the plugin's folder
    #[arg(default_value = ".")]
    component: PathBuf,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn run(options: &Options) -> Result<(), String> {
    let path = project::component(&options.component)?;
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let api = options.server.api()?;
    let request = api.request(Method::POST, "/plugins").header(CONTENT_TYPE, "application/wasm").body(bytes);
    let answer = api.send(request).await?;
    let version = &answer["version"];
    let report = serde_json::from_value(version["report"].clone());
    let report: Report = report.map_err(|error| format!("uploaded, but the report cannot be read: {error}"))?;
    let text = |field: &str| version[field].as_str().unwrap_or_default();
    report::show(text("name"), text("version"), &report);
    println!("Published {} {} to {}.", text("name"), text("version"), options.server.address());
    Ok(())
}
