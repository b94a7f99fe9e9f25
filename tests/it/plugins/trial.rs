//! `POST /plugins/{name}/versions/{version}/try`

use serde_json::json;
use tests::{Method, each_database, guest};

use super::{Workshop, hello, ok, serve, upload};

each_database! {
    async fn a_trial_shows_everything_and_keeps_nothing(shop: Workshop) {
        hello(&shop.api).await;
        upload(&shop.api, guest("trigger")).await;
        let hi = "/plugins/hello/versions/0.1.0/try";
        let tried = shop.api.post(hi, json!({
            "node": "hello", "config": { "greeting": "Hi" }, "context": { "contact": { "first_name": "Eve" } } })).await;
        assert_eq!(tried["result"]["step"]["actions"]["messages"][0]["content"], json!({ "body": "Hi Eve!" }), "{tried}");
        assert!(tried["usage"]["cpu_us"].as_i64().unwrap() > 0 && tried["logs"].is_array());
        let fault = shop.api.post(hi, json!({ "node": "hello", "config": {} })).await;
        assert_eq!(fault["fault"]["kind"], "invalid_config", "{fault}");

        let count = "/plugins/trigger/versions/0.1.0/try";
        let ungranted = shop.api.post(count, json!({ "node": "count", "bot_id": shop.bot, "contact_id": shop.contact })).await;
        assert!(ungranted["fault"].is_object(), "{ungranted}");
        let denial = r#"values of contacts may not be kept: the grant for this bot lacks `kv`: {"contact":true}"#;
        assert_eq!(ungranted["denials"], json!([denial]), "{ungranted}");
        assert!(ungranted["missing"].as_array().unwrap().iter().any(|line| line == "`kv`: {\"bot\":false,\"contact\":true}"), "{ungranted}");
        shop.grant("trigger", json!({ "kv": { "contact": true } })).await;
        for _ in 0..2 {
            let tried = shop.api.post(count, json!({ "node": "count", "bot_id": shop.bot, "contact_id": shop.contact })).await;
            assert_eq!(tried["result"]["step"]["actions"]["variables"]["state.visits"], 1, "{tried}");
            assert_eq!(tried["denials"], json!([]));
        }
        let matched = shop.api.post(count, json!({
            "trigger": "command", "config": { "word": "order" }, "input": { "message": { "type": "text", "text": "/order 7" } } })).await;
        assert_eq!(matched["result"]["recognition"]["extracted"], json!({ "argument": "7" }), "{matched}");
        let handled = shop.api.post(count, json!({
            "trigger": "inbox", "input": { "method": "POST", "body": { "phone": "16505550101", "text": "x" } } })).await;
        assert_eq!(handled["result"]["handling"]["answer"]["status"], 202, "{handled}");
        assert_eq!(handled["result"]["handling"]["events"][0]["contact"], "16505550101");
        assert_eq!(shop.api.get("/plugins/trigger/metrics").await["total"]["calls"], 0, "trials are not counted");
        assert_eq!(shop.api.get("/plugins/trigger/logs").await["total"], 0);
    }

    async fn a_trial_calls_out_only_when_it_is_told_to(shop: Workshop) {
        upload(&shop.api, guest("trigger")).await;
        let (port, asked) = serve(std::sync::Arc::new(|_| ok(r#"[{"id": 3, "phone": "1", "text": "a"}]"#))).await;
        let host = format!("127.0.0.1:{port}");
        let path = "/plugins/trigger/versions/0.1.0/try";
        let mut trial = json!({ "trigger": "feed", "config": { "url": format!("http://{host}/feed") }, "bot_id": shop.bot });
        let denied = shop.api.post(path, trial.clone()).await;
        assert!(denied["fault"]["message"].as_str().unwrap().contains("the grant for this bot lacks `http`"), "{denied}");
        shop.grant("trigger", json!({ "http": [{ "host": host, "methods": ["GET"] }] })).await;
        let refused = shop.api.post(path, trial.clone()).await;
        assert!(refused["fault"]["message"].as_str().unwrap().contains("allow_http"), "{refused}");
        assert!(asked.lock().unwrap().is_empty());
        trial["allow_http"] = json!(true);
        let polled = shop.api.post(path, trial).await;
        assert_eq!(polled["result"]["finding"]["cursor"], 3, "{polled}");
        assert_eq!(asked.lock().unwrap().len(), 1);
    }

    async fn what_a_call_is_denied_is_told_with_the_missing_line(shop: Workshop) {
        upload(&shop.api, guest("errands")).await;
        let path = "/plugins/errands/versions/0.1.0/try";
        shop.grant("errands", json!({ "log": false, "clock": false, "random": false })).await;
        for what in ["clock", "random"] {
            let trial = |bot: serde_json::Value| json!({ "node": "whim", "config": { "what": what }, "bot_id": bot });
            let tried = shop.api.post(path, trial(json!(shop.bot))).await;
            let denial = format!("`{what}` may not be used: the grant for this bot lacks `{what}`: true");
            assert_eq!((&tried["failure"]["kind"], &tried["denials"]), (&json!("denied"), &json!([denial])), "{tried}");
            assert_eq!(tried["failure"]["message"], format!("the plugin was stopped: {denial}"));
            assert_eq!(shop.api.post(path, trial(json!(null))).await["denials"], json!([]), "unless somebody objects");
        }
        // A line that is not logged ends nothing, and is told all the same.
        let tried = shop.api.post(path, json!({ "node": "whim", "config": { "what": "panic" }, "bot_id": shop.bot })).await;
        assert_eq!((&tried["failure"]["kind"], &tried["logs"]), (&json!("trapped"), &json!([])), "{tried}");
        assert!(tried["denials"][0].as_str().unwrap().starts_with("`log` may not be used: "), "{tried}");
    }

    async fn what_cannot_be_tried_is_said(shop: Workshop) {
        upload(&shop.api, guest("trigger")).await;
        let (_, bobs, bobs_contact) = shop.other("bob").await;
        let path = "/plugins/trigger/versions/0.1.0/try";
        for (trial, faults) in [
            (json!({}), vec![""]),
            (json!({ "node": "count", "trigger": "feed" }), vec![""]),
            (json!({ "node": "nobody" }), vec!["/node"]),
            (json!({ "trigger": "nobody" }), vec!["/trigger"]),
            (json!({ "node": "count", "cause": { "kind": "whim" } }), vec!["/cause"]),
            (json!({ "trigger": "command", "input": 7 }), vec!["/input"]),
            (json!({ "trigger": "inbox", "input": { "method": 7 } }), vec!["/input/method"]),
            (json!({ "node": "count", "bot_id": bobs, "contact_id": bobs_contact }), vec!["/bot_id", "/contact_id"]),
            (json!({ "node": "count", "bot_id": shop.bot, "contact_id": bobs_contact }), vec!["/contact_id"]),
        ] {
            assert_eq!(shop.api.send(Method::POST, path, Some(&trial)).await.faults(), faults, "{trial}");
        }
        shop.api.send(Method::POST, "/plugins/trigger/versions/9.9.9/try", Some(&json!({ "node": "count" }))).await.problem(404);
    }
}
