//! What hosts of each role answer, and how one that stops says so.

use std::sync::Arc;

use domain::{HostRole, SystemClock};
use server::{config::Config, running::Running};
use tests::{Api, Method, TestDatabase};

use super::{AT_ONCE, Cluster, until};

async fn status(api: &Api, path: &str) -> u16 {
    api.send(Method::GET, path, None).await.status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_answers_nothing_but_how_it_is() {
    let cluster = Cluster::start(&[HostRole::Api, HostRole::Worker], |_| {}).await;
    let worker = cluster.api_of(1);
    for path in ["/health", "/health/live", "/health/ready", "/metrics"] {
        assert_eq!(status(&worker, path).await, 200, "{path}");
    }
    assert_eq!(status(&worker.anonymous(), "/metrics").await, 401);
    for path in ["/bots/", "/docs", "/whatsapp/webhook", "/auth/me"] {
        worker.send(Method::GET, path, None).await.problem(404);
    }
    assert_eq!(status(&cluster.api, "/bots/").await, 200);
    cluster.end().await;
}

#[test]
fn on_sqlite_there_is_one_host_which_does_all() {
    for (role, url, is_sound) in [
        ("all", "sqlite:x.db", true),
        ("api", "sqlite:x.db", false),
        ("worker", "sqlite:x.db", false),
        ("worker", "postgres://h/d", true),
        ("boss", "postgres://h/d", false),
    ] {
        let vars = |name: &str| match name {
            "ROLE" => Some(role.to_owned()),
            "DATABASE_URL" => Some(url.to_owned()),
            _ => None,
        };
        let faults = Config::from_vars(vars).err().map(|error| error.faults().to_vec()).unwrap_or_default();
        assert_eq!(faults.is_empty(), is_sound, "{role} on {url}: {faults:?}");
        assert!(faults.iter().all(|fault| fault.starts_with("ROLE ")), "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_to_stop_says_so_and_goes_on_meanwhile() {
    let cluster = Cluster::start(&[HostRole::All], |config| config.drain_seconds = 1).await;
    cluster.answers("hello", "hi").await;
    assert_eq!(status(&cluster.api, "/health/ready").await, 200);
    let drain = cluster.hosts[0].drain();
    let meanwhile = async {
        until("it says that it is not ready", async || status(&cluster.api, "/health/ready").await == 503).await;
        assert_eq!(status(&cluster.api, "/health/live").await, 200);
        cluster.say("hello").await;
        cluster.got(1).await;
    };
    tokio::join!(drain, meanwhile);
    cluster.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_without_its_database_is_not_ready() {
    let server = std::env::var("TEST_POSTGRES_URL").unwrap();
    let mut random = [0; 8];
    getrandom::fill(&mut random).unwrap();
    let name = format!("chatboost_test_{:016x}", u64::from_le_bytes(random));
    let url = storage::testing::create_database(&server, &name).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::for_testing(&url);
    config.data_dir = folder.path().to_owned();
    let host = Running::start(config, Arc::new(SystemClock)).await.unwrap();
    let api = Api::at(&host.base_url());
    assert_eq!(status(&api, "/health/ready").await, 200);
    storage::testing::drop_database(&server, &name).await.unwrap();
    api.send(Method::GET, "/health/ready", None).await.problem(503);
    assert_eq!(status(&api, "/health/live").await, 200);
    host.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn until_it_can_work_a_host_says_that_it_is_starting() {
    let database = TestDatabase::postgres().await;
    let db = database.connect().await;
    db.migrate().await.unwrap();
    // Whoever migrates has this lock; the host that starts waits for it.
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config::for_testing(database.url());
    config.data_dir = folder.path().to_owned();
    config.http.port = free_port();
    let base = format!("http://127.0.0.1:{}", config.http.port);
    let held = storage::testing::hold_migrations(&database).await.unwrap();
    let starting = tokio::spawn(Running::start(config, Arc::new(SystemClock)));
    let api = Api::at(&base);
    let reaches = async || tokio::net::TcpStream::connect(base.trim_start_matches("http://")).await.is_ok();
    until("it listens", reaches).await;
    let answer = api.send(Method::GET, "/health/ready", None).await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), "1");
    assert_eq!(status(&api, "/health/live").await, 200);
    api.send(Method::GET, "/whatsapp/webhook", None).await.problem(503);
    assert!(!starting.is_finished());
    held.release().await.unwrap();
    let host = starting.await.unwrap().unwrap();
    assert_eq!(status(&api, "/health/ready").await, 200);
    host.shut_down().await;
    db.close().await;
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_host_leaves_behind_is_taken_up_by_another_one_at_once() {
    let mut cluster = Cluster::start(&[HostRole::All, HostRole::All], |_| {}).await;
    cluster.answers("hello", "hi").await;
    // It is to be tried again in a second.
    cluster.emulator.fail_next(1, emulator::Failure::DropBeforeAccept);
    cluster.webhooks_to(1);
    cluster.say("hello").await;
    until("the first try failed", async || {
        let work = &cluster.hosts[1].app().work;
        work.pending().1 == 1 && work.in_flight() == 0
    })
    .await;
    cluster.webhooks_to(0);
    cluster.hosts.remove(1).shut_down().await;
    let took = cluster.got(1).await;
    assert!(took < AT_ONCE * 3 / 2, "{took:?}");
    cluster.end().await;
}
