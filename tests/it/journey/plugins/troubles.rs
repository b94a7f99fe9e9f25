//! What comes in between while a plugin is at work, and what goes wrong with it.

use std::time::Duration;

use domain::{ContactId, ExecutionId};
use emulator::Failure;
use serde_json::{Value, json};
use server::config::Config;
use tests::{Method, OnDatabase, TestDatabase, each_database};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{ADA, PluginStage, Stage, StillPluginStage, lasting, open, say, until};

/// A server with room for one call of a plugin, on which nobody waits for a turn.
struct BusyStage(Stage);

impl OnDatabase for BusyStage {
    async fn on(database: TestDatabase) -> Self {
        let narrow = |config: &mut Config| {
            open(config);
            let admission = &mut config.plugins.admission;
            (admission.calls, admission.calls_per_tenant, admission.calls_per_plugin) = (1, 1, 1);
            admission.waiting_per_tenant = 0;
        };
        Self(Stage::set(database, false, narrow).await)
    }
}

/// A server that leaves a plugin alone after three failures, and whose clock is moved by hand.
struct StrictStage(Stage);

impl OnDatabase for StrictStage {
    async fn on(database: TestDatabase) -> Self {
        let strict = |config: &mut Config| {
            open(config);
            config.plugins.breaker.failures = 3;
        };
        Self(Stage::set(database, true, strict).await)
    }
}

/// An HTTP server of this machine that answers when it is told to.
pub(super) struct Held {
    listener: TcpListener,
    pub(super) url: String,
}

impl Held {
    pub(super) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        Self { listener, url }
    }

    /// Lets a plugin call it, and nothing more.
    pub(super) fn grant(&self) -> Value {
        let host = self.url.trim_start_matches("http://").trim_end_matches('/');
        json!({ "http": [{ "host": host }] })
    }

    /// A request has come in; its answer goes to what is returned.
    pub(super) async fn asked(&self) -> TcpStream {
        let (mut socket, _) = self.listener.accept().await.unwrap();
        let (mut asked, mut bytes) = (Vec::new(), [0; 4096]);
        while !asked.ends_with(b"\r\n\r\n") {
            let n = socket.read(&mut bytes).await.unwrap();
            assert!(n > 0, "the other side has hung up");
            asked.extend_from_slice(&bytes[..n]);
        }
        socket
    }
}

pub(super) async fn answer(mut socket: TcpStream, head: &str, body: &str) {
    let length = body.len();
    let answer = format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
    socket.write_all(answer.as_bytes()).await.unwrap();
}

fn label(held: &Held) -> Value {
    json!({ "type": "errands/label", "config": { "url": held.url, "label": "gold", "exits": { "next": 1, "error": 2 } } })
}

impl Stage {
    async fn events(&self, execution: &Value) -> Vec<String> {
        let logs = self.api.get(&format!("/flows/executions/{}/logs", execution["id"])).await;
        logs["items"].as_array().unwrap().iter().map(|step| step["event"].as_str().unwrap().to_owned()).collect()
    }

    async fn first_contact(&self) -> Value {
        self.api.get(&format!("/flows/contacts/?bot_id={}", self.bot)).await["items"][0].clone()
    }
}

each_database! {
    async fn a_message_of_a_plugin_that_fails_later_takes_its_exit_for_errors(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("waiting", None).await;
        stage.flow("age", json!([
            { "type": "waiting/ask-number", "config": {
                "question": "How old are you?", "store_in": "state.age", "exits": { "answered": 1, "error": 2 } } },
            say("{{ state.age }}"),
            say("{{ state._error.plugin }} {{ state._error.kind }} {{ state._error.code }}"),
        ])).await;
        // Meta takes it, and reports later that it failed.
        stage.emulator.fail_next(1, Failure::FailLater { code: 131_026 });
        stage.say("age").await;
        assert_eq!(stage.answers(2).await, ["How old are you?", "waiting message_failed 131026"]);
        let execution = &stage.executions().await[0];
        assert_eq!(execution["status"], "completed");
        assert_eq!(stage.events(execution).await, ["started", "called", "waits", "message_failed", "sent", "completed"]);
        // Meta refuses it at once.
        stage.emulator.fail_next(1, Failure::code(131_026));
        stage.say("age").await;
        assert_eq!(stage.answers(3).await[2], "waiting message_failed 131026");
    }

    async fn a_failed_message_of_a_plugin_that_has_gone_on_is_only_logged(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("waiting", None).await;
        stage.flow("age", super::asking()).await;
        stage.say("age").await;
        stage.answers(1).await;
        stage.say("none of your business").await;
        assert_eq!(stage.answers(2).await[1], "Please write a number, such as 42.");
        let first = stage.emulator.sent()[0].clone();
        until("it is read", async || stage.history("outbound").await[0]["status"] == "read").await;
        stage.emulator.emit_status(&first, "failed", Some(131_026)).delivered().await.unwrap();
        stage.say("36").await;
        assert_eq!(stage.answers(3).await[2], "36 is a good age");
    }

    async fn what_a_plugin_wants_tried_again_is_tried_when_it_says(stage: StillPluginStage) {
        let stage = lasting(stage.0).await;
        let held = Held::new().await;
        stage.plugin("http-lookup", Some(held.grant())).await;
        stage.flow("price", json!([
            { "type": "http-lookup/lookup", "config": {
                "url": held.url, "keep": { "price": "/price" }, "exits": { "found": 1, "error": 2 } } },
            say("{{ state.price }}"),
            say("{{ state._error.kind }}"),
        ])).await;
        stage.say("price").await;
        answer(held.asked().await, "503 Busy\r\nretry-after: 600", "").await;
        until("it waits", async || stage.executions().await[0]["status"] == "waiting_timer").await;
        stage.app.advance(Duration::from_secs(599));
        stage.at_rest().await;
        assert_eq!(stage.executions().await[0]["status"], "waiting_timer");
        stage.app.advance(Duration::from_secs(2));
        answer(held.asked().await, "200 OK", r#"{"price": 5}"#).await;
        assert_eq!(stage.answers(1).await, ["5"]);
        let execution = &stage.executions().await[0];
        let events = stage.events(execution).await;
        assert_eq!(events, ["started", "called", "retries_later", "called_again", "returned", "sent", "completed"]);
        // Twice more, and then it has failed.
        stage.say("price").await;
        for attempt in 1..=3 {
            answer(held.asked().await, "503 Busy\r\nretry-after: 600", "").await;
            if attempt < 3 {
                until("it waits", async || stage.executions().await[0]["status"] == "waiting_timer").await;
                stage.app.advance(Duration::from_secs(601));
            }
        }
        assert_eq!(stage.answers(2).await[1], "retryable");
    }

    async fn a_call_whose_execution_is_cancelled_brings_nothing_about(stage: PluginStage) {
        let stage = stage.0;
        let held = Held::new().await;
        stage.plugin("errands", Some(held.grant())).await;
        stage.flow("label", json!([label(&held), say("labelled"), say("failed")])).await;
        stage.say("label").await;
        let socket = held.asked().await;
        let execution = stage.executions().await[0].clone();
        assert_eq!(execution["status"], "waiting_effect");
        let api = stage.api.clone();
        let path = format!("/flows/executions/{}/cancel", execution["id"]);
        let cancelling = tokio::spawn(async move { api.send(Method::POST, &path, None).await });
        let (contact, id) = (stage.first_contact().await["id"].as_i64().unwrap(), execution["id"].as_i64().unwrap());
        until("the request is there", async || {
            let mut tx = stage.app.db().read().await.unwrap();
            let is_cancelled = tx.execution(ExecutionId(id)).await.unwrap().unwrap().execution.status.is_final();
            is_cancelled || tx.item_waits(ContactId(contact), ExecutionId(id)).await.unwrap()
        }).await;
        answer(socket, "200 OK", "").await;
        assert_eq!(cancelling.await.unwrap().must_be(200)["status"], "cancelled");
        stage.at_rest().await;
        assert_eq!((stage.emulator.count(), &stage.first_contact().await["tags"]), (0, &json!([])));
        // The contact is free for the next one.
        stage.say("label").await;
        answer(held.asked().await, "200 OK", "").await;
        assert_eq!(stage.answers(1).await, ["labelled"]);
        assert_eq!(stage.first_contact().await["tags"], json!(["gold"]));
    }

    async fn a_contact_that_is_changed_meanwhile_keeps_both_changes(stage: PluginStage) {
        let stage = stage.0;
        let held = Held::new().await;
        stage.plugin("errands", Some(held.grant())).await;
        stage.flow("label", json!([label(&held), say("{{ contact.email }} {{ contact.tags|join(',') }}"), say("failed")])).await;
        stage.say("label").await;
        let socket = held.asked().await;
        let ada = stage.first_contact().await;
        let change = json!({ "email": "ada@example.com", "tags": ["vip"], "attributes": { "shoe": 38 } });
        stage.api.put(&format!("/flows/contacts/{}", ada["id"]), change).await;
        answer(socket, "200 OK", "").await;
        assert_eq!(stage.answers(1).await, ["ada@example.com vip,gold"]);
        let ada = stage.first_contact().await;
        assert_eq!(ada["email"], "ada@example.com");
        assert_eq!((&ada["tags"], &ada["attributes"]), (&json!(["vip", "gold"]), &json!({ "shoe": 38, "gold": true })));
    }

    async fn a_request_for_which_there_is_no_room_is_to_come_again(stage: BusyStage) {
        let stage = stage.0;
        let held = Held::new().await;
        let mut grant = held.grant();
        grant["kv"] = json!({ "bot": true });
        stage.plugin("errands", Some(grant)).await;
        let trigger = stage.triggered(json!([say("request {{ state.count }}")]), json!({
            "trigger_type": "plugin", "plugin": "errands", "type": "counter", "config": {},
        })).await;
        let (hook, anonymous) = (trigger["hook_path"].as_str().unwrap().to_owned(), stage.api.anonymous());
        stage.flow("label", json!([label(&held), say("labelled"), say("failed")])).await;
        stage.say("label").await;
        let socket = held.asked().await;
        let body = json!({ "phone": ADA, "id": "1" });
        let refused = anonymous.send(Method::POST, &hook, Some(&body)).await;
        assert_eq!(refused.problem(503)["detail"], "the request cannot be handled now");
        assert_eq!(refused.header("retry-after"), "5");
        assert!(stage.logs(&trigger).await[0]["reason"].as_str().unwrap().contains("calls are waiting already"));
        answer(socket, "200 OK", "").await;
        assert_eq!(stage.answers(1).await, ["labelled"]);
        anonymous.send(Method::POST, &hook, Some(&body)).await.must_be(202);
        assert_eq!(stage.answers(2).await[1], "request 1");
    }

    async fn a_plugin_that_fails_again_and_again_is_left_alone_and_tried_again(stage: StrictStage) {
        let stage = stage.0;
        stage.plugin("errands", Some(json!({ "kv": { "bot": true } }))).await;
        let trigger = stage.triggered(json!([say("request {{ state.count }}")]), json!({
            "trigger_type": "plugin", "plugin": "errands", "type": "counter", "config": {},
        })).await;
        let (hook, anonymous) = (trigger["hook_path"].as_str().unwrap().to_owned(), stage.api.anonymous());
        stage.flow("panic", json!([
            { "type": "errands/whim", "config": { "what": "{{ message.text }}", "exits": { "next": 1, "error": 2 } } },
            say("{{ state.whim }}"),
            say("{{ state._error.kind }}"),
        ])).await;
        for n in 1..=3 {
            stage.say("panic").await;
            stage.answers(n).await;
        }
        stage.say("panic not").await;
        assert_eq!(stage.answers(4).await, ["trapped", "trapped", "trapped", "circuit_open"]);
        let refused = anonymous.send(Method::POST, &hook, Some(&json!({ "phone": ADA }))).await;
        assert_eq!((refused.problem(503)["status"].clone(), refused.header("retry-after")), (json!(503), "5"));
        // One call is tried after the rest: it fails, and the rest begins anew.
        stage.app.advance(Duration::from_secs(31));
        stage.say("panic").await;
        stage.answers(5).await;
        stage.say("panic not").await;
        assert_eq!(stage.answers(6).await[4..], ["trapped", "circuit_open"]);
        // It goes well, and all is as before.
        stage.app.advance(Duration::from_secs(31));
        for n in 7..=8 {
            stage.say("panic not").await;
            assert_eq!(stage.answers(n).await[n - 1], "panic not");
        }
        stage.say("panic").await;
        assert_eq!(stage.answers(9).await[8], "trapped", "one failure is one again");
        anonymous.send(Method::POST, &hook, Some(&json!({ "phone": ADA }))).await.must_be(202);
    }

    async fn what_a_plugin_counts_of_a_request_that_is_repeated_is_counted_once(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("errands", Some(json!({ "kv": { "bot": true } }))).await;
        let trigger = stage.triggered(json!([say("request {{ state.count }}")]), json!({
            "trigger_type": "plugin", "plugin": "errands", "type": "counter", "config": {},
        })).await;
        let (hook, anonymous) = (trigger["hook_path"].as_str().unwrap().to_owned(), stage.api.anonymous());
        let send = async |id: Option<&str>| {
            let mut body = json!({ "phone": ADA });
            if let Some(id) = id {
                body["id"] = id.into();
            }
            anonymous.send(Method::POST, &hook, Some(&body)).await.must_be(202)
        };
        for _ in 0..3 {
            send(Some("first")).await;
        }
        assert_eq!(stage.answers(1).await, ["request 1"]);
        assert_eq!(send(Some("second")).await["count"], 2, "the repetitions have counted nothing");
        // Whose handler names no event is counted each time.
        send(None).await;
        send(None).await;
        assert_eq!(stage.answers(4).await, ["request 1", "request 2", "request 3", "request 4"]);
        // At once, the same and others: each event once, and every number is given once.
        let ids = ["a", "b", "a", "c", "b", "a"];
        futures_util::future::join_all(ids.map(|id| send(Some(id)))).await;
        let mut said = stage.answers(7).await.split_off(4);
        said.sort_unstable();
        assert_eq!(said, ["request 5", "request 6", "request 7"]);
    }
}
