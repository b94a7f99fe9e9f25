//! `.env.example` and the program know the same variables; and what changing one does.

use std::{collections::BTreeMap, sync::Arc};

use domain::SystemClock;
use serde_json::json;
use server::{
    config::{Config, SecretText, variables::VARIABLES},
    running::Running,
};

fn example() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../.env.example")).unwrap();
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| line.split_once('=').unwrap_or_else(|| panic!("{line} has no value")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn the_example_has_every_variable_and_no_other() {
    let known: BTreeMap<_, _> =
        VARIABLES.iter().map(|variable| (variable.name.to_owned(), variable.example.to_owned())).collect();
    assert_eq!(example(), known);
}

#[test]
fn the_example_is_a_valid_configuration() {
    let example = example();
    let config = Config::from_vars(|name| example.get(name).cloned()).unwrap();
    assert_eq!(config.database_url.reveal(), "sqlite:./chatboost.db");
    assert!(config.debug && config.auth.secret_key.is_some());
}

#[test]
fn every_variable_that_is_read_is_declared() {
    let read = std::cell::RefCell::new(Vec::new());
    Config::from_vars(|name| {
        read.borrow_mut().push(name.to_owned());
        None
    })
    .unwrap();
    for name in read.into_inner() {
        assert!(VARIABLES.iter().any(|variable| variable.name == name), "{name} is read and not declared");
    }
}

/// A changed secret key loses nothing: what the key before it sealed is sealed anew at the start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_key_can_be_changed() {
    let database = tests::TestDatabase::sqlite();
    let data_dir = tempfile::tempdir().unwrap();
    let start = async |key: &str, previous: Option<&str>| {
        let mut config = Config::for_testing(database.url());
        config.data_dir = data_dir.path().to_owned();
        config.auth.secret_key = Some(SecretText::new(key));
        config.auth.previous_secret_key = previous.map(SecretText::new);
        Running::start(config, Arc::new(SystemClock)).await.unwrap()
    };
    let server = start("the first key of all", None).await;
    let api = tests::Api::at(&server.base_url()).registered("ada").await;
    let bot = json!({ "name": "b", "whatsapp_verify_token": "mine", "whatsapp_phone_number_id": "1" });
    api.post("/bots/", bot).await;
    server.shut_down().await;

    let shake = async |server: &Running| {
        let path = "/whatsapp/webhook?hub.mode=subscribe&hub.verify_token=mine&hub.challenge=7";
        tests::Api::at(&server.base_url()).send(tests::Method::GET, path, None).await.status
    };
    let server = start("the second key", Some("the first key of all")).await;
    assert_eq!(shake(&server).await, 200);
    server.shut_down().await;
    let server = start("the second key", None).await;
    assert_eq!(shake(&server).await, 200, "sealed with the new key by now");
    server.shut_down().await;
}
