//! `Idempotency-Key`: what is sent twice is done once.

use std::time::Duration;

use emulator::Failure;
use serde_json::{Value, json};
use tests::{Answer, Api, each_database};

use super::{ADA, Stage, StillStage, ask, say, until};

const HEADER: &str = "Idempotency-Key";

fn hello() -> Value {
    json!({ "to": ADA, "text": "Hello" })
}

impl Stage {
    fn send_text(&self) -> String {
        format!("/whatsapp/send/text?bot_id={}", self.bot)
    }

    async fn text_once(&self, key: &str, body: &Value) -> Answer {
        self.api.post_with(&self.send_text(), (HEADER, key), body).await
    }

    /// Lets Meta take its time.
    fn slow_down(&self, delay_ms: u64) {
        let mut faults = self.emulator.faults();
        faults.delay_ms = delay_ms;
        self.emulator.set_faults(faults);
    }
}

fn same(first: &Answer, again: &Answer) {
    assert_eq!((first.status, &first.text), (again.status, &again.text));
    assert_eq!(first.header("content-type"), again.header("content-type"));
}

/// A request whose client hangs up once `has_begun`.
async fn hang_up(api: &Api, path: &str, key: &str, body: &Value, has_begun: impl AsyncFn() -> bool) {
    let (api, path, key, body) = (api.clone(), path.to_owned(), key.to_owned(), body.clone());
    let call = tokio::spawn(async move { api.post_with(&path, (HEADER, &key), &body).await });
    until("the request has begun", has_begun).await;
    call.abort();
    assert!(call.await.is_err(), "the answer had come already");
}

each_database! {
    async fn the_same_send_is_done_once_and_told_the_same(stage: Stage) {
        let first = stage.text_once("k-1", &hello()).await;
        first.must_be(200);
        for _ in 0..2 {
            same(&first, &stage.text_once("k-1", &hello()).await);
        }
        // The order of the members is not the client's to keep.
        let turned = format!(r#"{{"text": "Hello",  "to": "{ADA}"}}"#);
        same(&first, &stage.text_once("k-1", &serde_json::from_str(&turned).unwrap()).await);
        assert_eq!(stage.emulator.count(), 1);

        let other = stage.text_once("k-1", &json!({ "to": ADA, "text": "Goodbye" })).await;
        assert_eq!(other.faults(), ["/header/Idempotency-Key"]);
        let elsewhere = stage.api.post_with(&format!("{}&x=1", stage.send_text()), (HEADER, "k-1"), &hello()).await;
        assert_eq!(elsewhere.faults(), ["/header/Idempotency-Key"]);
        assert_eq!(stage.emulator.count(), 1);

        // Another key, another path, another user: another request.
        assert_ne!(stage.text_once("k-2", &hello()).await.must_be(200)["id"], first.json()["id"]);
        let template = json!({ "to": ADA, "template_name": "hello_world", "language_code": "en_US" });
        let path = format!("/whatsapp/send/template?bot_id={}", stage.bot);
        stage.api.post_with(&path, (HEADER, "k-1"), &template).await.must_be(200);
        assert_eq!(stage.emulator.count(), 3);
        let eve = stage.app.api().registered("eve").await;
        eve.post_with(&stage.send_text(), (HEADER, "k-1"), &hello()).await.problem(404);
        assert_eq!(stage.emulator.count(), 3);
    }

    async fn an_execution_is_started_once(stage: Stage) {
        let flow = stage.flow("x", json!([ask("Well?", "state.a", 1), say("thanks")])).await;
        let body = json!({ "flow_id": flow, "contact_phone": ADA, "bot_id": stage.bot });
        let once = async || stage.api.post_with("/flows/execute?wait=10", (HEADER, "start"), &body).await;
        let first = once().await;
        assert_eq!(first.must_be(201)["status"], "waiting_input");
        stage.say("fine").await;
        assert_eq!(stage.answers(2).await, ["Well?", "thanks"]);
        same(&first, &once().await);
        assert_eq!(stage.executions().await.len(), 1);
    }

    async fn a_refusal_is_told_again_and_what_was_not_done_is_not_remembered(stage: Stage) {
        stage.emulator.fail_next(1, Failure::code(131_026));
        let first = stage.text_once("k", &hello()).await;
        assert_eq!(first.problem(502)["code"], 131_026);
        same(&first, &stage.text_once("k", &hello()).await);
        assert_eq!(stage.history("outbound").await.len(), 1);

        // Faults of the request leave the key free.
        assert_eq!(stage.text_once("free", &json!({ "to": ADA })).await.faults(), ["/text"]);
        let nobody = "/whatsapp/send/text?bot_id=999999";
        stage.api.post_with(nobody, (HEADER, "free"), &hello()).await.problem(404);
        stage.text_once("free", &hello()).await.must_be(200);
    }

    async fn while_the_first_one_runs_the_second_is_a_conflict(stage: Stage) {
        stage.slow_down(1_000);
        let body = hello();
        let second = async {
            until("the first one has begun", async || !stage.history("outbound").await.is_empty()).await;
            stage.text_once("k", &body).await
        };
        let (first, second) = tokio::join!(stage.text_once("k", &body), second);
        first.must_be(200);
        second.problem(409);
        assert!(!second.header("retry-after").is_empty());
        same(&first, &stage.text_once("k", &body).await);
        assert_eq!(stage.emulator.count(), 1);
    }

    async fn what_nobody_was_told_is_told_the_next_time(stage: Stage) {
        stage.slow_down(1_000);
        let has_begun = async || !stage.history("outbound").await.is_empty();
        hang_up(&stage.api, &stage.send_text(), "k", &hello(), has_begun).await;
        let id = stage.history("outbound").await[0]["id"].clone();
        until("the server has noticed", async || stage.text_once("k", &hello()).await.status != 409).await;
        let told = stage.text_once("k", &hello()).await;
        assert_eq!(told.must_be(200)["id"], id);
        assert_eq!(told.json()["whatsapp_message_id"], stage.emulator.sent()[0].wamid.as_str());
        assert_eq!(stage.emulator.count(), 1);
    }

    async fn a_key_is_forgotten_after_a_day(stage: StillStage) {
        let mut stage = stage.0;
        let key = stage.api.post("/auth/api-keys", json!({ "name": "k" })).await;
        stage.api = stage.api.with_token(key["key"].as_str().unwrap());
        let first = stage.text_once("k", &hello()).await;
        stage.app.advance(Duration::from_secs(24 * 3_600 - 1));
        same(&first, &stage.text_once("k", &hello()).await);
        stage.app.advance(Duration::from_secs(2));
        let second = stage.text_once("k", &hello()).await;
        assert_ne!(first.must_be(200)["id"], second.must_be(200)["id"]);
        assert_eq!(stage.emulator.count(), 2);
    }

    async fn keys_are_checked(stage: Stage) {
        for wrong in ["", "with space", &"k".repeat(256)] {
            let answer = stage.text_once(wrong, &hello()).await;
            assert_eq!(answer.faults(), ["/header/Idempotency-Key"], "{wrong}");
        }
        assert_eq!(stage.emulator.count(), 0);
        stage.text_once(&"k".repeat(255), &hello()).await.must_be(200);
    }
}
