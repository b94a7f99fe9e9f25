//! The outbox against an emulator that goes by the same clock: paces, pauses, retries, health, failures.

mod campaign;
mod failures;
mod health;
mod pauses;
mod restart;
mod retries;

use std::{sync::Arc, time::Duration};

use domain::{Clock, SystemClock, TestClock};
use emulator::{Emulator, Failure};
use serde_json::{Value, json};
use server::config::{Config, SecretText};
use tests::{OnDatabase, TestApp, TestDatabase};

use super::{ADA, Stage, say, say_then, until};

/// A number of another bot.
const OTHER_NUMBER: &str = "100000000000002";
/// The only access token that the emulator takes, where it takes only one.
const GOOD: &str = "good-token";

/// A stage on which all go by one clock that is moved by hand.
struct Clockwork {
    stage: Stage,
    clock: TestClock,
}

impl OnDatabase for Clockwork {
    async fn on(database: TestDatabase) -> Self {
        Self::set(database, |_| {}, |_| {}).await
    }
}

impl Clockwork {
    async fn set(
        database: TestDatabase,
        meta: impl FnOnce(&mut emulator::Config),
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let clock = TestClock::at(SystemClock.now());
        let mut config = emulator::Config::new(Arc::new(clock.clone()));
        config.delivery.first_pause = Duration::from_millis(50);
        config.statuses.pause = Duration::ZERO;
        meta(&mut config);
        let emulator = Emulator::start(config).await.unwrap();
        let app = TestApp::with_clock(database, clock.clone(), |config| {
            config.whatsapp.api_base_url = emulator.base_url();
            config.whatsapp.app_secret = Some(SecretText::new(emulator.app_secret()));
            config.whatsapp.access_token = Some(SecretText::new("token"));
            change(config);
        })
        .await;
        emulator.set_callback(&format!("{}/whatsapp/webhook", app.running().base_url()));
        let api = app.api().registered("owner").await;
        let key = api.post("/auth/api-keys", json!({ "name": "k" })).await;
        let api = api.with_token(key["key"].as_str().unwrap());
        let number = &emulator.number().phone_number_id;
        let bot = json!({ "name": "Bot", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number });
        let bot = api.post("/bots/", bot).await["id"].as_i64().unwrap();
        Self { stage: Stage { app, emulator, api, bot }, clock }
    }

    fn advance(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// One more bot, with these settings.
    async fn bot(&self, more: Value) -> i64 {
        let mut bot = json!({ "name": "Other", "whatsapp_phone_number_id": OTHER_NUMBER });
        bot.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.stage.api.post("/bots/", bot).await["id"].as_i64().unwrap()
    }

    /// A text by API. Answers at once whatever becomes of it.
    async fn text(&self, bot: i64, to: &str, text: &str) {
        let path = format!("/whatsapp/send/text?bot_id={bot}");
        let (api, body) = (self.stage.api.clone(), json!({ "to": to, "text": text }));
        let before = self.queued().await;
        tokio::spawn(async move { api.send(tests::Method::POST, &path, Some(&body)).await });
        until("it is stored", async || self.queued().await > before).await;
    }

    /// How many messages there are, of all bots.
    async fn queued(&self) -> usize {
        let mut count = 0;
        for bot in self.stage.api.get("/bots/").await["items"].as_array().unwrap() {
            let path = format!("/whatsapp/messages/{}?direction=outbound&limit=1", bot["id"]);
            count += usize::try_from(self.stage.api.get(&path).await["total"].as_u64().unwrap()).unwrap();
        }
        count
    }

    /// What a person got.
    fn got(&self, person: &str) -> Vec<String> {
        self.stage.emulator.sent_to(person).into_iter().map(|sent| sent.text).collect()
    }

    /// Waits until a person has got exactly this.
    async fn gets(&self, person: &str, texts: &[&str]) {
        until(&format!("{person} gets {texts:?}"), async || self.got(person) == texts).await;
    }

    /// How often Meta has refused with a code.
    fn refusals(&self, code: i64) -> u64 {
        self.stage.emulator.refusals().get(&code).copied().unwrap_or(0)
    }

    async fn refused(&self, code: i64, times: u64) {
        until(&format!("Meta refuses with {code} for the {times}. time"), async || {
            self.refusals(code) == times && self.stage.app.running().app().work.in_flight() == 0
        })
        .await;
    }

    /// Waits until nothing is in memory: what is left waits in the database.
    async fn parked(&self) {
        self.stage.at_rest().await;
    }

    /// The first refusals of sends to a person.
    fn fail(&self, person: &str, times: u32, code: i64) {
        let mut faults = self.stage.emulator.faults();
        let failure = Failure::code(code);
        faults.next.push_back(emulator::Planned { times, to: Some(person.to_owned()), message_type: None, failure });
        self.stage.emulator.set_faults(faults);
    }

    async fn health(&self, bot: i64) -> Value {
        self.stage.api.get(&format!("/bots/{bot}")).await["health"].clone()
    }

    /// Lets nothing happen for a moment, where the point is that nothing does.
    async fn nothing_happens(&self) {
        let before = (self.stage.emulator.count(), self.stage.emulator.refusals());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!((self.stage.emulator.count(), self.stage.emulator.refusals()), before);
    }
}
