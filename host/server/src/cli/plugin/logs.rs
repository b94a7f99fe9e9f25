//! `chatboost plugin logs`: what a plugin wrote into its log.

use clap::Args;
use reqwest::Method;

use crate::cli::client::Server;

/// Whose log.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// Name of the plugin
    name: String,
    /// Most lines, the newest
    #[arg(long, default_value_t = 50)]
    limit: u32,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn run(options: &Options) -> Result<(), String> {
    let api = options.server.api()?;
    let path = format!("/plugins/{}/logs?limit={}", options.name, options.limit);
    let answer = api.send(api.request(Method::GET, &path)).await?;
    let lines = answer["items"].as_array().map(Vec::as_slice).unwrap_or_default();
    if lines.is_empty() {
        println!("{} has logged nothing.", options.name);
    }
    // The newest come first; a log is read downwards.
    for line in lines.iter().rev() {
        let text = |name: &str| line[name].as_str().unwrap_or_default();
        println!("{} {:5} {} {}", text("at"), text("level"), text("version"), text("message"));
        for name in ["fields", "detail"] {
            match &line[name] {
                serde_json::Value::Null => {}
                serde_json::Value::String(detail) => println!("    {}", detail.replace('\n', "\n    ")),
                other => println!("    {other}"),
            }
        }
    }
    Ok(())
}
