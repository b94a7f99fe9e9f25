//! A restart does not make the server forget what it owes.

use std::{sync::Arc, time::Duration};

use domain::{Clock, SystemClock, TestClock};
use emulator::{Emulator, Limits};
use serde_json::json;
use server::{
    config::{Config, SecretText},
    running::Running,
};
use tests::{Api, Method, TestDatabase, each_database};
use tokio::time::Instant;

use crate::journey::ADA;

async fn start(database: &TestDatabase, emulator: &Emulator, clock: &TestClock, data: &std::path::Path) -> Running {
    let mut config = Config::for_testing(database.url());
    config.data_dir = data.to_owned();
    config.whatsapp.api_base_url = emulator.base_url();
    config.whatsapp.access_token = Some(SecretText::new("token"));
    config.whatsapp.messages_per_second = Some(80);
    config.whatsapp.pair_pacing = true;
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    Running::start(config, clock).await.unwrap()
}

async fn send(api: &Api, bot: i64, from: usize, to: usize) {
    let path = format!("/whatsapp/send/text?bot_id={bot}");
    for n in from..to {
        let (api, path, body) = (api.clone(), path.clone(), json!({ "to": ADA, "text": format!("{n:03}") }));
        let stored = api.get(&format!("/whatsapp/messages/{bot}?limit=1")).await["total"].as_u64().unwrap();
        let asker = api.clone();
        tokio::spawn(async move { asker.send(Method::POST, &path, Some(&body)).await });
        while api.get(&format!("/whatsapp/messages/{bot}?limit=1")).await["total"].as_u64().unwrap() == stored {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Lets time pass, a second at a time, until so many were sent.
async fn pass(emulator: &Emulator, clock: &TestClock, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while emulator.count() < count {
        assert!(Instant::now() < deadline, "{} of {count}: {:?}", emulator.count(), emulator.refusals());
        clock.advance(Duration::from_millis(250));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

each_database! {
    async fn after_a_restart_what_was_borrowed_is_paid_back_first(database: TestDatabase) {
        let clock = TestClock::at(SystemClock.now());
        let mut config = emulator::Config::new(Arc::new(clock.clone()));
        config.limits = Limits::of_meta();
        let emulator = Emulator::start(config).await.unwrap();
        let data = tempfile::tempdir().unwrap();
        let first = start(&database, &emulator, &clock, data.path()).await;
        let api = Api::at(&first.base_url()).registered("owner").await;
        let key = api.post("/auth/api-keys", json!({ "name": "k" })).await;
        let number = &emulator.number().phone_number_id;
        let bot = api.post("/bots/", json!({ "name": "b", "whatsapp_phone_number_id": number })).await["id"].as_i64().unwrap();
        send(&api, bot, 0, 50).await;
        pass(&emulator, &clock, 45).await;
        first.shut_down().await;

        let second = start(&database, &emulator, &clock, data.path()).await;
        let api = Api::at(&second.base_url()).with_token(key["key"].as_str().unwrap());
        send(&api, bot, 50, 60).await;
        pass(&emulator, &clock, 60).await;
        assert!(emulator.refusals().is_empty(), "{:?}", emulator.refusals());
        let texts: Vec<String> = emulator.sent().into_iter().map(|sent| sent.text).collect();
        assert_eq!(texts, (0..60).map(|n| format!("{n:03}")).collect::<Vec<_>>());
        second.shut_down().await;
    }
}
