//! What holds for every endpoint.

use serde_json::json;
use tests::{Method, TestApp, TestDatabase, each_database};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

each_database! {
    async fn a_trailing_slash_is_optional(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("a").await;
        for path in ["/bots", "/bots/", "/bots?limit=5", "/bots/?limit=5"] {
            assert_eq!(ada.get(path).await["total"], 1, "{path}");
        }
        for path in [format!("/bots/{bot}"), format!("/bots/{bot}/")] {
            assert_eq!(ada.get(&path).await["id"], bot);
        }
        assert_eq!(ada.get("/auth/me/").await["username"], "ada");
        assert_eq!(ada.get("/bots/flows").await["total"], 0);
        assert_eq!(ada.post("/bots", json!({ "name": "b" })).await["name"], "b");
        assert_eq!(ada.get("/health/").await["status"], "ok");
    }

    async fn every_list_comes_in_pages(app: TestApp) {
        let ada = app.api().registered("ada").await;
        for n in 0..5 {
            ada.bot(&format!("bot {n}")).await;
        }
        let page = ada.get("/bots/?limit=2&skip=3").await;
        assert_eq!((&page["total"], &page["limit"], &page["skip"]), (&json!(5), &json!(2), &json!(3)));
        let names: Vec<_> = page["items"].as_array().unwrap().iter().map(|bot| bot["name"].clone()).collect();
        assert_eq!(names, ["bot 3", "bot 4"]);
        assert_eq!(ada.get("/bots/?skip=99").await["items"], json!([]));
        assert_eq!(ada.get("/bots/").await["limit"], 100);
        let wrong = ada.send(Method::GET, "/bots/?limit=0&skip=-1", None).await;
        assert_eq!(wrong.faults(), ["/query/limit", "/query/skip"]);
        let wrong = ada.send(Method::GET, "/bots/?limit=many&skip=1.5", None).await;
        assert_eq!(wrong.faults(), ["/query/limit", "/query/skip"]);
        assert_eq!(ada.send(Method::GET, "/bots/?limit=1001", None).await.faults(), ["/query/limit"]);
    }
}

/// Whoever sends all of a body before looking for the answer finds it, whatever the answer is.
#[tokio::test]
async fn a_body_that_nobody_wants_is_read_before_it_is_refused() {
    let app = app().await;
    let address = app.running().base_url().trim_start_matches("http://").to_owned();
    let body = vec![b'x'; 12 * 1024 * 1024];
    for (path, status) in [("/nope", "404"), ("/auth/me", "405"), ("/plugins", "401"), ("/auth/register", "413")] {
        let mut client = TcpStream::connect(&address).await.unwrap();
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        let mut answer = [0; 12];
        client.read_exact(&mut answer).await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert_eq!(String::from_utf8_lossy(&answer), format!("HTTP/1.1 {status}"), "{path}");
    }
}

async fn app() -> TestApp {
    TestApp::with(TestDatabase::sqlite(), |_| {}).await
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let app = app().await;
    let api = app.api();
    for path in ["/", "/nope", "/bots/flows/1/nope", "/bots/1/2/3", "/problems/nope"] {
        api.send(Method::GET, path, None).await.problem(404);
    }
    let answer = api.send(Method::DELETE, "/auth/me", None).await;
    assert_eq!(answer.problem(405)["type"], "/problems/method-not-allowed");
    assert!(answer.header("allow").contains("GET"), "{:?}", answer.headers);
    let answer = api.send(Method::PATCH, "/bots/1", None).await;
    answer.problem(405);
    for method in ["GET", "PUT", "DELETE"] {
        assert!(answer.header("allow").contains(method), "{:?}", answer.headers);
    }
}

#[tokio::test]
async fn every_kind_of_problem_has_a_page() {
    let app = app().await;
    for kind in server::http::problem::Kind::ALL {
        let answer = app.api().send(Method::GET, &kind.uri(), None).await;
        answer.must_be(200);
        assert!(answer.text.contains(kind.title));
    }
}

#[tokio::test]
async fn bodies_that_cannot_be_read_are_told_apart() {
    let app = app().await;
    let ada = app.api().registered("ada").await;
    let post = async |kind: &str, body: &[u8]| ada.send_raw(Method::POST, "/bots/", Some((kind, body.to_vec()))).await;
    const JSON: &str = "application/json";
    for malformed in [&b""[..], b"{", b"{\"name\": }", b"\xff\xfe", b"{\"name\": \"\\ud800\"}"] {
        assert_eq!(post(JSON, malformed).await.problem(400)["type"], "/problems/malformed");
    }
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""] {
        post(kind, b"{\"name\": \"a\"}").await.problem(415);
    }
    ada.send(Method::POST, "/bots/", None).await.problem(415);
    for kind in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"] {
        post(kind, b"{\"name\": \"a\"}").await.must_be(201);
    }
    post(JSON, format!("{{\"name\": \"{}\"}}", "a".repeat(3 << 20)).as_bytes()).await.problem(413);
    for shape in [&b"[]"[..], b"1", b"null", b"\"text\""] {
        assert!(post(JSON, shape).await.faults().contains(&String::new()));
    }
    assert_eq!(post(JSON, &[vec![b'['; 100_000], vec![b']'; 100_000]].concat()).await.faults(), [""]);
    assert_eq!(post(JSON, b"{\"name\": \"a\\u0000b\"}").await.faults(), ["/name"]);
    assert_eq!(post(JSON, b"{\"x\": [{\"y\": \"\\u0000\"}], \"name\": \"a\"}").await.faults(), ["/x/0/y"]);
}

#[tokio::test]
async fn ids_in_paths_are_numbers() {
    let app = app().await;
    let ada = app.api().registered("ada").await;
    for id in ["abc", "1.5", "99999999999999999999", "%00", "-"] {
        assert_eq!(ada.send(Method::GET, &format!("/bots/{id}"), None).await.faults(), ["/path/bot_id"], "{id}");
    }
    for id in ["0", "-1", "9223372036854775807"] {
        ada.send(Method::GET, &format!("/bots/{id}"), None).await.problem(404);
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_the_clients_fault() {
    let app = app().await;
    let ada = app.api().registered("ada").await;
    app.db().close().await;
    let answer = ada.send(Method::GET, "/bots/", None).await;
    assert_eq!(answer.problem(503)["type"], "/problems/unavailable");
    assert!(!answer.header("retry-after").is_empty());
    app.api().send(Method::GET, "/health/ready", None).await.problem(503);
    app.api().get("/health").await;
}
