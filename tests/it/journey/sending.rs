//! What goes out: refusals, retries, doubt, order, statuses.

use emulator::Failure;
use serde_json::json;
use tests::each_database;

use super::{ADA, Stage, say, say_then, until};

each_database! {
    async fn what_meta_refuses_for_good_is_failed_and_the_next_one_goes(stage: Stage) {
        stage.flow("hi", json!([say_then("one", 1), say("two")])).await;
        stage.emulator.fail_next(1, Failure::code(131_026));
        stage.say("hi").await;
        assert_eq!(stage.answers(1).await, ["two"]);
        let history = stage.history("outbound").await;
        assert_eq!((&history[0]["status"], &history[0]["error"]["code"]), (&json!("failed"), &json!(131_026)));
        assert!(history[0]["failed_at"].is_string());
    }

    async fn a_hiccup_is_retried_in_order_and_sent_once(stage: Stage) {
        stage.flow("hi", json!([say_then("one", 1), say_then("two", 2), say("three")])).await;
        for failure in [Failure::Gateway { http_status: 502 }, Failure::DropBeforeAccept, Failure::code(131_016)] {
            stage.emulator.fail_next(1, failure);
        }
        stage.say("hi").await;
        assert_eq!(stage.answers(3).await, ["one", "two", "three"]);
    }

    async fn a_send_in_doubt_is_proven_by_its_status_and_not_repeated(stage: Stage) {
        stage.flow("hi", json!([say_then("one", 1), say("two")])).await;
        stage.emulator.fail_next(1, Failure::AcceptThenDrop);
        stage.say("hi").await;
        assert_eq!(stage.answers(2).await, ["one", "two"]);
        until("the doubt is settled", async || stage.history("outbound").await[0]["status"] == "read").await;
        let first = &stage.history("outbound").await[0];
        assert_eq!(first["ambiguous_attempts"], 0);
        assert_eq!(first["whatsapp_message_id"], stage.emulator.sent()[0].wamid.as_str());
    }

    async fn a_late_status_never_overwrites_a_higher_one(stage: Stage) {
        stage.flow("hi", json!([say("x")])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        until("it is read", async || stage.history("outbound").await[0]["status"] == "read").await;
        let sent = stage.emulator.sent()[0].clone();
        for (word, code) in [("sent", None), ("delivered", None), ("failed", Some(131_026)), ("from_the_future", None)] {
            stage.emulator.emit_status(&sent, word, code).delivered().await.unwrap();
        }
        let message = &stage.history("outbound").await[0];
        assert_eq!((&message["status"], &message["error"]), (&json!("read"), &json!(null)));
    }

    async fn a_failure_reported_later_is_shown_with_its_reason(stage: Stage) {
        stage.flow("hi", json!([say("x")])).await;
        stage.emulator.fail_next(1, Failure::FailLater { code: 131_049 });
        stage.say("hi").await;
        until("it is failed", async || {
            stage.history("outbound").await.first().is_some_and(|m| m["status"] == "failed")
        }).await;
        let message = &stage.history("outbound").await[0];
        assert_eq!(message["error"]["code"], 131_049);
    }

    async fn a_message_beyond_the_limits_is_not_sent_and_says_why(stage: Stage) {
        stage.flow("hi", json!([say_then("{{ message.text * 1000 }}", 1), say("still here")])).await;
        stage.say("hi there, this is long").await;
        assert_eq!(stage.answers(1).await, ["still here"]);
        let message = &stage.history("outbound").await[0];
        assert_eq!(message["status"], "failed");
        assert_eq!(message["error"]["errors"][0]["pointer"], "/body");
    }

    async fn a_bot_without_credentials_says_so_in_the_history(stage: Stage) {
        let bot = stage.api.post("/bots/", json!({ "name": "mute", "is_whatsapp_enabled": false })).await;
        let flow = stage.api.post("/bots/flows/", json!({ "bot_id": bot["id"], "name": "f", "nodes": [say("x")] })).await;
        let start = json!({ "flow_id": flow["id"], "contact_phone": ADA, "bot_id": bot["id"] });
        let execution = stage.api.post("/flows/execute?wait=10", start).await;
        assert_eq!(execution["status"], "completed");
        let messages = stage.api.get(&format!("/whatsapp/messages/{}", bot["id"])).await;
        assert_eq!(messages["items"][0]["status"], "failed");
        assert!(messages["items"][0]["error"]["title"].as_str().unwrap().contains("phone number id"));
    }

    async fn messages_by_api_and_by_flows_to_one_contact_all_arrive(stage: Stage) {
        stage.flow("hi", json!([say("answer to {{ message.text }}")])).await;
        stage.emulator.set_faults(emulator::Faults { delay_ms: 10, ..emulator::Faults::default() });
        let path = format!("/whatsapp/send/text?bot_id={}", stage.bot);
        let by_api: Vec<_> = (0..20)
            .map(|n| {
                let (api, path) = (stage.api.clone(), path.clone());
                tokio::spawn(async move { api.post(&path, json!({ "to": ADA, "text": format!("api {n}") })).await })
            })
            .collect();
        for n in 0..20 {
            stage.say(&format!("hi {n}")).await;
        }
        for sending in by_api {
            sending.await.unwrap();
        }
        let mut texts = stage.answers(40).await;
        let answers: Vec<&String> = texts.iter().filter(|text| text.starts_with("answer")).collect();
        let expected: Vec<String> = (0..20).map(|n| format!("answer to hi {n}")).collect();
        assert!(answers.into_iter().eq(&expected), "in order: {texts:?}");
        texts.sort();
        texts.dedup();
        assert_eq!(texts.len(), 40, "each once");
        assert_eq!(stage.mailboxes().await, (0, 0));
    }
}
