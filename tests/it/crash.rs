//! `kill -9` at random moments under load: every acknowledged message is answered, in order, as if nothing had happened.

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
use tests::{Api, database_urls};

const CONTACTS: usize = 12;
const MESSAGES: usize = 12;
const KILLS: usize = 6;
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

/// Answers each message with its number, and keeps a timer running all the while.
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

fn timer_flow(bot: &Value) -> Value {
    json!({
        "bot_id": bot, "name": "timer",
        "nodes": [
            { "type": "wait", "config": { "duration": 3, "unit": "seconds", "next": 1 } },
            { "type": "send_message", "config": { "message_type": "text", "content": { "text": "the timer went off" } } },
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_answers_every_message_once_and_in_order() {
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
    // Sends take a while, so that kills find some of them on their way.
    config.faults.delay_ms = 15;
    let emulator = Emulator::start(config).await.unwrap();
    let port = free_port();
    emulator.set_callback(&format!("http://127.0.0.1:{port}/whatsapp/webhook"));

    let mut host = Host::start(data.path(), &url, port, &emulator);
    let api = Api::wait_for(&format!("http://127.0.0.1:{port}")).await.registered("owner").await;
    let number = &emulator.number().phone_number_id;
    let bot = api
        .post("/bots/", json!({ "name": "b", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number }))
        .await;
    let count = api.post("/bots/flows/", counting_flow(&bot["id"])).await;
    let timer = api.post("/bots/flows/", timer_flow(&bot["id"])).await;
    for (flow, keyword) in [(&count, "message"), (&timer, "timer")] {
        let trigger = json!({
            "name": keyword, "bot_id": bot["id"], "flow_id": flow["id"], "trigger_type": "keyword",
            "keywords": [keyword], "match_type": "starts_with",
        });
        api.post("/triggers/", trigger).await;
    }

    let talkers: Vec<_> = (0..CONTACTS)
        .map(|contact| {
            let emulator = emulator.clone();
            tokio::spawn(async move {
                emulator.say(&phone(contact), "timer please").delivered().await.unwrap();
                for message in 1..=MESSAGES {
                    emulator.say(&phone(contact), &format!("message {message}")).delivered().await.unwrap();
                    tokio::time::sleep(Duration::from_millis(150)).await;
                }
            })
        })
        .collect();

    let mut seed = [0; KILLS];
    getrandom::fill(&mut seed).unwrap();
    eprintln!("{name}: kills after {seed:?} × 4 ms");
    let mut kills = 0;
    for byte in seed {
        tokio::time::sleep(Duration::from_millis(120 + 4 * u64::from(byte))).await;
        host.kill();
        kills += 1;
        host = Host::start(data.path(), &url, port, &emulator);
        Api::wait_for(&format!("http://127.0.0.1:{port}")).await;
    }
    for talker in talkers {
        talker.await.unwrap();
    }

    // One answer per message, and the timer's.
    let deadline = Instant::now() + PATIENCE;
    let mut doubled = 0;
    for contact in 0..CONTACTS {
        doubled += loop {
            match check(&emulator, &phone(contact)) {
                Ok(doubled) => break doubled,
                Err(missing) if Instant::now() > deadline => panic!("{name}: contact {contact}: {missing}"),
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        };
    }
    // A send in flight at a kill may have gone out: at most one per contact and kill is sent again, and it is counted.
    assert!(doubled <= kills * CONTACTS, "{name}: {doubled} messages doubled by {kills} kills");
    let history = api.get(&format!("/whatsapp/messages/{}?limit=1000&direction=outbound", bot["id"])).await;
    let items = history["items"].as_array().unwrap();
    let counted: i64 = items.iter().map(|m| m["ambiguous_attempts"].as_i64().unwrap()).sum();
    assert!(counted >= i64::try_from(doubled).unwrap(), "{name}: {doubled} doubled, but only {counted} counted");
    assert_eq!(items.len(), CONTACTS * (MESSAGES + 1), "{name}: one row per answer");

    for contact in 0..CONTACTS {
        let executions = api.get(&format!("/flows/executions/contact/{}", phone(contact))).await;
        let statuses: Vec<_> =
            executions["items"].as_array().unwrap().iter().map(|e| e["status"].as_str().unwrap()).collect();
        assert_eq!(statuses.iter().filter(|s| **s == "waiting_input").count(), 1, "{name}: {statuses:?}");
        assert_eq!(statuses.iter().filter(|s| **s == "completed").count(), 1, "{name}: {statuses:?}");
        assert_eq!(statuses.len(), 2, "{name}: {statuses:?}");
    }
    eprintln!("{name}: {} answers, {doubled} doubled, {counted} sent again in doubt", items.len());
}

/// The contact's answers in order without gaps; `Ok` tells how many came twice in a row.
fn check(emulator: &Emulator, phone: &str) -> Result<usize, String> {
    let texts: Vec<String> = emulator.sent_to(phone).into_iter().map(|sent| sent.text).collect();
    let (timers, answers): (Vec<_>, Vec<_>) = texts.iter().partition(|text| text.contains("timer"));
    let mut unique = answers.clone();
    unique.dedup();
    let expected: Vec<String> = (1..=MESSAGES).map(|n| format!("answer {n} to message {n}")).collect();
    if unique.iter().map(|text| text.as_str()).ne(expected.iter().map(String::as_str)) || timers.is_empty() {
        return Err(format!("{texts:?}"));
    }
    Ok(answers.len() - unique.len() + timers.len() - 1)
}
