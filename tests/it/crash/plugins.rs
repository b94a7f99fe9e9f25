//! `kill -9` while plugins are called: a call in flight is repeated with the same key, and what it counted is counted once.

use std::{sync::Arc, time::Duration};

use domain::SystemClock;
use emulator::Emulator;
use serde_json::json;
use tests::{Api, Method, database_urls, guest};
use tokio::time::Instant;

use super::{Host, PATIENCE, free_port, phone};

const CONTACTS: usize = 6;
const MESSAGES: usize = 12;
const KILLS: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_a_plugin_counts_every_message_once_and_in_order() {
    for (name, url) in database_urls().await {
        drill(name, &url).await;
    }
}

async fn drill(name: &str, database_url: &str) {
    let data = tempfile::tempdir().unwrap();
    let url =
        if name == "sqlite" { format!("sqlite:{}", data.path().join("bot.db").display()) } else { database_url.into() };
    let mut config = emulator::Config::new(Arc::new(SystemClock));
    config.delivery.first_pause = Duration::from_millis(50);
    config.delivery.longest_pause = Duration::from_millis(300);
    config.delivery.attempts = 1_000;
    let emulator = Emulator::start(config).await.unwrap();
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    emulator.set_callback(&format!("{base}/whatsapp/webhook"));

    let mut host = Host::start(data.path(), &url, port, &emulator);
    let api = Api::wait_for(&base).await.registered("owner").await;
    let number = &emulator.number().phone_number_id;
    let bot = json!({ "name": "b", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number });
    let bot = api.post("/bots/", bot).await;
    let component = Some(("application/wasm", guest("trigger")));
    api.send_raw(Method::POST, "/plugins", component).await.must_be(201);
    api.put(&format!("/plugins/trigger/grants/{}", bot["id"]), json!({ "kv": { "contact": true } })).await;
    let flow = json!({ "bot_id": bot["id"], "name": "count", "nodes": [
        { "type": "trigger/count", "config": { "exits": { "next": 1 } } },
        { "type": "send_message", "config": {
            "message_type": "text", "content": { "text": "visit {{ state.visits }} with {{ message.text }}" } } },
    ] });
    let flow = api.post("/bots/flows/", flow).await;
    let trigger = json!({
        "name": "t", "bot_id": bot["id"], "flow_id": flow["id"], "trigger_type": "keyword",
        "keywords": ["message"], "match_type": "starts_with",
    });
    api.post("/triggers/", trigger).await;

    let talkers: Vec<_> = (0..CONTACTS)
        .map(|contact| {
            let emulator = emulator.clone();
            tokio::spawn(async move {
                for message in 1..=MESSAGES {
                    emulator.say(&phone(contact), &format!("message {message}")).delivered().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(120)).await;
                }
            })
        })
        .collect();
    let mut seed = [0; KILLS];
    getrandom::fill(&mut seed).unwrap();
    eprintln!("{name}: kills after {seed:?} × 4 ms");
    for byte in seed {
        tokio::time::sleep(Duration::from_millis(120 + 4 * u64::from(byte))).await;
        host.kill();
        host = Host::start(data.path(), &url, port, &emulator);
        Api::wait_for(&base).await;
    }
    for talker in talkers {
        talker.await.unwrap();
    }

    let deadline = Instant::now() + PATIENCE;
    let wanted: Vec<String> = (1..=MESSAGES).map(|n| format!("visit {n} with message {n}")).collect();
    for contact in 0..CONTACTS {
        loop {
            let mut said: Vec<String> = emulator.sent_to(&phone(contact)).into_iter().map(|sent| sent.text).collect();
            // A send in flight at a kill may have gone out, and is then made again.
            said.dedup();
            if said == wanted {
                break;
            }
            assert!(Instant::now() < deadline, "{name}: contact {contact}: {said:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let executions = api.get(&format!("/flows/executions/contact/{}?limit=100", phone(contact))).await;
        let items = executions["items"].as_array().unwrap();
        assert_eq!(items.len(), MESSAGES, "{name}: one execution for each message");
        assert!(items.iter().all(|execution| execution["status"] == "completed"), "{name}: {items:?}");
    }
}
