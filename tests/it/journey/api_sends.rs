//! Sending by API.

use emulator::Failure;
use serde_json::json;
use tests::{Method, each_database};

use super::{ADA, Stage};

each_database! {
    async fn every_kind_is_sent_and_answered_with_metas_id(stage: Stage) {
        let bodies = [
            ("text", json!({ "to": format!("+{ADA}"), "text": "Hello from ChatBoost!" })),
            ("template", json!({ "to": ADA, "template_name": "hello_world", "language_code": "en_US" })),
            ("media", json!({ "to": ADA, "media_type": "image", "link": "https://example.com/cat.png", "caption": "a cat" })),
            ("interactive", json!({ "to": ADA, "interactive": {
                "type": "button", "body": { "text": "Well?" },
                "action": { "buttons": [{ "type": "reply", "reply": { "id": "y", "title": "Yes" } }] } } })),
        ];
        for (kind, body) in bodies {
            let answer = stage.api.send(Method::POST, &format!("/whatsapp/send/{kind}?bot_id={}", stage.bot), Some(&body)).await.must_be(200);
            let sent = stage.emulator.sent().pop().unwrap();
            assert_eq!(answer["whatsapp_message_id"], sent.wamid.as_str());
            assert_eq!(sent.body["biz_opaque_callback_data"], answer["id"].to_string());
        }
        let types: Vec<String> = stage.emulator.sent().into_iter().map(|sent| sent.kind).collect();
        assert_eq!(types, ["text", "template", "image", "interactive"]);
    }

    async fn what_is_wrong_is_said_before_anything_is_sent(stage: Stage) {
        let post = async |kind: &str, query: &str, body| {
            stage.api.send(Method::POST, &format!("/whatsapp/send/{kind}{query}"), Some(&body)).await
        };
        let bot = format!("?bot_id={}", stage.bot);
        assert_eq!(post("text", "", json!({})).await.faults(), ["/query/bot_id"]);
        assert_eq!(post("text", &bot, json!({ "to": "x" })).await.faults(), ["/text", "/to"]);
        assert_eq!(post("text", &bot, json!({ "to": ADA, "text": "x".repeat(4097) })).await.faults(), ["/text"]);
        let long = json!({ "to": ADA, "interactive": {
            "type": "button", "body": { "text": "?" },
            "action": { "buttons": [{ "type": "reply", "reply": { "id": "y", "title": "much longer than twenty characters" } }] } } });
        assert_eq!(post("interactive", &bot, long).await.faults(), ["/interactive/action/buttons/0/reply/title"]);
        assert_eq!(post("media", &bot, json!({ "to": ADA, "media_type": "image" })).await.faults(), [""]);
        post("text", "?bot_id=999999", json!({ "to": ADA, "text": "x" })).await.problem(404);
        assert_eq!(stage.emulator.count(), 0);
    }

    async fn a_refusal_of_meta_is_handed_through(stage: Stage) {
        stage.emulator.fail_next(1, Failure::code(131_047));
        let path = format!("/whatsapp/send/text?bot_id={}", stage.bot);
        let problem = stage.api.send(Method::POST, &path, Some(&json!({ "to": ADA, "text": "x" }))).await.problem(502);
        assert_eq!(problem["code"], 131_047);
        assert_eq!(problem["type"], "/problems/refused-by-meta");
    }
}
