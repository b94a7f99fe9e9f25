//! The customer service window: what is sent, what is refused before it is tried, and what goes out instead.

use std::time::Duration;

use chrono::TimeDelta;
use emulator::{Failure, Inbound};
use serde_json::{Value, json};
use tests::{Method, each_database};

use super::{ADA, BOB, Stage, StillStage, ask, say, until};

const DAY: Duration = Duration::from_secs(24 * 3_600 + 60);

/// A node that says something, or else a template.
fn say_or(text: &str, template: &str, more: &Value) -> Value {
    let mut node = say(text);
    node["config"]["fallback_template"] = json!({ "template_name": template, "language_code": "en" });
    node["config"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    node
}

impl StillStage {
    /// With a key that outlasts a login.
    async fn for_days(mut self) -> Stage {
        let key = self.0.api.post("/auth/api-keys", json!({ "name": "days" })).await;
        self.0.api = self.0.api.with_token(key["key"].as_str().unwrap());
        self.0
    }
}

impl Stage {
    /// Ada says something at the server's time, which the emulator does not know.
    async fn say_now(&self, text: &str) {
        let inbound = Inbound::text(ADA, text).at(self.app.clock().now());
        self.emulator.say_with(inbound).delivered().await.unwrap();
    }

    async fn ada(&self) -> Value {
        self.api.get(&format!("/flows/contacts/?bot_id={}&q={ADA}", self.bot)).await["items"][0].clone()
    }

    async fn post_text(&self, to: &str) -> tests::Answer {
        let path = format!("/whatsapp/send/text?bot_id={}", self.bot);
        self.api.send(Method::POST, &path, Some(&json!({ "to": to, "text": "x" }))).await
    }
}

each_database! {
    async fn by_api_a_closed_window_is_a_conflict_and_nothing_is_sent(stage: StillStage) {
        let stage = stage.for_days().await;
        stage.say_now("hello").await;
        let opened = stage.app.clock().now();
        let window = stage.ada().await["window"].clone();
        assert_eq!(window["status"], "open");
        let expires: domain::Time = window["expires_at"].as_str().unwrap().parse().unwrap();
        assert!((expires - opened - TimeDelta::hours(24)).abs() <= TimeDelta::seconds(1), "{window}");
        stage.post_text(ADA).await.must_be(200);

        stage.app.advance(DAY);
        assert_eq!(stage.ada().await["window"], json!({ "status": "closed" }));
        let interactive = json!({ "to": ADA, "interactive": {
            "type": "button", "body": { "text": "Well?" },
            "action": { "buttons": [{ "type": "reply", "reply": { "id": "y", "title": "Yes" } }] } } });
        let media = json!({ "to": ADA, "media_type": "image", "link": "https://example.com/cat.png" });
        for (kind, body) in [("text", json!({ "to": ADA, "text": "x" })), ("interactive", interactive), ("media", media)] {
            let path = format!("/whatsapp/send/{kind}?bot_id={}", stage.bot);
            let problem = stage.api.send(Method::POST, &path, Some(&body)).await.problem(409);
            assert_eq!(problem["type"], "/problems/window-closed", "{kind}");
            assert!(problem["closed_since"].is_string());
        }
        assert_eq!(stage.emulator.count(), 1);
        let template = json!({ "to": ADA, "template_name": "hello", "language_code": "en" });
        stage.api.post(&format!("/whatsapp/send/template?bot_id={}", stage.bot), template).await;
        assert_eq!(stage.emulator.count(), 2);

        stage.say_now("I am back").await;
        assert_eq!(stage.ada().await["window"]["status"], "open");
        stage.post_text(ADA).await.must_be(200);
    }

    async fn what_was_written_long_ago_and_comes_late_opens_nothing(stage: StillStage) {
        let stage = stage.for_days().await;
        stage.flow("hi", json!([say("late hello")])).await;
        let flow = stage.flow("template", json!([say_or("x", "late", &json!({}))])).await;
        let long_ago = stage.app.clock().now() - TimeDelta::hours(30);
        for text in ["hi", "template"] {
            stage.emulator.say_with(Inbound::text(ADA, text).at(long_ago)).delivered().await.unwrap();
        }
        // What has a template takes it; what has nothing else to do is tried.
        let sent = stage.emulator.wait_for_to(ADA, 2, super::PATIENCE).await.unwrap();
        let mut kinds: Vec<&str> = sent.iter().map(|sent| sent.kind.as_str()).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, ["template", "text"]);
        assert_eq!(stage.ada().await["window"], json!({ "status": "closed" }));
        stage.post_text(ADA).await.problem(409);
        // Nobody has just written: the flow fails with the reason.
        let plain = stage.api.post("/bots/flows/", json!({ "bot_id": stage.bot, "name": "f", "nodes": [say("x")] })).await;
        let start = |flow: &Value| json!({ "flow_id": flow, "contact_phone": ADA, "bot_id": stage.bot });
        let failed = stage.api.post("/flows/execute?wait=10", start(&plain["id"])).await;
        assert_eq!(failed["status"], "failed");
        let error = failed["error"].as_str().unwrap();
        assert!(error.contains("more than 24 hours ago") && error.contains("fallback_template"), "{error}");
        let fine = stage.api.post("/flows/execute?wait=10", start(&json!(flow))).await;
        assert_eq!(fine["status"], "completed");
        stage.emulator.wait_for_to(ADA, 3, super::PATIENCE).await.unwrap();
        // With another number nobody knows.
        let bot = format!("/bots/{}", stage.bot);
        stage.api.put(&bot, json!({ "whatsapp_phone_number_id": "4711" })).await;
        assert_eq!(stage.ada().await["window"], json!({ "status": "unknown" }));
        stage.post_text(ADA).await.must_be(200);
    }

    async fn to_a_stranger_it_is_tried_and_metas_word_closes_the_window(stage: Stage) {
        stage.emulator.fail_next(1, Failure::code(131_047));
        stage.post_text(ADA).await.problem(502);
        assert_eq!(stage.ada().await["window"], json!({ "status": "closed" }));
        assert_eq!(stage.post_text(ADA).await.problem(409)["type"], "/problems/window-closed");
        stage.post_text(BOB).await.must_be(200);
        stage.say("hello").await;
        stage.post_text(ADA).await.must_be(200);
        assert_eq!(stage.emulator.count(), 2);
    }

    async fn a_template_stands_in_when_meta_refuses_at_once_or_later(stage: Stage) {
        let flow = json!({ "bot_id": stage.bot, "name": "f", "nodes": [
            { "type": "ask", "config": { "message_type": "text", "content": "Well?", "store_in": "a",
                "fallback_template": { "name": "question", "language": "en" }, "error_path": 2, "next": 1 } },
            say("you said {{ state.a }}"),
            say("never"),
        ] });
        let flow = stage.api.post("/bots/flows/", flow).await;
        assert_eq!(flow["issues"], json!([]));
        for (phone, failure) in [(ADA, Failure::code(131_047)), (BOB, Failure::FailLater { code: 131_047 })] {
            stage.emulator.fail_next(1, failure);
            let start = json!({ "flow_id": flow["id"], "contact_phone": phone, "bot_id": stage.bot });
            let execution = stage.api.post("/flows/execute", start).await;
            let templates = || stage.emulator.sent_to(phone).into_iter().filter(|sent| sent.kind == "template").count();
            until("the template is out", async || templates() == 1).await;
            stage.at_rest().await;
            assert_eq!(templates(), 1);
            let now = stage.api.get(&format!("/flows/executions/{}", execution["id"])).await;
            assert_eq!(now["status"], "waiting_input", "{now}");
            let history = stage.history("outbound").await;
            let failed = history.iter().filter(|m| m["contact_phone"] == phone && m["status"] == "failed").count();
            assert_eq!(failed, 1, "what was refused stays in the history as it is");
            stage.emulator.say(phone, "yes").delivered().await.unwrap();
            until("the answer is answered", async || {
                stage.emulator.sent_to(phone).last().is_some_and(|sent| sent.text == "you said yes")
            }).await;
        }
    }

    async fn what_is_queued_behind_a_refusal_is_not_tried(stage: Stage) {
        let nodes: Vec<Value> = (0..5).map(|n| super::say_then(&n.to_string(), n + 1)).chain([say("5")]).collect();
        let flow = stage.api.post("/bots/flows/", json!({ "bot_id": stage.bot, "name": "f", "nodes": nodes })).await;
        stage.emulator.fail_next(1, Failure::code(131_047));
        let start = json!({ "flow_id": flow["id"], "contact_phone": ADA, "bot_id": stage.bot });
        stage.api.post("/flows/execute", start).await;
        until("all have failed", async || {
            stage.history("outbound").await.iter().filter(|m| m["status"] == "failed").count() == 6
        }).await;
        assert_eq!(stage.emulator.count(), 0);
        assert_eq!(stage.emulator.refusals().get(&131_047), Some(&1));
        let codes: Vec<Value> = stage.history("outbound").await.iter().map(|m| m["error"]["code"].clone()).collect();
        assert_eq!(codes, vec![json!(131_047); 6]);
    }

    async fn a_flow_takes_the_template_or_the_error_path_after_a_day(stage: StillStage) {
        let stage = stage.for_days().await;
        let wait = |next: i64| json!({ "type": "wait", "config": { "duration": 25, "unit": "hours", "next": next } });
        let nodes = json!([
            wait(1),
            say_or("reminder", "reminder", &json!({ "next": 2 })),
            { "type": "ask", "config": { "message_type": "text", "content": "?", "store_in": "state.a", "error_path": 3 } },
            { "type": "send_message", "config": { "message_type": "template", "content": {
                "name": "{{ state.a_error_code }}", "language": "en" } } },
        ]);
        stage.flow("hi", nodes).await;
        stage.say_now("hi").await;
        stage.at_rest().await;
        stage.app.advance(Duration::from_secs(25 * 3_600));
        let sent = stage.emulator.wait_for_to(ADA, 2, super::PATIENCE).await.unwrap();
        let names: Vec<&Value> = sent.iter().map(|sent| &sent.body["template"]["name"]).collect();
        assert_eq!(names, ["reminder", "window_closed"]);
        until("the flow has ended", async || stage.executions().await[0]["status"] == "completed").await;
    }

    async fn a_message_that_waited_past_the_end_of_the_window_is_not_tried(stage: StillStage) {
        let stage = stage.for_days().await;
        let nodes = json!([say_or("in time?", "late", &json!({})), say("unreachable")]);
        let flow = json!({ "bot_id": stage.bot, "name": "f", "nodes": nodes });
        let flow = stage.api.post("/bots/flows/", flow).await;
        stage.say_now("hello").await;
        // Meta has a hiccup, and it lasts until the window has closed.
        stage.emulator.fail_next(1, Failure::code(131_016));
        let start = json!({ "flow_id": flow["id"], "contact_phone": ADA, "bot_id": stage.bot });
        stage.api.post("/flows/execute", start).await;
        until("the first try was refused", async || stage.emulator.refusals().contains_key(&131_016)).await;
        until("it waits", async || stage.history("outbound").await.first().is_some_and(|m| m["status"] == "queued")).await;
        stage.app.advance(DAY);
        let sent = stage.emulator.wait_for_to(ADA, 1, super::PATIENCE).await.unwrap();
        assert_eq!(sent[0].body["template"]["name"], "late");
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 1, "the text was not tried again");
        let history = stage.history("outbound").await;
        assert_eq!((&history[0]["status"], &history[0]["error"]["code"]), (&json!("failed"), &json!(131_047)));
    }

    async fn saved_flows_are_warned_of_what_may_come_too_late(stage: Stage) {
        let nodes = json!([say("good morning"), say("unreachable")]);
        let flow = json!({ "bot_id": stage.bot, "name": "f", "nodes": [nodes[0]] });
        let flow = stage.api.post("/bots/flows/", flow).await;
        assert_eq!(flow["issues"], json!([]));
        let trigger = json!({
            "name": "t", "bot_id": stage.bot, "flow_id": flow["id"], "trigger_type": "schedule",
            "schedule_type": "daily", "schedule_time": "09:00",
        });
        let trigger = stage.api.post("/triggers/", trigger).await;
        let path = format!("/bots/flows/{}", flow["id"]);
        let issues = stage.api.get(&path).await["issues"].clone();
        assert_eq!((&issues[0]["code"], &issues[0]["severity"]), (&json!("window_may_be_closed"), &json!("warning")));
        assert_eq!(issues[0]["pointer"], "/nodes/0/config/content");
        assert!(issues[0]["detail"].as_str().unwrap().contains("fallback_template"));
        let verdict = stage.api.post(&format!("{path}/validate"), json!({})).await;
        assert_eq!((&verdict["valid"], &verdict["issues"]), (&json!(true), &issues));
        // Started by a word, too, it may well be in time.
        let keyword = json!({ "name": "k", "bot_id": stage.bot, "flow_id": flow["id"], "trigger_type": "keyword", "keywords": ["hi"] });
        stage.api.post("/triggers/", keyword).await;
        assert_eq!(stage.api.get(&path).await["issues"], json!([]));
        stage.api.delete(&format!("/triggers/{}", trigger["id"])).await;
        let with_ask = json!({ "nodes": [ask("?", "state.a", 1), say("thanks")] });
        assert_eq!(stage.api.put(&path, with_ask).await["issues"], json!([]));
    }
}
