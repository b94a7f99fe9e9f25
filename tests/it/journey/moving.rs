//! From SQLite to PostgreSQL in the middle of conversations: everything is there, and they go on.

use emulator::Inbound;
use serde_json::{Value, json};
use server::config::{Config, EgressRule, SecretText, StoreConfig};
use tests::{Api, Method, TestApp, TestDatabase, guest};

use super::{ADA, BOB, PATIENCE, Stage, ask, say, say_then, until};
use crate::moving::moved;

/// All that the API tells of a bot.
async fn told(api: &Api, bot: i64) -> Vec<Value> {
    let execution = api.get(&format!("/flows/executions/contact/{ADA}")).await["items"][0]["id"].clone();
    let mut all = Vec::new();
    for path in [
        "/auth/me".to_owned(),
        "/bots/".to_owned(),
        format!("/bots/flows/?bot_id={bot}"),
        format!("/triggers/bot/{bot}"),
        format!("/flows/contacts/?bot_id={bot}"),
        format!("/whatsapp/messages/{bot}?limit=1000"),
        format!("/flows/executions/contact/{ADA}"),
        format!("/flows/executions/contact/{BOB}"),
        format!("/flows/executions/{execution}/logs"),
        "/triggers/1/logs".to_owned(),
        format!("/whatsapp/templates?bot_id={bot}"),
        format!("/whatsapp/account-events?bot_id={bot}"),
        "/plugins/loyalty-points".to_owned(),
        format!("/plugins/loyalty-points/grants/{bot}"),
    ] {
        let answer = api.send(Method::GET, &path, None).await;
        all.push(json!({ "path": path, "status": answer.status, "body": answer.json() }));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conversations_go_on_after_the_move() {
    let files = tempfile::tempdir().unwrap();
    let media = StoreConfig::Folder(files.path().to_owned());
    let open = |config: &mut Config| {
        config.egress.allow = vec![EgressRule::Net("127.0.0.1/32".parse().unwrap())];
        config.plugins.compiler = Some(env!("CARGO_BIN_EXE_chatboost-under-test").into());
        config.media.store = media.clone();
    };
    let stage = Stage::set(TestDatabase::sqlite(), false, open).await;

    // A template, a plugin that counts, a file, a reaction to come, a timer, and a question that waits for its answer.
    stage.emulator.put_template(&json!({ "name": "order", "category": "UTILITY" }));
    let account = json!({ "whatsapp_business_account_id": stage.emulator.number().waba_id });
    stage.api.put(&format!("/bots/{}", stage.bot), account).await;
    stage.api.get(&format!("/whatsapp/templates?bot_id={}", stage.bot)).await;
    let plugin =
        stage.api.send_raw(Method::POST, "/plugins", Some(("application/wasm", guest("loyalty-points")))).await;
    plugin.must_be(201);
    let grant = json!({ "kv": { "contact": true } });
    stage.api.put(&format!("/plugins/loyalty-points/grants/{}", stage.bot), grant).await;
    stage.flow("name", json!([ask("What is your name?", "state.name", 1), say("Hi {{ state.name }}, äöü 🦀")])).await;
    stage
        .flow(
            "later",
            json!([
                say_then("wait", 1),
                { "type": "wait", "config": { "duration": 12, "unit": "seconds", "next": 2 } },
                say("now"),
            ]),
        )
        .await;
    stage.say("name").await;
    stage.answers(1).await;
    stage.emulator.say(BOB, "later").delivered().await.unwrap();
    stage.emulator.wait_for_to(BOB, 1, PATIENCE).await.unwrap();
    let file = stage.emulator.put_file("image/png", b"\x89PNG\r\n\x1a\nsome image".to_vec());
    stage.emulator.say_with(Inbound::file(BOB, "image", &file)).delivered().await.unwrap();
    stage
        .emulator
        .emit("account_alerts", &json!({ "entity_type": "WABA", "alert_info": { "alert_type": "x" } }))
        .delivered()
        .await
        .unwrap();
    stage.at_rest().await;
    until("the file is kept", async || std::fs::read_dir(files.path()).unwrap().next().is_some()).await;
    until("all is read", async || stage.history("outbound").await.iter().all(|message| message["status"] == "read"))
        .await;
    let before = told(&stage.api, stage.bot).await;

    // The server stops, and what it leaves is put where the test keeps it.
    let kept = tempfile::tempdir().unwrap();
    let copy = kept.path().join("chatboost.db");
    let app = stage.app.running().app();
    app.work.shut_down().await;
    app.work.leave().await;
    app.db.close().await;
    let Stage { app, emulator, api, bot } = stage;
    std::fs::copy(app.database().url().strip_prefix("sqlite:").unwrap(), &copy).unwrap();

    let target = TestDatabase::postgres().await;
    let (from, to) = (format!("sqlite:{}", copy.display()), target.url().to_owned());
    let output = tokio::task::spawn_blocking(move || moved(&from, &to)).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let now_there = TestApp::with(target, |config| {
        config.whatsapp.api_base_url = emulator.base_url();
        config.whatsapp.app_secret = Some(SecretText::new(emulator.app_secret()));
        config.whatsapp.access_token = Some(SecretText::new("token"));
        open(config);
    })
    .await;
    emulator.set_callback(&format!("{}/whatsapp/webhook", now_there.running().base_url()));
    let api = now_there.api().with_token(api.token());
    // The timer is due within seconds: what is told of it may change while it is looked at.
    for (was, is) in before.iter().zip(&told(&api, bot).await) {
        let moves_on = [BOB, "/messages/"].iter().any(|part| was["path"].as_str().unwrap().contains(part));
        assert!(was == is || moves_on, "{was:#}\nis now\n{is:#}");
        assert_eq!((&was["status"], &is["status"]), (&json!(200), &json!(200)), "{was}");
    }
    emulator.say(ADA, "Ada").delivered().await.unwrap();
    emulator.wait_for_to(ADA, 2, PATIENCE).await.unwrap();
    assert_eq!(emulator.sent_to(ADA)[1].text, "Hi Ada, äöü 🦀");
    emulator.wait_for_to(BOB, 2, PATIENCE).await.unwrap();
    assert_eq!(emulator.sent_to(BOB)[1].text, "now");
    // The file is found by the message that it came with.
    let messages = api.get(&format!("/whatsapp/messages/{bot}?limit=1000")).await["items"].clone();
    let image = messages.as_array().unwrap().iter().find(|message| message["type"] == "image").unwrap().clone();
    assert_eq!(api.bytes(&format!("/whatsapp/media/{}", image["id"])).await.unwrap(), b"\x89PNG\r\n\x1a\nsome image");
    drop((app, kept));
}
