//! Messages on their whole way: webhook in, flow, reply out, delivery report in; through the real server and the
//! emulator, on both databases.

mod accounts;
mod api_sends;
mod consent;
mod courtesy;
mod deleting;
mod effects;
mod events;
mod executions;
mod flows;
mod gallery;
mod hooks;
mod idempotency;
mod identity;
mod inbound;
mod media;
mod message_templates;
mod moving;
mod outbox;
mod plugins;
mod retention;
mod schedules;
mod sending;
mod statistics;
mod timers;
mod webhook;
mod window;

use std::{sync::Arc, time::Duration};

use domain::SystemClock;
use emulator::{Emulator, Sent};
use serde_json::{Value, json};
use server::config::{Config, SecretText};
use tests::{Api, OnDatabase, TestApp, TestDatabase};
use tokio::time::{Instant, sleep};

/// Longest time to wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(20);
/// Who writes to the bot.
const ADA: &str = "16505550101";
/// Somebody else who does.
const BOB: &str = "16505550202";

/// A server with a bot, and Meta around it.
pub(crate) struct Stage {
    pub(crate) app: TestApp,
    pub(crate) emulator: Emulator,
    pub(crate) api: Api,
    pub(crate) bot: i64,
}

/// A [`Stage`] whose clock is moved by hand.
struct StillStage(Stage);

impl OnDatabase for Stage {
    async fn on(database: TestDatabase) -> Self {
        Self::set(database, false, |_| {}).await
    }
}

impl OnDatabase for StillStage {
    async fn on(database: TestDatabase) -> Self {
        Self(Stage::set(database, true, |_| {}).await)
    }
}

impl Stage {
    pub(crate) async fn set(database: TestDatabase, still: bool, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = emulator::Config::new(Arc::new(SystemClock));
        config.delivery.first_pause = Duration::from_millis(50);
        let emulator = Emulator::start(config).await.unwrap();
        let adapt = |config: &mut Config| {
            config.whatsapp.api_base_url = emulator.base_url();
            config.whatsapp.app_secret = Some(SecretText::new(emulator.app_secret()));
            config.whatsapp.access_token = Some(SecretText::new("token"));
            config.whatsapp.unknown_send_seconds = 1;
            change(config);
        };
        let app =
            if still { TestApp::with_test_clock(database, adapt).await } else { TestApp::with(database, adapt).await };
        emulator.set_callback(&format!("{}/whatsapp/webhook", app.running().base_url()));
        let api = app.api().registered("owner").await;
        let number = &emulator.number().phone_number_id;
        let bot = json!({ "name": "Bot", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number });
        let bot = api.post("/bots/", bot).await["id"].as_i64().unwrap();
        Self { app, emulator, api, bot }
    }

    /// A flow of these nodes, started by `keyword` at the beginning of a message.
    async fn flow(&self, keyword: &str, nodes: Value) -> i64 {
        let flow = json!({ "bot_id": self.bot, "name": keyword, "nodes": nodes });
        let flow = self.api.post("/bots/flows/", flow).await;
        assert_eq!(flow["issues"], json!([]), "the flow is sound");
        let trigger = json!({
            "name": keyword, "bot_id": self.bot, "flow_id": flow["id"], "trigger_type": "keyword",
            "keywords": [keyword], "match_type": "starts_with",
        });
        self.api.post("/triggers/", trigger).await;
        flow["id"].as_i64().unwrap()
    }

    /// Ada says something, and the webhook is acknowledged.
    async fn say(&self, text: &str) {
        self.emulator.say(ADA, text).delivered().await.unwrap();
    }

    /// Ada's answers so far, once there are `n`, and nothing more is on its way.
    async fn answers(&self, n: usize) -> Vec<String> {
        let sent = self.emulator.wait_for_to(ADA, n, PATIENCE).await.unwrap();
        self.at_rest().await;
        let all = self.emulator.sent_to(ADA);
        assert_eq!(all.len(), sent.len().max(n), "no more than {n} answers: {all:?}");
        all.into_iter().map(|sent: Sent| sent.text).collect()
    }

    /// Waits until the server has nothing to do.
    pub(crate) async fn at_rest(&self) {
        until("the server is at rest", async || {
            // In this order: what is stored but not known in memory yet has a mailbox that is ready or owned.
            let mut tx = self.app.db().read().await.unwrap();
            let ready = tx.next_ready_at().await.unwrap().is_some_and(|at| at <= self.app.clock().now());
            let mut owned = false;
            for host in tx.hosts().await.unwrap() {
                owned |= !tx.busy_mailboxes(host.id).await.unwrap().is_empty();
            }
            tx.commit().await.unwrap();
            !ready && !owned && self.app.running().app().work.pending() == (0, 0)
        })
        .await;
    }

    /// How many mailboxes there are, and how many of them have something to do.
    async fn mailboxes(&self) -> (i64, i64) {
        self.app.db().read().await.unwrap().count_mailboxes().await.unwrap()
    }

    async fn history(&self, direction: &str) -> Vec<Value> {
        let path = format!("/whatsapp/messages/{}?direction={direction}&limit=1000", self.bot);
        let mut items = self.api.get(&path).await["items"].as_array().unwrap().clone();
        items.reverse();
        items
    }

    async fn executions(&self) -> Vec<Value> {
        self.api.get(&format!("/flows/executions/contact/{ADA}")).await["items"].as_array().unwrap().clone()
    }

    async fn metric(&self, name: &str) -> u64 {
        let text = self.api.send(tests::Method::GET, "/metrics", None).await.text;
        let line =
            text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("no {name}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }
}

/// Waits until something holds that must come to hold.
async fn until(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "in vain: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// A node that says something.
fn say(text: &str) -> Value {
    json!({ "type": "send_message", "config": { "message_type": "text", "content": { "text": text } } })
}

/// A node that says something and goes on.
fn say_then(text: &str, next: i64) -> Value {
    let mut node = say(text);
    node["config"]["next"] = next.into();
    node
}

/// A node that asks something and goes on.
fn ask(text: &str, store_in: &str, next: i64) -> Value {
    json!({ "type": "ask", "config": {
        "message_type": "text", "content": { "text": text }, "store_in": store_in, "next": next } })
}
