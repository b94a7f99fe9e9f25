//! Several hosts on one database see each other's changes; and a changed secret key loses nothing.

use std::sync::Arc;

use domain::{BotId, SystemClock, UserId, plugin::PluginOutcome};
use serde_json::json;
use server::{
    config::{Config, SecretText},
    running::Running,
};
use tests::{Api, TestDatabase, guest, guest_version};

use super::{bot, settings, step, upload};

async fn host(database: &TestDatabase, folder: &tempfile::TempDir, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Config::for_testing(database.url());
    config.data_dir = folder.path().to_owned();
    settings(&mut config);
    change(&mut config);
    Running::start(config, Arc::new(SystemClock)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_and_a_grant_are_seen_by_every_host() {
    let database = TestDatabase::postgres().await;
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let (one, two) = (host(&database, &folders[0], |_| {}).await, host(&database, &folders[1], |_| {}).await);
    let api = Api::at(&one.base_url()).registered("ada").await;
    let there = Api::at(&two.base_url()).with_token(api.token());
    let (bot_id, contact) = bot(&api).await;
    let version = |at: &Running| {
        let plugins = at.app().plugins.clone();
        async move {
            let catalogue = plugins.catalogue(UserId(1)).await.unwrap();
            catalogue.get("hello").map(|usable| usable.pin.version.clone())
        }
    };
    assert_eq!(version(&two).await, None);
    upload(&api, guest("hello")).await;
    assert_eq!(version(&two).await.as_deref(), Some("0.1.0"), "at once");
    upload(&there, guest_version("hello", "0.2.0")).await;
    assert_eq!(version(&one).await.as_deref(), Some("0.2.0"));

    let pin = upload(&api, guest("trigger")).await;
    let run = async |at: &Running, key: String| {
        let effect = domain::plugin::PluginEffect {
            plugin: pin.clone(),
            node_type: "count".into(),
            config: json!({}),
            context: json!({}),
            state: None,
            cause: domain::plugin::NodeCause::Enter,
            retries: 0,
            idempotency_key: key,
        };
        at.app().plugins.run_node(BotId(bot_id), domain::ContactId(contact), &effect).await
    };
    assert!(matches!(run(&two, "1-1".into()).await, PluginOutcome::Fault(_)));
    api.put(&format!("/plugins/trigger/grants/{bot_id}"), json!({ "kv": { "contact": true } })).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(2);
    let mut n = 1;
    let counted = loop {
        n += 1;
        if let PluginOutcome::Step(step) = run(&two, format!("1-{n}")).await {
            break step;
        }
        assert!(std::time::Instant::now() < deadline, "a grant is not seen by the other host");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    assert_eq!(counted.actions.variables["state.visits"], 1);
    assert_eq!(step(run(&one, format!("1-{n}")).await), *counted, "one host's outcome is the other's");
    one.shut_down().await;
    two.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_outlive_a_change_of_the_secret_key() {
    let (database, folder) = (TestDatabase::sqlite(), tempfile::tempdir().unwrap());
    let start = async |key: &'static str, previous: Option<&'static str>| {
        host(&database, &folder, |config| {
            config.auth.secret_key = Some(SecretText::new(key));
            config.auth.previous_secret_key = previous.map(SecretText::new);
        })
        .await
    };
    let server = start("the first key of all", None).await;
    let api = Api::at(&server.base_url()).registered("ada").await;
    let (bot_id, _) = bot(&api).await;
    upload(&api, guest("http-node")).await;
    api.put(&format!("/plugins/http-node/secrets/{bot_id}/QUOTES_KEY"), json!({ "value": "hunter2" })).await;
    let sealed = async |server: &Running| {
        let mut tx = server.app().db.read().await.unwrap();
        let plugin = tx.plugin(UserId(1), "http-node").await.unwrap().unwrap();
        let secret = tx.plugin_secrets(plugin.id, BotId(bot_id)).await.unwrap().remove(0);
        tx.commit().await.unwrap();
        let place = format!("plugin {} QUOTES_KEY", plugin.id);
        server.app().secrets.unseal(BotId(bot_id), &place, &secret.sealed).map(|secret| secret.reveal().to_owned())
    };
    assert_eq!(sealed(&server).await.as_deref(), Ok("hunter2"));
    server.shut_down().await;
    let server = start("the second key", Some("the first key of all")).await;
    server.shut_down().await;
    let server = start("the second key", None).await;
    assert_eq!(sealed(&server).await.as_deref(), Ok("hunter2"));
    server.shut_down().await;
}
