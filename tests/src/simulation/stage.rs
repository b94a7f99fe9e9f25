//! The bot that simulations run, made once by the API and copied for every run.

use std::{path::PathBuf, sync::Arc};

use domain::Clock;
use serde_json::{Value, json};
use server::{
    config::{Config, SecretText},
    running::Running,
};
use tempfile::TempDir;

use super::clock::SimClock;
use crate::Api;

/// The bot's number at Meta.
pub(super) const NUMBER: &str = "106540352242922";
/// What signs webhooks.
pub(super) const APP_SECRET: &str = "app secret for tests";
/// Seconds that a timer of the bot takes.
pub(super) const TIMER_SECONDS: i64 = 20;
/// How long a host waits for proof before it sends a message again of which it does not know whether it went out: in most
/// runs, and in every fourth, where its contact is parked meanwhile.
const DOUBT_SECONDS: [u32; 2] = [20, 90];
/// When the schedules fire, in seconds after the beginning.
pub(super) const TICKS: [i64; 2] = [15, 70];
/// Most people who write to the bot.
pub(super) const PEOPLE_MAX: usize = 4;

/// A person's phone number.
pub(super) fn phone(person: usize) -> String {
    format!("1650555{person:04}")
}

/// Where the database of a run comes from.
#[derive(Debug)]
pub(super) enum Stage {
    /// A file to be copied. Each run's copy is in the same folder.
    File { folder: TempDir },
    /// A database to be copied on the server.
    Server { url: String, name: String },
}

/// A run's own database; it goes when this value goes.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) url: String,
    keep: Keep,
}

#[derive(Debug)]
enum Keep {
    File(PathBuf),
    Server { url: String, name: String },
}

/// What every host is configured with.
pub(super) fn config(url: &str, folder: PathBuf) -> Config {
    let mut config = Config::for_testing(url);
    config.data_dir = folder;
    config.whatsapp.app_secret = Some(SecretText::new(APP_SECRET));
    config.whatsapp.access_token = Some(SecretText::new("token"));
    config
}

/// How long a message in doubt waits in the run of a seed.
pub(super) fn doubt_seconds(seed: u64) -> u32 {
    DOUBT_SECONDS[usize::from(seed % 4 == 3)]
}

fn word() -> String {
    let mut random = [0; 8];
    getrandom::fill(&mut random).expect("randomness");
    format!("{:016x}", u64::from_le_bytes(random))
}

/// In memory where the system has a place for that: a simulation need not survive the machine.
fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a temporary folder")
}

impl Stage {
    /// Makes the bot, on SQLite or on the PostgreSQL server that is named.
    pub(super) fn set(server: Option<&str>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let folder = folder();
            let (stage, url) = match server {
                None => {
                    let url = format!("sqlite:{}", folder.path().join("stage.db").display());
                    (Self::File { folder }, url)
                }
                Some(server) => {
                    let name = format!("chatboost_simulated_{}", word());
                    let url = storage::testing::create_database(server, &name).await.expect("a database");
                    (Self::Server { url: server.to_owned(), name }, url)
                }
            };
            let running = Running::start(config(&url, stage.folder()), Arc::new(SimClock::new())).await;
            let running = running.expect("the server starts");
            furnish(&Api::at(&running.base_url()).registered("owner").await).await;
            running.shut_down().await;
            stage
        })
    }

    /// Where hosts keep their files: none, with these databases.
    pub(super) fn folder(&self) -> PathBuf {
        match self {
            Self::File { folder } => folder.path().to_owned(),
            Self::Server { .. } => std::env::temp_dir(),
        }
    }

    /// A database of its own for a run.
    pub(super) fn copy(&self) -> Copy {
        match self {
            Self::File { folder } => {
                let path = folder.path().join(format!("{}.db", word()));
                std::fs::copy(folder.path().join("stage.db"), &path).expect("room for a copy");
                Copy { url: format!("sqlite:{}", path.display()), keep: Keep::File(path) }
            }
            Self::Server { url: server, name: stage } => {
                let name = format!("{stage}_{}", word());
                let made = on_server(storage::testing::copy_database(server, stage, &name));
                let url = made.expect("a copy of the database");
                Copy { url, keep: Keep::Server { url: server.clone(), name } }
            }
        }
    }
}

fn on_server<T>(asked: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(asked)
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Self::Server { url, name } = self
            && let Err(error) = on_server(storage::testing::drop_database(url, name))
        {
            eprintln!("a database could not be dropped: {error}");
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        match &self.keep {
            Keep::File(path) => {
                for end in ["", "-wal", "-shm"] {
                    // What is not there need not be removed.
                    let _ = std::fs::remove_file(format!("{}{end}", path.display()));
                }
            }
            Keep::Server { url, name } => {
                if let Err(error) = on_server(storage::testing::drop_database(url, name)) {
                    eprintln!("a database could not be dropped: {error}");
                }
            }
        }
    }
}

fn say(text: &str, next: Option<usize>) -> Value {
    let mut config = json!({ "message_type": "text", "content": { "text": text } });
    if let Some(next) = next {
        config["next"] = json!(next);
    }
    json!({ "type": "send_message", "config": config })
}

/// One flow counts what it is told and answers each message with two, one rings after a while, one ticks by the clock.
async fn furnish(api: &Api) {
    let bot = json!({ "name": "Simulated", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": NUMBER });
    let bot = api.post("/bots/", bot).await["id"].clone();
    let flow = async |name: &str, nodes: Value| {
        let flow = api.post("/bots/flows/", json!({ "bot_id": bot, "name": name, "nodes": nodes })).await;
        assert_eq!(flow["issues"], json!([]), "the flow is sound");
        flow["id"].clone()
    };
    let count = flow(
        "count",
        json!([
            { "type": "set_variable", "config": { "assignments": { "state.n": "{{ (state.n or 0) + 1 }}" }, "next": 1 } },
            say("heard {{ state.n }}", Some(2)),
            { "type": "ask", "config": {
                "message_type": "text", "content": { "text": "answer {{ state.n }} to {{ message.text }}" },
                "store_in": "state.last", "next": 0 } },
        ]),
    )
    .await;
    let timer = flow(
        "timer",
        json!([
            { "type": "set_variable", "config": { "assignments": { "state.text": "{{ message.text }}" }, "next": 1 } },
            { "type": "wait", "config": { "duration": TIMER_SECONDS, "unit": "seconds", "next": 2 } },
            say("ring {{ state.text }}", None),
        ]),
    )
    .await;
    for (flow, keyword) in [(&count, "message"), (&timer, "timer")] {
        let trigger = json!({
            "name": keyword, "bot_id": bot, "flow_id": flow, "trigger_type": "keyword",
            "keywords": [keyword], "match_type": "starts_with",
        });
        api.post("/triggers/", trigger).await;
    }
    let beginning = SimClock::new().now();
    for (tick, seconds) in TICKS.into_iter().enumerate() {
        let tick = flow("tick", json!([say(&format!("tick {tick}"), None)])).await;
        let at = beginning + chrono::TimeDelta::seconds(seconds);
        let trigger = json!({
            "name": "tick", "bot_id": bot, "flow_id": tick, "trigger_type": "schedule",
            "schedule_type": "once", "schedule_datetime": at.format("%Y-%m-%dT%H:%M:%S").to_string(),
            "contact_phones": (0..PEOPLE_MAX).map(phone).collect::<Vec<_>>(),
        });
        api.post("/triggers/", trigger).await;
    }
}
