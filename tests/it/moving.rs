//! `migrate-data` as people run it: refused where it must be, and killed in the middle.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Output, Stdio},
};

use domain::{Clock, SystemClock, TriggerId};
use server::cli::ending::status;
use storage::{
    BotSettings, FlowFields, MessageFilter, NewUser,
    testing::{History, fill, run_sql},
};
use tests::TestDatabase;

use crate::startup::{end_of, program};

const MESSAGES: i64 = 12_000;

fn migrate_data(from: &str, to: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_chatboost-under-test"));
    command.args(["migrate-data", "--from", from, "--to", to]).env_clear().stdin(Stdio::null());
    command
}

pub(crate) fn moved(from: &str, to: &str) -> Output {
    migrate_data(from, to).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The status, and the line that says why.
fn refusal(from: &str, to: &str) -> (i32, String) {
    let output = moved(from, to);
    let said = text(&output.stderr);
    assert!(!said.contains("hunter2"), "{said}");
    (output.status.code().unwrap(), said.lines().last().unwrap_or_default().to_owned())
}

/// A database with a long past, which nobody has open.
async fn filled() -> TestDatabase {
    let database = TestDatabase::sqlite();
    let db = database.connect().await;
    db.migrate().await.unwrap();
    let now = SystemClock.now();
    let mut tx = db.begin().await.unwrap();
    let ada = NewUser { username: "ada", email: "ada@example.com", full_name: None, password_hash: "x" };
    let ada = tx.create_user(ada, now).await.unwrap();
    let settings = BotSettings { name: "b".into(), timezone: "UTC".into(), ..BotSettings::default() };
    let bot = tx.create_bot(ada.id, &settings, now).await.unwrap().id;
    let flow = FlowFields { name: "f".into(), description: None, auto_publish: true };
    let flow = tx.create_flow(bot, &flow, now).await.unwrap().id;
    let phone = domain::Address::Phone("16505550101".into());
    let contact = tx.ensure_contact(bot, &phone, "api", now).await.unwrap();
    let history = History { bot, flow, trigger: TriggerId(1), first_contact: contact.id, contacts: 1, at: now };
    fill(&mut tx, &history, 0, MESSAGES).await.unwrap();
    tx.commit().await.unwrap();
    db.close().await;
    database
}

/// Kills the move once it has said so many lines. Whether it got that far.
fn killed_after(from: &str, to: &str, lines: usize) -> bool {
    let mut child = migrate_data(from, to).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let seen = said.by_ref().take(lines).count();
    child.kill().unwrap();
    child.wait().unwrap();
    seen == lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_move_that_is_killed_goes_on_and_a_server_waits_for_its_end() {
    let (source, target) = (filled().await, TestDatabase::postgres().await);
    let (from, to) = (source.url().to_owned(), target.url().to_owned());
    let folder = tempfile::tempdir().unwrap();
    // Before the first rows, among the copies, and among the comparisons.
    for lines in [1, 9, 20, 60] {
        let (from, to) = (from.clone(), to.clone());
        assert!(tokio::task::spawn_blocking(move || killed_after(&from, &to, lines)).await.unwrap(), "{lines}");
        let (code, line) = end_of(program(folder.path(), &["serve"], &[("DATABASE_URL", target.url())]));
        assert_eq!(code, status::HALF_MOVED, "{line}");
    }
    let output = moved(&from, &to);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("going on"), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.lines().any(|line| line.split_whitespace().take(2).eq(["messages", "12000"])), "{table}");
    assert!(table.contains("SECRET_KEY"), "{table}");

    // Every table is named, and new rows get ids behind the old ones.
    let db = target.connect().await;
    db.migrate().await.unwrap();
    for column in db.columns().await.unwrap().iter().filter(|column| column.table != "installation") {
        assert!(table.lines().any(|line| line.split_whitespace().next() == Some(&column.table)), "{}", column.table);
    }
    let mut tx = db.begin().await.unwrap();
    let bots = tx.bot_runtimes(&[domain::BotId(1)]).await.unwrap();
    let messages = tx.list_messages(bots[0].id, &MessageFilter::default(), 1, 0).await.unwrap();
    assert_eq!(messages.total, MESSAGES);
    let bob = NewUser { username: "bob", email: "bob@example.com", full_name: None, password_hash: "x" };
    assert_eq!(tx.create_user(bob, SystemClock.now()).await.unwrap().id.0, 2);
    assert!(tx.reserve_execution_ids(1).await.unwrap() > MESSAGES / 10);
    tx.rollback().await.unwrap();
    db.close().await;

    assert_eq!(refusal(&from, &to).0, i32::from(status::MOVE_REFUSED), "it is done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_was_used_in_between_is_copied_anew_and_a_copy_that_differs_is_found() {
    let (source, target) = (filled().await, TestDatabase::postgres().await);
    let (from, to) = (source.url(), target.url());
    assert!(killed_after(from, to, 9));
    // What a server leaves that ran meanwhile.
    run_sql(
        from,
        "INSERT INTO hosts (name, started_at, lease_until) VALUES ('h', '2026-01-01T00:00:00Z', '2026-01-01T00:00:00Z');
         DELETE FROM hosts; UPDATE users SET full_name = 'Ada'",
    )
    .await
    .unwrap();
    assert!(killed_after(from, to, 20));
    run_sql(to, "UPDATE users SET full_name = 'Eve'").await.unwrap();
    let (code, line) = refusal(from, to);
    assert_eq!(code, i32::from(status::MOVE_DIFFERS), "{line}");
    assert!(line.contains("users") && line.contains("other contents"), "{line}");
    run_sql(to, "DELETE FROM users WHERE FALSE; UPDATE users SET full_name = 'Ada'").await.unwrap();
    let output = moved(from, to);
    assert!(output.status.success(), "{}", text(&output.stderr));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_does_not_begin_where_something_would_be_lost() {
    let (source, target) = (filled().await, TestDatabase::postgres().await);
    let (from, to) = (source.url(), target.url());
    let refused = i32::from(status::MOVE_REFUSED);
    assert_eq!(refusal(to, from).0, refused, "the other way round");
    assert_eq!(refusal("sqlite:/no/such.db", to).0, i32::from(status::FILE));
    assert_eq!(refusal("nonsense", to).0, i32::from(status::CONFIGURATION));
    assert_eq!(refusal(from, "postgres://u:hunter2@127.0.0.1:1/x").0, i32::from(status::UNREACHABLE));

    // A server has the source.
    let path = Path::new(from.strip_prefix("sqlite:").unwrap());
    let lock = std::fs::File::options()
        .write(true)
        .open(path.with_extension("db.lock"))
        .or_else(|_| std::fs::File::create(path.with_extension("db.lock")));
    let lock = lock.unwrap();
    lock.try_lock().unwrap();
    assert_eq!(refusal(from, to).0, i32::from(status::IN_USE));
    drop(lock);

    // The source is older than the program.
    run_sql(
        from,
        "CREATE TABLE kept AS SELECT * FROM _sqlx_migrations WHERE version = 12;
         DELETE FROM _sqlx_migrations WHERE version >= 12",
    )
    .await
    .unwrap();
    let (code, line) = refusal(from, to);
    assert!(code == refused && line.contains("start this version once"), "{line}");
    let source = filled().await;
    let from = source.url();

    // Somebody has used the target, or uses it.
    run_sql(to, "CREATE TABLE orders (id BIGINT)").await.unwrap();
    assert_eq!(refusal(from, to).0, i32::from(status::FOREIGN));
    run_sql(to, "DROP TABLE orders").await.unwrap();
    let db = target.connect().await;
    db.migrate().await.unwrap();
    let now = SystemClock.now();
    let mut tx = db.begin().await.unwrap();
    let host =
        tx.register_host("other:1", domain::HostRole::All, now, now + chrono::TimeDelta::minutes(5)).await.unwrap();
    tx.commit().await.unwrap();
    let (code, line) = refusal(from, to);
    assert!(code == refused && line.contains("other:1"), "{line}");
    let mut tx = db.begin().await.unwrap();
    tx.sign_off(host, now).await.unwrap();
    let eve = NewUser { username: "eve", email: "eve@example.com", full_name: None, password_hash: "x" };
    tx.create_user(eve, now).await.unwrap();
    tx.commit().await.unwrap();
    let (code, line) = refusal(from, to);
    assert!(code == refused && line.contains("1 users"), "{line}");
    db.close().await;
}
