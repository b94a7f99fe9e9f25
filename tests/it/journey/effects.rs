//! Calls to the outside: `webhook_action` against a server of the test's own.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use server::config::EgressRule;
use tests::{OnDatabase, TestDatabase, each_database};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::{ADA, PATIENCE, Stage, say, until};

/// A [`Stage`] whose flows may call this machine.
struct OpenStage(Stage);

impl OnDatabase for OpenStage {
    async fn on(database: TestDatabase) -> Self {
        let open = |config: &mut server::config::Config| {
            config.egress.allow = vec![EgressRule::Net("127.0.0.1/32".parse().unwrap())];
        };
        Self(Stage::set(database, false, open).await)
    }
}

/// An HTTP server that gives prepared answers, one a connection, and keeps what it was asked.
struct Outside {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Outside {
    async fn with(answers: &[(u16, &str)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let answers: Vec<(u16, String)> = answers.iter().map(|(status, body)| (*status, (*body).to_owned())).collect();
        let keep = asked.clone();
        tokio::spawn(async move {
            for (status, body) in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let request = read(&mut socket).await;
                keep.lock().unwrap().push(request);
                let head =
                    format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                socket.write_all((head + &body).as_bytes()).await.unwrap();
            }
        });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request with its body.
async fn read(socket: &mut tokio::net::TcpStream) -> String {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = [0; 4096];
        let n = socket.read(&mut chunk).await.unwrap();
        bytes.extend_from_slice(&chunk[..n]);
        let text = String::from_utf8_lossy(&bytes).to_string();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ").map(|n| n.parse::<usize>().unwrap())
            });
            if n == 0 || body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
    }
}

async fn run(stage: &Stage, nodes: Value, state: Value) -> Value {
    let flow = stage.api.post("/bots/flows/", json!({ "bot_id": stage.bot, "name": "f", "nodes": nodes })).await;
    let start = json!({ "flow_id": flow["id"], "contact_phone": ADA, "bot_id": stage.bot, "initial_state": state });
    stage.api.post("/flows/execute?wait=20", start).await
}

each_database! {
    async fn the_example_of_the_specification_calls_and_stores_the_answer(stage: OpenStage) {
        let stage = stage.0;
        let outside = Outside::with(&[(200, r#"{"points": 7}"#)]).await;
        let execution = run(&stage, json!([
            { "type": "webhook_action", "config": {
                "url": outside.url, "method": "POST",
                "headers": { "Authorization": "Bearer {{state.api_token}}" },
                "body": { "data": "{{state.user_data}}" },
                "store_response_in": "state.api_result", "next": 1 } },
            say("You have {{ state.api_result.points }} points"),
        ]), json!({ "api_token": "abc", "user_data": { "n": 1 } })).await;
        assert_eq!(execution["status"], "completed");
        assert_eq!(execution["state"]["api_result"], json!({ "points": 7 }));
        assert_eq!(execution["state"]["api_result_status"], 200);
        assert_eq!(stage.answers(1).await, ["You have 7 points"]);
        let asked = &outside.asked()[0].to_lowercase();
        assert!(asked.starts_with("post /hook"), "{asked}");
        assert!(asked.contains("authorization: bearer abc") && asked.ends_with(r#"{"data":{"n":1}}"#), "{asked}");
        assert!(asked.contains(&format!("idempotency-key: {}-", execution["id"])), "{asked}");
    }

    async fn failures_are_retried_with_the_same_key_and_then_take_the_error_path(stage: OpenStage) {
        let stage = stage.0;
        let outside = Outside::with(&[(500, "a"), (503, "b"), (404, "gone")]).await;
        let execution = run(&stage, json!([
            { "type": "webhook_action", "config": {
                "url": outside.url, "method": "GET", "store_response_in": "state.r", "retries": 2, "error_path": 2, "next": 1 } },
            say("fine"),
            say("error {{ state.r_status }}"),
        ]), json!({})).await;
        assert_eq!(execution["status"], "completed");
        assert_eq!(stage.answers(1).await, ["error 404"]);
        let key = |asked: &String| asked.lines().find(|l| l.to_lowercase().starts_with("idempotency-key")).map(str::to_owned);
        let keys: Vec<_> = outside.asked().iter().map(key).collect();
        assert!(keys.len() == 3 && keys[0].is_some() && keys.iter().all(|k| *k == keys[0]), "{keys:?}");
    }

    async fn the_inside_cannot_be_called_unless_the_operator_says_so(stage: Stage) {
        let outside = Outside::with(&[(200, "secret")]).await;
        for url in [outside.url.clone(), outside.url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/".into()] {
            let execution = run(&stage, json!([
                { "type": "webhook_action", "config": { "url": url, "method": "GET", "store_response_in": "state.r" } },
            ]), json!({})).await;
            assert_eq!(execution["status"], "failed", "{url}");
            assert!(execution["error"].as_str().unwrap().contains("not a public address"), "{execution}");
        }
        assert!(outside.asked().is_empty());
    }

    async fn messages_that_come_during_a_call_wait_for_it(stage: OpenStage) {
        let stage = stage.0;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        stage.flow("slow", json!([
            { "type": "webhook_action", "config": { "url": url, "method": "GET", "store_response_in": "state.r", "next": 1 } },
            say("slow done"),
        ])).await;
        stage.flow("hi", json!([say("hello")])).await;
        stage.say("slow").await;
        let (mut socket, _) = listener.accept().await.unwrap();
        read(&mut socket).await;
        assert_eq!(stage.executions().await[0]["status"], "waiting_effect");
        stage.say("hi").await;
        assert_eq!(stage.emulator.count(), 0);
        socket.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        assert_eq!(stage.answers(2).await, ["slow done", "hello"]);
    }

    async fn a_call_that_begins_while_a_message_is_on_its_way_comes_to_its_end(stage: OpenStage) {
        let stage = stage.0;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        stage.emulator.set_faults(emulator::Faults { delay_ms: 1_500, ..emulator::Faults::default() });
        stage.flow("hi", json!([
            { "type": "send_message", "config": { "message_type": "text", "content": { "text": "one" }, "next": 1 } },
            { "type": "wait", "config": { "duration": 1, "unit": "seconds", "next": 2 } },
            { "type": "webhook_action", "config": { "url": url, "method": "GET", "next": 3 } },
            say("two"),
        ])).await;
        stage.say("hi").await;
        let (mut socket, _) = listener.accept().await.unwrap();
        read(&mut socket).await;
        stage.emulator.wait_for(1, PATIENCE).await.unwrap();
        until("the first message is settled", async || stage.history("outbound").await[0]["status"] != "sending").await;
        socket.write_all(b"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        assert_eq!(stage.answers(2).await, ["one", "two"]);
        assert_eq!(stage.mailboxes().await, (0, 0));
    }
}
