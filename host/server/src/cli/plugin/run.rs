//! `chatboost plugin run`: server, stand-in for Meta, and a bot that has just this plugin, in one process.
//!
//! The plugin is uploaded as any other and granted everything that it wants. Its first node type becomes a flow that any
//! message starts; each exit says its name. Without nodes, its matchers start a flow that shows what they extracted.

use std::{fs, path::PathBuf};

use clap::Args;
use domain::plugin::{Manifest, TriggerKind};
use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Map, Value, json};

use super::{build, harness, project::Project};
use crate::cli::{client::Api, demo};

/// What to run.
#[derive(Debug, Args)]
pub(in crate::cli) struct Options {
    /// The plugin's folder, which is built first, or a component
    #[arg(default_value = ".")]
    plugin: PathBuf,
    /// Say this, wait for the answers, and go on to the next; print the conversation and end. May be repeated
    #[arg(long = "say", value_name = "TEXT")]
    say: Vec<String>,
    /// The node type, or matcher, to run; the first one unless given
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// Its configuration as JSON; that of its first example unless given
    #[arg(long, value_name = "JSON")]
    config: Option<String>,
    /// A secret. May be repeated
    #[arg(long = "secret", value_name = "NAME=VALUE")]
    secrets: Vec<String>,
    /// A setting; VALUE is JSON, or else a text. May be repeated
    #[arg(long = "setting", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

pub(super) async fn run(options: &Options) -> Result<(), String> {
    let path =
        if options.plugin.is_dir() { build::build(&Project::open(&options.plugin)?)? } else { options.plugin.clone() };
    let wasm = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let stage = demo::Stage::start(!options.say.is_empty(), 8000).await?;
    let result = async {
        let (token, bot) = demo::make_bot(&stage.base_url(), stage.emulator().number()).await?;
        let api = Api::local(&stage.base_url(), &token)?;
        let intro = set_up(options, &api, bot, wasm).await?;
        stage.chat(&intro, &options.say).await
    }
    .await;
    stage.end().await;
    result
}

/// Uploads, grants and makes the bot use it. What there is to say to people before they write.
async fn set_up(options: &Options, api: &Api, bot: i64, wasm: Vec<u8>) -> Result<String, String> {
    let upload = api.request(Method::POST, "/plugins").header(CONTENT_TYPE, "application/wasm").body(wasm);
    let uploaded = api.send(upload).await?;
    let manifest: Manifest = serde_json::from_value(uploaded["version"]["manifest"].clone())
        .map_err(|error| format!("the manifest: {error}"))?;
    let name = &manifest.name;

    let mut grant = harness::all(&manifest);
    for setting in &options.settings {
        let (key, value) = pair(setting, "--setting")?;
        grant.config.insert(key.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into()));
    }
    api.send(api.request(Method::PUT, &format!("/plugins/{name}/grants/{bot}")).json(&grant)).await?;
    for secret in &options.secrets {
        let (key, value) = pair(secret, "--secret")?;
        let path = format!("/plugins/{name}/secrets/{bot}/{key}");
        api.send(api.request(Method::PUT, &path).json(&json!({ "value": value }))).await?;
    }
    let given = options.config.as_deref().map(serde_json::from_str::<Map<String, Value>>).transpose();
    let given = given.map_err(|error| format!("--config is no JSON object: {error}"))?;
    let wanted = |kind: &str| options.kind.as_deref().is_none_or(|wanted| wanted == kind);
    if let Some(node) = manifest.nodes.iter().find(|node| wanted(&node.name)) {
        let example = node.examples.first().and_then(|example| example.config.as_object().cloned());
        let config = given.or(example).unwrap_or_default();
        let exits: Vec<&str> = node.exits.iter().map(|exit| exit.name.as_str()).collect();
        run_node(api, bot, &format!("{name}/{}", node.name), config, &exits).await?;
        return Ok(format!("Every message starts the node {} of {name}.", node.name));
    }
    let matchers = manifest.triggers.iter().filter(|trigger| trigger.kind == TriggerKind::Matcher);
    if let Some(matcher) = matchers.into_iter().find(|trigger| wanted(&trigger.name)) {
        let example = matcher.examples.first().and_then(|example| example.config.as_object().cloned());
        let config = given.or(example).unwrap_or_default();
        run_matcher(api, bot, name, &matcher.name, config).await?;
        return Ok(format!("Messages that the matcher {} of {name} recognises are answered.", matcher.name));
    }
    match &options.kind {
        Some(kind) => Err(format!("--type {kind}: {name} has no node or matcher of that name")),
        None => {
            Err(format!("{name} has neither nodes nor matchers to chat with; `chatboost plugin test` calls the others"))
        }
    }
}

/// A flow of the node, each exit of which says its name; any message starts it.
async fn run_node(
    api: &Api,
    bot: i64,
    node_type: &str,
    mut config: Map<String, Value>,
    exits: &[&str],
) -> Result<(), String> {
    let all: Vec<&str> = exits.iter().copied().chain(["error"]).collect();
    let places = all.iter().enumerate().map(|(at, exit)| ((*exit).to_owned(), json!(at + 1)));
    config.insert("exits".to_owned(), Value::Object(places.collect()));
    let mut nodes = vec![json!({ "type": node_type, "config": config })];
    nodes.extend(all.iter().map(|exit| say(&format!("[left by {exit}]"))));
    let flow = make(api, "/bots/flows/", json!({ "bot_id": bot, "name": "run", "nodes": nodes })).await?;
    let trigger = json!({
        "name": "run", "bot_id": bot, "flow_id": flow, "trigger_type": "event", "event_type": "message_received",
    });
    make(api, "/triggers/", trigger).await.map(drop)
}

/// A flow that shows what the matcher extracted, and one for messages that it does not recognise.
async fn run_matcher(api: &Api, bot: i64, plugin: &str, kind: &str, config: Map<String, Value>) -> Result<(), String> {
    let shows = [say("[recognised] {{ state | tojson }}")];
    let flow = make(api, "/bots/flows/", json!({ "bot_id": bot, "name": "recognised", "nodes": shows })).await?;
    let trigger = json!({
        "name": "recognised", "bot_id": bot, "flow_id": flow, "trigger_type": "plugin", "priority": 10,
        "plugin": plugin, "type": kind, "config": config,
    });
    make(api, "/triggers/", trigger).await?;
    let other = json!({ "bot_id": bot, "name": "not recognised", "nodes": [say("[not recognised]")] });
    let flow = make(api, "/bots/flows/", other).await?;
    let trigger = json!({
        "name": "other", "bot_id": bot, "flow_id": flow, "trigger_type": "event", "event_type": "message_received",
    });
    make(api, "/triggers/", trigger).await.map(drop)
}

fn say(text: &str) -> Value {
    json!({ "type": "send_message", "config": { "message_type": "text", "content": { "text": text } } })
}

async fn make(api: &Api, path: &str, body: Value) -> Result<i64, String> {
    let made = api.post(path, &body).await?;
    made["id"].as_i64().ok_or_else(|| format!("POST {path} answered without an id"))
}

fn pair<'a>(text: &'a str, option: &str) -> Result<(&'a str, &'a str), String> {
    text.split_once('=').ok_or_else(|| format!("{option} {text}: must be NAME=VALUE"))
}
