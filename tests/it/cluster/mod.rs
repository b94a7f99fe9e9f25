//! Several hosts on one PostgreSQL, before one stand-in for Meta.

mod rates;
mod roles;
mod takeover;
mod waking;

use std::{sync::Arc, time::Duration};

use domain::{HostRole, SystemClock};
use emulator::Emulator;
use serde_json::{Value, json};
use server::{
    config::{Config, SecretText},
    running::Running,
};
use tempfile::TempDir;
use tests::{Api, TestDatabase};
use tokio::time::Instant;

/// Who writes to the bot.
const ADA: &str = "16505550101";
/// Longest time to wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(30);
/// What is done sooner was told by a signal: a host looks by itself after four seconds at the earliest.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Hosts with a bot, and Meta around them.
struct Cluster {
    hosts: Vec<Running>,
    emulator: Emulator,
    api: Api,
    bot: i64,
    _folders: Vec<TempDir>,
    // Dropped last: the servers write there.
    _database: TestDatabase,
}

impl Cluster {
    /// Starts hosts with these roles; the first one must take requests.
    async fn start(roles: &[HostRole], change: impl Fn(&mut Config)) -> Self {
        let database = TestDatabase::postgres().await;
        let emulator = Emulator::start(emulator::Config::new(Arc::new(SystemClock))).await.unwrap();
        let (mut hosts, mut folders) = (Vec::new(), Vec::new());
        for role in roles {
            let folder = tempfile::tempdir().unwrap();
            let mut config = Config::for_testing(database.url());
            config.data_dir = folder.path().to_owned();
            config.role = *role;
            config.whatsapp.api_base_url = emulator.base_url();
            config.whatsapp.app_secret = Some(SecretText::new(emulator.app_secret()));
            config.whatsapp.access_token = Some(SecretText::new("token"));
            config.whatsapp.unknown_send_seconds = 1;
            change(&mut config);
            hosts.push(Running::start(config, Arc::new(SystemClock)).await.unwrap());
            folders.push(folder);
        }
        let api = Api::at(&hosts[0].base_url()).registered("owner").await;
        let number = &emulator.number().phone_number_id;
        let bot = api.post("/bots/", json!({ "name": "Bot", "whatsapp_phone_number_id": number })).await;
        let bot = bot["id"].as_i64().unwrap();
        let cluster = Self { hosts, emulator, api, bot, _folders: folders, _database: database };
        cluster.webhooks_to(0);
        cluster
    }

    /// From now on Meta posts to this host.
    fn webhooks_to(&self, host: usize) {
        self.emulator.set_callback(&format!("{}/whatsapp/webhook", self.hosts[host].base_url()));
    }

    /// The API of a host.
    fn api_of(&self, host: usize) -> Api {
        Api::at(&self.hosts[host].base_url()).with_token(self.api.token())
    }

    /// A flow that says something, started by a word. Its id.
    async fn answers(&self, word: &str, text: &str) -> i64 {
        let say =
            json!([{ "type": "send_message", "config": { "message_type": "text", "content": { "text": text } } }]);
        self.flow(word, say).await
    }

    async fn flow(&self, word: &str, nodes: Value) -> i64 {
        let flow = json!({ "bot_id": self.bot, "name": word, "nodes": nodes });
        let flow = self.api.post("/bots/flows/", flow).await["id"].as_i64().unwrap();
        let trigger = json!({
            "name": word, "bot_id": self.bot, "flow_id": flow, "trigger_type": "keyword", "keywords": [word],
        });
        self.api.post("/triggers/", trigger).await;
        flow
    }

    async fn say(&self, text: &str) {
        self.emulator.say(ADA, text).delivered().await.unwrap();
    }

    /// Waits until Ada has got so many messages, and tells how long that took.
    async fn got(&self, n: usize) -> Duration {
        let began = Instant::now();
        self.emulator.wait_for_to(ADA, n, PATIENCE).await.unwrap();
        began.elapsed()
    }

    /// How many flows Ada was in.
    async fn executions(&self) -> usize {
        let path = format!("/flows/executions/contact/{ADA}");
        self.api.get(&path).await["items"].as_array().unwrap().len()
    }

    async fn end(self) {
        for host in self.hosts {
            host.shut_down().await;
        }
    }
}

/// Waits until something holds that must come to hold, and tells how long that took.
async fn until(what: &str, holds: impl AsyncFn() -> bool) -> Duration {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    began.elapsed()
}
