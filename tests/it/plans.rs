//! No query reads a table that grows from one end to the other. The program plays a while and logs every statement; the
//! databases tell how they run them: SQLite by `EXPLAIN QUERY PLAN`, PostgreSQL by its module `auto_explain`, told to avoid
//! reading whole tables even while they are small. `cargo run -p tests --release --bin bulk` shows the same, with times,
//! on millions of messages.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use domain::SystemClock;
use emulator::{Emulator, Failure, Inbound};
use serde_json::{Value, json};
use storage::testing::{explain_sqlite, run_sql};
use tests::{
    Api, Method, TestDatabase,
    plans::{GROWING, names, read_whole, scanned},
};

const PATIENCE: Duration = Duration::from_secs(60);
/// Statements that may read a whole table, by a part of their text, and why.
const MAY: [(&str, &str); 1] =
    [("FROM mailboxes", "for admins: contacts with something to do, which are few beside all")];
/// What happened long ago, for retention.
const LONG_AGO: &str = "UPDATE messages SET created_at = '2020-01-01T00:00:00+00:00' WHERE id > 3;
    UPDATE executions SET started_at = '2020-01-01T00:00:00+00:00';
    UPDATE executions SET completed_at = '2020-01-01T00:00:00+00:00' WHERE completed_at IS NOT NULL;
    UPDATE execution_steps SET at = '2020-01-01T00:00:00+00:00';
    UPDATE trigger_logs SET at = '2020-01-01T00:00:00+00:00';
    UPDATE account_events SET created_at = '2020-01-01T00:00:00+00:00'";

/// Keeps PostgreSQL from finding out that there is one bot and hardly anything, after which its plans depend on the moment.
const NO_STATISTICS: &str = "DO $$ DECLARE name TEXT; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() LOOP
        EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = false)', name);
    END LOOP; END $$";

/// The program with a log of every statement.
fn start(folder: &Path, database_url: &str, port: u16, emulator: &Emulator) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(folder.join("log")).unwrap();
    Command::new(env!("CARGO_BIN_EXE_chatboost-under-test"))
        .current_dir(folder)
        .env_clear()
        .env("DATA_DIR", folder)
        .env("DATABASE_URL", database_url)
        .env("PORT", port.to_string())
        .env("SECRET_KEY", "a secret key that is only for tests")
        .env("WHATSAPP_API_BASE_URL", emulator.base_url())
        .env("WHATSAPP_APP_SECRET", emulator.app_secret())
        .env("WHATSAPP_ACCESS_TOKEN", "token")
        .env("WHATSAPP_MESSAGES_PER_SECOND", "0")
        .env("WHATSAPP_PAIR_PACING", "false")
        .env("MEDIA_STORE", format!("file:{}", folder.join("media").display()))
        .env("RETENTION_MESSAGES_DAYS", "30")
        .env("LOG_FORMAT", "json")
        .env("RUST_LOG", "warn,sqlx::query=debug,sqlx::postgres::notice=trace")
        .stdout(Stdio::null())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Plays what servers do all day.
async fn play(folder: &Path, database: &str, emulator: &Emulator) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let base = format!("http://127.0.0.1:{port}");
    emulator.set_callback(&format!("{base}/whatsapp/webhook"));
    let mut child = start(folder, database, port, emulator);
    let api = Api::wait_for(&base).await.registered("owner").await;
    let number = emulator.number();
    let bot = json!({
        "name": "b", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number.phone_number_id,
        "whatsapp_business_account_id": number.waba_id,
    });
    let bot = api.post("/bots/", bot).await["id"].as_i64().unwrap();
    let flow = json!({ "bot_id": bot, "name": "f", "nodes": [
        { "type": "ask", "config": { "message_type": "text", "content": { "text": "Name?" }, "store_in": "state.n", "next": 1 } },
        { "type": "wait", "config": { "duration": 1, "unit": "seconds", "next": 2 } },
        { "type": "send_message", "config": { "message_type": "text", "content": { "text": "Hi" } } },
    ]});
    let flow = api.post("/bots/flows/", flow).await["id"].as_i64().unwrap();
    let trigger = json!({ "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword",
        "keywords": ["hi"], "match_type": "exact" });
    let trigger = api.post("/triggers/", trigger).await["id"].as_i64().unwrap();
    let event = json!({ "name": "e", "bot_id": bot, "flow_id": flow, "trigger_type": "event", "event_type": "opt_in" });
    api.post("/triggers/", event).await;

    let people: Vec<String> = (0..12).map(|n| format!("1650555{n:04}")).collect();
    for text in ["hi", "Ada"] {
        for (nth, person) in people.iter().enumerate() {
            emulator.say(person, text).delivered().await.unwrap();
            emulator.wait_for_to(person, if text == "hi" { 1 } else { 2 }, PATIENCE).await.unwrap();
            if nth == 0 {
                emulator.fail_next(1, Failure::code(130_429));
            }
        }
    }
    let person = &people[3];
    let file = emulator.put_file("image/png", b"\x89PNG\r\n\x1a\nsome image".to_vec());
    emulator.say_with(Inbound::file(person, "image", &file)).delivered().await.unwrap();
    emulator.say_with(Inbound::text(person, "hi").wamid("wamid.twice")).delivered().await.unwrap();
    emulator.say_with(Inbound::text(person, "hi").wamid("wamid.twice")).delivered().await.unwrap();
    emulator.say(person, "stop").delivered().await.unwrap();
    emulator.emit("account_alerts", &json!({ "entity_type": "WABA" })).delivered().await.unwrap();
    let send = json!({ "to": people[0], "text": "from the API" });
    api.post_with(&format!("/whatsapp/send/text?bot_id={bot}"), ("Idempotency-Key", "once"), &send).await.must_be(200);
    let execute = json!({ "flow_id": flow, "contact_phone": people[5], "bot_id": bot });
    let execution = api.post("/flows/execute?wait=5", execute).await["id"].as_i64().unwrap();
    api.send(Method::POST, &format!("/flows/executions/{execution}/cancel"), None).await;
    for path in [
        format!("/whatsapp/messages/{bot}?limit=5&skip=5"),
        format!("/whatsapp/messages/{bot}?contact={person}&direction=inbound"),
        format!("/flows/executions/contact/{person}?bot_id={bot}"),
        format!("/flows/executions/{execution}"),
        format!("/flows/executions/{execution}/logs"),
        format!("/flows/statistics?bot_id={bot}"),
        format!("/flows/contacts/?bot_id={bot}&limit=3"),
        format!("/flows/contacts/?bot_id={bot}&phone={person}"),
        "/flows/contacts/1".to_owned(),
        "/flows/contacts/1/consents".to_owned(),
        format!("/triggers/{trigger}/logs"),
        format!("/triggers/statistics?bot_id={bot}"),
        format!("/whatsapp/account-events?bot_id={bot}"),
        "/metrics".to_owned(),
    ] {
        api.send(Method::GET, &path, None).await;
    }
    assert!(emulator.settled(PATIENCE).await, "all webhooks are delivered");
    child.kill().unwrap();
    child.wait().unwrap();

    // A start after a crash, with much to forget.
    let plain = database.split('?').next().unwrap();
    run_sql(plain, LONG_AGO).await.unwrap();
    let mut child = start(folder, database, port, emulator);
    let api = Api::wait_for(&base).await.with_token(api.token());
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while api.get(&format!("/triggers/{trigger}/logs")).await["total"] != 0 {
        assert!(tokio::time::Instant::now() < deadline, "retention does its work");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    api.delete(&format!("/bots/{bot}")).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The lines of the log that speak of statements.
fn log(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("log")).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn emulator_config() -> emulator::Config {
    let mut config = emulator::Config::new(Arc::new(SystemClock));
    config.delivery.first_pause = Duration::from_millis(50);
    config
}

fn allowed(statement: &str) -> bool {
    MAY.iter().any(|(part, _)| statement.contains(part) && statement.contains("COUNT"))
}

/// The statements that read a growing table whole, and the growing tables that there were statements on.
struct Verdict {
    bad: BTreeSet<String>,
    tables: BTreeSet<&'static str>,
}

impl Verdict {
    fn must_be_good(&self) {
        assert!(self.bad.is_empty(), "{}", self.bad.iter().map(|bad| format!("{bad}\n\n")).collect::<String>());
        let unseen: Vec<_> = GROWING.iter().filter(|table| !self.tables.contains(*table)).collect();
        assert!(unseen.len() <= 2, "nothing was asked of {unseen:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite_every_query_finds_its_rows_by_an_index() {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::sqlite());
    let emulator = Emulator::start(emulator_config()).await.unwrap();
    play(folder.path(), &database, &emulator).await;
    let statements: BTreeSet<String> = log(folder.path())
        .iter()
        .filter(|line| line["target"] == "sqlx::query")
        .map(|line| {
            let whole = line["db.statement"].as_str().unwrap_or_default().trim();
            if whole.is_empty() { line["summary"].as_str().unwrap_or_default().to_owned() } else { whole.to_owned() }
        })
        .filter(|sql| ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"].iter().any(|word| sql.starts_with(word)))
        .collect();
    assert!(statements.len() > 60, "{}", statements.len());
    let statements: Vec<String> =
        statements.into_iter().chain(["SELECT id FROM messages m WHERE text = $1".to_owned()]).collect();
    let (plans, partial) = explain_sqlite(database.strip_prefix("sqlite:").unwrap(), &statements).await.unwrap();
    let mut verdict = Verdict { bad: BTreeSet::new(), tables: BTreeSet::new() };
    for (statement, plan) in statements.iter().zip(&plans) {
        let names = names(statement);
        verdict.tables.extend(names.values());
        let whole = plan.iter().any(|step| scanned(step, &names, &partial).is_some());
        if whole && !allowed(statement) {
            verdict.bad.insert(format!("{statement}\n{plan:#?}"));
        }
    }
    let known: Vec<String> =
        verdict.bad.iter().filter(|bad| bad.starts_with("SELECT id FROM messages m WHERE text")).cloned().collect();
    assert_eq!(known.len(), 1, "the one that is known to be bad is found");
    verdict.bad.remove(&known[0]);
    verdict.must_be_good();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgresql_every_query_finds_its_rows_by_an_index() {
    let (folder, database) = (tempfile::tempdir().unwrap(), TestDatabase::postgres().await);
    let emulator = Emulator::start(emulator_config()).await.unwrap();
    let mut url = reqwest::Url::parse(database.url()).unwrap();
    for (name, value) in [
        ("session_preload_libraries", "auto_explain"),
        ("auto_explain.log_min_duration", "0"),
        ("auto_explain.log_format", "json"),
        ("client_min_messages", "log"),
        ("enable_seqscan", "off"),
        // Of two small tables all rows are soonest compared; of large ones each row is looked up.
        ("enable_mergejoin", "off"),
        ("enable_hashjoin", "off"),
        ("enable_material", "off"),
    ] {
        url.query_pairs_mut().append_pair(&format!("options[{name}]"), value);
    }
    let db = database.connect().await;
    db.migrate().await.unwrap();
    run_sql(database.url(), NO_STATISTICS).await.unwrap();
    play(folder.path(), url.as_str(), &emulator).await;
    let partial = storage::testing::partial_indexes(&db).await.unwrap();
    let mut verdict = Verdict { bad: BTreeSet::new(), tables: BTreeSet::new() };
    let mut plans = 0;
    for line in log(folder.path()) {
        let Some((_, plan)) = line["message"].as_str().and_then(|message| message.split_once("plan:\n")) else {
            continue;
        };
        let plan: Value = serde_json::from_str(plan).unwrap();
        let statement = plan["Query Text"].as_str().unwrap_or_default();
        plans += 1;
        verdict.tables.extend(names(statement).values());
        let mut found = Vec::new();
        read_whole(&plan["Plan"], &partial, &mut found);
        if !found.is_empty() && !allowed(statement) {
            verdict.bad.insert(format!("{statement}\n{found:?}"));
        }
    }
    assert!(plans > 200, "{plans} plans");
    verdict.must_be_good();
}
