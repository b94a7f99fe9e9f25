//! What stands in the way of a start: one line says so, and a status of its own.

use std::{
    io::{Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use domain::SystemClock;
use server::{
    cli::ending::status,
    config::Config,
    running::{Running, StartError},
};
use storage::testing::run_sql;
use tests::{Api, TestDatabase, database_urls};

/// Longest time until the program has ended.
const PATIENCE: Duration = Duration::from_secs(40);
/// Makes the database one that a newer program has extended, without harm to this one.
const EXTENDED: &str = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
    VALUES (9999, 'later', TRUE, 'x', 0)";
/// Says besides that this program does not fit any more.
const TAKEN_OVER: &str = "UPDATE installation SET oldest_schema = 9999";

/// The program, serving with these variables, and nothing of this machine's own.
pub(crate) fn program(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_chatboost-under-test"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .envs([("DATA_DIR", "data"), ("PORT", "0"), ("SECRET_KEY", "a secret key that is only for tests")])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end; the status and the last line that it said.
pub(crate) fn end_of(mut child: Child) -> (u8, String) {
    let mut stderr = child.stderr.take().unwrap();
    let (sender, receiver) = mpsc::channel();
    // It says nothing more when it has ended.
    let reader = thread::spawn(move || {
        let mut said = String::new();
        stderr.read_to_string(&mut said).unwrap();
        sender.send(()).unwrap();
        said
    });
    if receiver.recv_timeout(PATIENCE).is_err() {
        child.kill().unwrap();
    }
    let (status, said) = (child.wait().unwrap(), reader.join().unwrap());
    let code = status.code().unwrap_or_else(|| panic!("it did not end by itself:\n{said}"));
    let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("chatboost: ")).collect();
    assert_eq!(lines.len(), 1, "one line says why:\n{said}");
    assert!(!said.contains("hunter2"), "a secret is shown: {said}");
    (u8::try_from(code).unwrap(), said.lines().last().unwrap().to_owned())
}

/// It does not start on this database, for this reason.
#[track_caller]
fn refuses(database_url: &str, expected: u8, says: &str) {
    let folder = tempfile::tempdir().unwrap();
    let (code, line) = end_of(program(folder.path(), &["serve"], &[("DATABASE_URL", database_url)]));
    assert_eq!(code, expected, "{line}");
    assert!(line.starts_with("chatboost: ") && line.contains(says), "{line} does not say {says:?}");
}

async fn migrated(database: &TestDatabase) {
    let db = database.connect().await;
    db.migrate().await.unwrap();
    db.close().await;
}

/// The URL of the same server with another user or database.
fn elsewhere(database: &TestDatabase, change: impl FnOnce(&mut reqwest::Url)) -> String {
    let mut url = reqwest::Url::parse(database.url()).unwrap();
    change(&mut url);
    url.to_string()
}

/// A server that takes whoever comes for a stranger, as PostgreSQL would say it.
fn doorkeeper(code: &'static str, message: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let _ = stream.read(&mut [0; 1024]);
            let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
            let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
            let _ = stream.write_all(&[b"E", &length[..], fields.as_bytes()].concat());
        }
    });
    port
}

#[test]
fn a_database_that_cannot_be_reached_is_told_by_its_reason() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    refuses(&format!("postgres://u:hunter2@127.0.0.1:{free}/d"), status::UNREACHABLE, &format!("127.0.0.1:{free}"));
    refuses("postgres://u:hunter2@no-such-host.invalid/d", status::UNREACHABLE, "no-such-host.invalid:5432");
    let port = doorkeeper("28P01", "password authentication failed for user \"u\"");
    let url = format!("postgres://u:hunter2@127.0.0.1:{port}/d?sslmode=disable");
    refuses(&url, status::LOGIN, "password authentication failed");
    let port = doorkeeper("57P03", "the database system is starting up");
    let url = format!("postgres://u:hunter2@127.0.0.1:{port}/d?sslmode=disable");
    refuses(&url, status::UNREACHABLE, "starting up");
    refuses("mysql://u:hunter2@h/d", status::CONFIGURATION, "DATABASE_URL");
    refuses("postgres://u:hunter2@h:port/d", status::CONFIGURATION, "database URL");
}

#[tokio::test]
async fn a_login_that_is_not_good_enough_is_told_by_its_reason() {
    let database = TestDatabase::postgres().await;
    refuses(&elsewhere(&database, |url| url.set_path("/no_such_database")), status::NO_DATABASE, "no_such_database");
    refuses(&elsewhere(&database, |url| url.set_username("no_such_user").unwrap()), status::LOGIN, "no_such_user");
    run_sql(
        database.url(),
        "DO $$ BEGIN CREATE ROLE chatboost_test_limited LOGIN;
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$;
         REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    .await
    .unwrap();
    let limited = elsewhere(&database, |url| url.set_username("chatboost_test_limited").unwrap());
    refuses(&limited, status::DENIED, "permission denied for schema public");
    // The tables are there, but they are somebody else's.
    migrated(&database).await;
    refuses(&limited, status::DENIED, "permission denied");
    run_sql(
        database.url(),
        "DO $$ BEGIN EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM PUBLIC', current_database()); END $$",
    )
    .await
    .unwrap();
    refuses(&limited, status::DENIED, "permission denied for database");
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    for (kind, database) in database_urls().await {
        run_sql(database.url(), "CREATE TABLE orders (id INTEGER); CREATE TABLE users (name TEXT)").await.unwrap();
        refuses(&database, status::FOREIGN, "orders, users");
        run_sql(database.url(), "CREATE TABLE _sqlx_migrations (version BIGINT)").await.unwrap();
        refuses(&database, status::FOREIGN, "another program's");
        assert!(
            !database.connect().await.columns().await.unwrap().iter().any(|column| column.table == "bots"),
            "{kind}"
        );
    }
    for (_, database) in database_urls().await {
        run_sql(
            database.url(),
            "CREATE TABLE _sqlx_migrations (version BIGINT, description TEXT, success BOOLEAN, checksum TEXT);
             CREATE TABLE bots (id BIGINT); CREATE TABLE mailboxes (id BIGINT);
             INSERT INTO _sqlx_migrations VALUES (1, 'initial things', TRUE, 'x')",
        )
        .await
        .unwrap();
        refuses(&database, status::FOREIGN, "");
    }
}

#[tokio::test]
async fn a_schema_that_does_not_fit_is_told_by_its_reason() {
    for (_, database) in database_urls().await {
        migrated(&database).await;
        run_sql(database.url(), EXTENDED).await.unwrap();
        migrated(&database).await;
        run_sql(database.url(), TAKEN_OVER).await.unwrap();
        refuses(&database, status::NEWER, "9999");
        run_sql(
            database.url(),
            "DELETE FROM _sqlx_migrations WHERE version = 9999; UPDATE installation SET oldest_schema = 12;
             UPDATE installation SET moving_from = 'somewhere'",
        )
        .await
        .unwrap();
        refuses(&database, status::HALF_MOVED, "migrate-data");
        run_sql(
            database.url(),
            "UPDATE installation SET moving_from = NULL;
             UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 3",
        )
        .await
        .unwrap();
        refuses(&database, status::CHANGED, "migration 3");
    }
}

#[test]
fn a_file_that_is_no_good_is_told_by_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| format!("sqlite:{}", folder.path().join(name).display());
    std::fs::write(folder.path().join("letter"), "Dear Ada, this is no database. ".repeat(100)).unwrap();
    refuses(&path("letter"), status::NOT_A_DATABASE, "letter");
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    refuses(&path("folder"), status::FILE, "folder");
    // Nobody, not even root, makes files there.
    refuses("sqlite:/proc/chatboost.db", status::FILE, "/proc");
    let child = program(folder.path(), &["serve"], &[("DATA_DIR", "letter")]);
    assert_eq!(end_of(child).0, status::FILE);
}

#[tokio::test]
async fn a_second_process_and_a_port_that_is_taken_are_told() {
    let database = TestDatabase::sqlite();
    let data = tempfile::tempdir().unwrap();
    let mut config = Config::for_testing(database.url());
    config.data_dir = data.path().to_owned();
    let server = Running::start(config.clone(), Arc::new(SystemClock)).await.unwrap();
    refuses(&database, status::IN_USE, "another chatboost");
    assert!(matches!(Running::start(config, Arc::new(SystemClock)).await, Err(StartError::InUse(_))));
    let port = server.address().port().to_string();
    let folder = tempfile::tempdir().unwrap();
    let (code, line) = end_of(program(folder.path(), &["serve"], &[("PORT", &port)]));
    assert_eq!(code, status::LISTEN, "{line}");
    assert!(line.contains(&port), "{line}");
    server.shut_down().await;
}

#[test]
fn a_faulty_configuration_and_a_wrong_command_have_statuses_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(end_of(program(folder.path(), &[], &[("PORT", "eighty")])).0, status::CONFIGURATION);
    let mut child = program(folder.path(), &["sreve"], &[]);
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

/// An older host works on while newer ones extend the database, and stops when they change what it needs.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_host_works_on_until_the_database_moves_past_it() {
    let database = TestDatabase::postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    migrated(&database).await;
    run_sql(database.url(), EXTENDED).await.unwrap();
    let variables = [("DATABASE_URL", database.url()), ("PORT", &port.to_string())];
    let child = program(folder.path(), &["serve"], &variables);
    let api = Api::wait_for(&format!("http://127.0.0.1:{port}")).await.registered("ada").await;
    api.bot("works").await;
    run_sql(database.url(), TAKEN_OVER).await.unwrap();
    let (code, line) = tokio::task::spawn_blocking(|| end_of(child)).await.unwrap();
    assert_eq!(code, status::NEWER, "{line}");
    assert!(line.contains("newer chatboost"), "{line}");
}

#[test]
fn every_status_is_in_the_documentation() {
    let text = include_str!("../../docs/operations.md");
    for (code, meaning) in status::ALL {
        assert!(text.contains(&format!("| {code} | {meaning} |")), "{code}: {meaning}");
    }
}
