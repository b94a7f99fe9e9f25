//! The end of the process: when it is asked to stop, and by `kill -9` while plugins are called. Everything else that can befall
//! it is in the drills.

mod plugins;

use std::{
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use domain::SystemClock;
use emulator::Emulator;
use serde_json::{Value, json};
use tests::Api;

const PATIENCE: Duration = Duration::from_secs(90);

/// The real program in a process of its own.
struct Host {
    child: Child,
    log: std::path::PathBuf,
}

impl Host {
    fn start(data: &Path, database_url: &str, port: u16, emulator: &Emulator) -> Self {
        let log = data.join("log");
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_chatboost-under-test"))
            .current_dir(data)
            .env_clear()
            .env("DATA_DIR", data)
            .env("DATABASE_URL", database_url)
            .env("PORT", port.to_string())
            .env("SECRET_KEY", "a secret key that is only for tests")
            .env("WHATSAPP_API_BASE_URL", emulator.base_url())
            .env("WHATSAPP_APP_SECRET", emulator.app_secret())
            .env("WHATSAPP_ACCESS_TOKEN", "token")
            .env("WHATSAPP_MESSAGES_PER_SECOND", "0")
            .env("WHATSAPP_PAIR_PACING", "false")
            .env("WHATSAPP_UNKNOWN_SEND_SECONDS", "1")
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// SIGKILL: the process gets no chance to tidy up.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- log of the host\n{}", std::fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Answers each message with its number.
fn counting_flow(bot: &Value) -> Value {
    json!({
        "bot_id": bot, "name": "count",
        "nodes": [
            { "type": "set_variable", "config": { "assignments": { "state.n": "{{ (state.n or 0) + 1 }}" }, "next": 1 } },
            { "type": "ask", "config": {
                "message_type": "text", "content": { "text": "answer {{ state.n }} to {{ message.text }}" },
                "store_in": "state.last", "next": 0 } },
        ]
    })
}

fn phone(contact: usize) -> String {
    format!("1650555{contact:04}")
}

/// SIGTERM: the process is asked to stop.
fn terminate(child: &Child) {
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asked_to_stop_it_finishes_what_is_under_way_and_ends_within_ten_seconds() {
    let data = tempfile::tempdir().unwrap();
    let mut config = emulator::Config::new(Arc::new(SystemClock));
    config.faults.delay_ms = 300;
    let emulator = Emulator::start(config).await.unwrap();
    let port = free_port();
    let base = format!("http://127.0.0.1:{port}");
    emulator.set_callback(&format!("{base}/whatsapp/webhook"));
    let url = format!("sqlite:{}", data.path().join("bot.db").display());
    let first = Host::start(data.path(), &url, port, &emulator);
    let api = Api::wait_for(&base).await.registered("owner").await;
    let number = &emulator.number().phone_number_id;
    let bot = api.post("/bots/", json!({ "name": "b", "whatsapp_phone_number_id": number })).await;
    let flow = api.post("/bots/flows/", counting_flow(&bot["id"])).await;
    let trigger = json!({
        "name": "t", "bot_id": bot["id"], "flow_id": flow["id"], "trigger_type": "keyword",
        "keywords": ["message"], "match_type": "contains",
    });
    api.post("/triggers/", trigger).await;
    for contact in 0..20 {
        emulator.say(&phone(contact), "message").delivered().await.unwrap();
    }
    let began = Instant::now();
    terminate(&first.child);
    let ended = tokio::task::spawn_blocking(move || {
        let mut first = first;
        first.child.wait().unwrap()
    });
    let status = ended.await.unwrap();
    assert!(status.success(), "{status}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());

    let _second = Host::start(data.path(), &url, port, &emulator);
    emulator.wait_for(20, PATIENCE).await.unwrap();
    let api = Api::wait_for(&base).await.logged_in("owner").await;
    let path = format!("/whatsapp/messages/{}?direction=outbound", bot["id"]);
    let settled = async || {
        let items = api.get(&path).await["items"].as_array().unwrap().clone();
        items.len() == 20 && items.iter().all(|m| m["status"] == "read" && m["ambiguous_attempts"] == 0)
    };
    let deadline = Instant::now() + PATIENCE;
    while !settled().await {
        assert!(Instant::now() < deadline, "{}", api.get(&path).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(emulator.count(), 20, "each answered once");
}
