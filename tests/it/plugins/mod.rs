//! Plugins from upload to deletion, with real components, through the real server.

mod calls;
mod cli;
mod egress;
mod grants;
mod hosts;
mod life;
mod trial;
mod upload;

use std::sync::Arc;

use domain::{
    BotId, ContactId,
    plugin::{NodeCause, NodeStep, PluginEffect, PluginOutcome, PluginPin},
};
use serde_json::{Value, json};
use server::config::{Config, EgressRule};
use tests::{Answer, Api, Method, OnDatabase, TestApp, TestDatabase, guest};

/// A server that runs plugins, with a user, a bot and a contact.
struct Workshop {
    app: TestApp,
    api: Api,
    bot: i64,
    contact: i64,
}

/// What tests of plugins change of the configuration: plugins may call this machine, by this name and address.
fn settings(config: &mut Config) {
    config.plugins.compiler = Some(env!("CARGO_BIN_EXE_chatboost-under-test").into());
}

fn open(config: &mut Config) {
    settings(config);
    config.egress.allow = vec![EgressRule::Net("127.0.0.1/32".parse().unwrap())];
}

impl Workshop {
    async fn with(database: TestDatabase, change: impl FnOnce(&mut Config)) -> Self {
        let app = TestApp::with_test_clock(database, change).await;
        let api = app.api().registered("ada").await;
        let (bot, contact) = bot(&api).await;
        Self { app, api, bot, contact }
    }

    /// Another user with a bot and a contact.
    async fn other(&self, name: &str) -> (Api, i64, i64) {
        let api = self.app.api().registered(name).await;
        let (bot, contact) = bot(&api).await;
        (api, bot, contact)
    }

    async fn grant(&self, plugin: &str, grant: Value) {
        self.api.put(&format!("/plugins/{plugin}/grants/{}", self.bot), grant).await;
    }

    /// Calls a node as the runner does.
    async fn run(&self, pin: &PluginPin, node_type: &str, config: Value, key: &str) -> PluginOutcome {
        self.run_for((self.bot, self.contact), pin, node_type, config, key).await
    }

    async fn run_for(
        &self,
        who: (i64, i64),
        pin: &PluginPin,
        node_type: &str,
        config: Value,
        key: &str,
    ) -> PluginOutcome {
        let effect = PluginEffect {
            plugin: pin.clone(),
            node_type: node_type.into(),
            config,
            context: json!({ "contact": { "first_name": "Eve" } }),
            state: None,
            cause: NodeCause::Enter,
            retries: 0,
            idempotency_key: key.into(),
        };
        self.app.running().app().plugins.run_node(BotId(who.0), ContactId(who.1), &effect).await
    }
}

impl OnDatabase for Workshop {
    async fn on(database: TestDatabase) -> Self {
        Self::with(database, open).await
    }
}

async fn bot(api: &Api) -> (i64, i64) {
    let bot = api.bot("b").await;
    let contact = api.post("/flows/contacts/", json!({ "bot_id": bot, "phone": "16505550101" })).await;
    (bot, contact["id"].as_i64().unwrap())
}

async fn try_upload(api: &Api, component: Vec<u8>) -> Answer {
    api.send_raw(Method::POST, "/plugins", Some(("application/wasm", component))).await
}

/// Uploads a component; it must be new. Answers what is run.
async fn upload(api: &Api, component: Vec<u8>) -> PluginPin {
    let uploaded = try_upload(api, component).await.must_be(201);
    let version = &uploaded["version"];
    let text = |name: &str| version[name].as_str().unwrap().to_owned();
    PluginPin { name: text("name"), version: text("version"), digest: text("digest") }
}

#[track_caller]
fn step(outcome: PluginOutcome) -> NodeStep {
    match outcome {
        PluginOutcome::Step(step) => *step,
        other => panic!("no step: {other:?}"),
    }
}

/// The plugin of which a test needs but any.
async fn hello(api: &Api) -> PluginPin {
    upload(api, guest("hello")).await
}

/// What a handler of [`serve`] answers: the head and the body as they go over the wire.
type Answerer = Arc<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// An HTTP server of this machine. Answers its port, and what it was asked so far.
async fn serve(answer: Answerer) -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
    serve_at("127.0.0.1:0", answer).await
}

/// The same at an address and port of this machine.
async fn serve_at(place: &str, answer: Answerer) -> (u16, Arc<std::sync::Mutex<Vec<String>>>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind(place).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let keep = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let (answer, keep) = (answer.clone(), keep.clone());
            tokio::spawn(async move {
                let mut bytes = vec![0; 16 * 1024];
                let mut length = 0;
                loop {
                    let n = socket.read(&mut bytes[length..]).await.unwrap_or(0);
                    length += n;
                    let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                    let announced = text
                        .to_lowercase()
                        .lines()
                        .find_map(|line| line.strip_prefix("content-length: ").and_then(|n| n.parse::<usize>().ok()));
                    let is_whole =
                        text.split_once("\r\n\r\n").is_some_and(|(_, body)| body.len() >= announced.unwrap_or(0));
                    if n == 0 || is_whole {
                        keep.lock().unwrap().push(text.clone());
                        // The other side may have hung up.
                        let _ = socket.write_all(&answer(&text)).await;
                        return;
                    }
                }
            });
        }
    });
    (port, asked)
}

fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len()).into_bytes()
}
