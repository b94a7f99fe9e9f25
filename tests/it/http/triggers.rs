//! `/triggers/`

use serde_json::{Value, json};
use tests::{Api, Method, TestApp, TestDatabase, each_database};

async fn keyword(api: &Api, bot: i64, flow: i64, keywords: Value, more: Value) -> Value {
    let mut body =
        json!({ "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": keywords });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    api.post("/triggers/", body).await
}

each_database! {
    async fn a_keyword_trigger_is_made_changed_switched_and_deleted(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let (flow, other) = (ada.flow(bot, "f").await, ada.flow(bot, "g").await);
        // As the specification writes it.
        let made = ada.post("/triggers/", json!({
            "name": "Welcome Trigger", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword",
            "keywords": ["hi", "hello", "hey"], "match_type": "exact", "case_sensitive": false, "priority": 10,
        })).await;
        assert_eq!((&made["trigger_type"], &made["keywords"][2]), (&json!("keyword"), &json!("hey")));
        assert_eq!((&made["priority"], &made["is_active"], &made["interrupt"]), (&json!(10), &json!(true), &json!(false)));
        let path = format!("/triggers/{}", made["id"]);
        assert_eq!(ada.get(&path).await, made);
        let put = ada.put(&path, json!({ "match_type": "contains", "flow_id": other, "interrupt": true })).await;
        assert_eq!((&put["match_type"], &put["flow_id"]), (&json!("contains"), &json!(other)));
        assert_eq!((&put["keywords"], &put["interrupt"]), (&made["keywords"], &json!(true)));
        let put = ada.put(&path, put).await;
        assert_eq!(put["match_type"], "contains");
        assert_eq!(ada.post(&format!("{path}/deactivate"), json!({})).await["is_active"], false);
        assert_eq!(ada.send(Method::POST, &format!("{path}/activate/"), None).await.must_be(200)["is_active"], true);
        assert_eq!(ada.get("/triggers/").await["items"][0]["id"], made["id"]);
        assert_eq!(ada.get(&format!("/triggers/bot/{bot}")).await["total"], 1);
        ada.delete(&path).await;
        ada.send(Method::GET, &path, None).await.problem(404);
    }

    async fn a_trial_explains_who_wins(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        let low = keyword(&ada, bot, flow, json!(["hello"]), json!({ "match_type": "contains" })).await;
        let high = keyword(&ada, bot, flow, json!(["hello there"]), json!({ "priority": 5 })).await;
        let test = async |id: &Value, text: &str| {
            ada.post(&format!("/triggers/{id}/test"), json!({ "test_message": text })).await
        };
        let outcome = test(&high["id"], "Hello there").await;
        assert_eq!((&outcome["matched"], &outcome["would_start_flow"]), (&json!(true), &json!(true)));
        assert_eq!(outcome["matched_keyword"], "hello there");
        assert!(outcome["reason"].is_string());
        assert_eq!(outcome["candidates"][0]["trigger_id"], high["id"]);
        let outcome = test(&low["id"], "Hello there").await;
        assert_eq!((&outcome["matched"], &outcome["would_start_flow"]), (&json!(true), &json!(false)));
        assert_eq!(outcome["candidates"].as_array().unwrap().len(), 2);
        let outcome = test(&low["id"], "goodbye").await;
        assert_eq!((&outcome["matched"], outcome.get("matched_keyword")), (&json!(false), None));
        ada.put(&format!("/bots/{bot}"), json!({ "is_active": false })).await;
        let outcome = test(&high["id"], "Hello there").await;
        assert_eq!((&outcome["matched"], &outcome["would_start_flow"]), (&json!(true), &json!(false)));
        let none = ada.send(Method::POST, &format!("/triggers/{}/test", low["id"]), Some(&json!({}))).await;
        assert_eq!(none.faults(), ["/test_message"]);
    }

    async fn another_users_trigger_is_not_there(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        let trigger = keyword(&ada, bot, flow, json!(["hi"]), json!({})).await;
        let path = format!("/triggers/{}", trigger["id"]);
        for (method, path) in [
            (Method::GET, path.clone()),
            (Method::DELETE, path.clone()),
            (Method::POST, format!("{path}/activate")),
            (Method::POST, format!("{path}/deactivate")),
            (Method::GET, format!("/triggers/bot/{bot}")),
        ] {
            bob.send(method, &path, None).await.problem(404);
        }
        bob.send(Method::PUT, &path, Some(&json!({}))).await.problem(404);
        bob.send(Method::POST, &format!("{path}/test"), Some(&json!({ "test_message": "hi" }))).await.problem(404);
        let own = bob.bot("c").await;
        for (bot, flow) in [(bot, flow), (own, flow)] {
            let body = json!({
                "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": ["hi"],
            });
            bob.send(Method::POST, "/triggers/", Some(&body)).await.problem(404);
        }
        // A flow of another of one's own bots is a mistake, not a secret.
        let second = ada.bot("second").await;
        let body = json!({
            "name": "t", "bot_id": second, "flow_id": flow, "trigger_type": "keyword", "keywords": ["hi"],
        });
        assert_eq!(ada.send(Method::POST, "/triggers/", Some(&body)).await.faults(), ["/flow_id"]);
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let ada = app.api().registered("ada").await;
    let bot = ada.bot("b").await;
    let flow = ada.flow(bot, "f").await;
    let faults = async |body: Value| ada.send(Method::POST, "/triggers/", Some(&body)).await.faults();
    assert_eq!(faults(json!({})).await, ["/bot_id", "/flow_id", "/name", "/trigger_type"]);
    let wrong = json!({
        "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "priority": "high", "is_active": 1,
        "keywords": ["a", ""], "match_type": "fuzzy", "case_sensitive": null,
    });
    assert_eq!(faults(wrong).await, ["/case_sensitive", "/is_active", "/keywords/1", "/match_type", "/priority"]);
    for (keywords, match_type, pointer) in [
        (json!([]), "exact", "/keywords"),
        (json!(["ok", "("]), "regex", "/keywords/1"),
        (json!("hi"), "exact", "/keywords"),
    ] {
        let body = json!({
            "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": keywords,
            "match_type": match_type,
        });
        assert_eq!(faults(body).await, [pointer]);
    }
    let trigger = keyword(&ada, bot, flow, json!(["hi"]), json!({})).await;
    let other = json!({ "trigger_type": "schedule" });
    let put = ada.send(Method::PUT, &format!("/triggers/{}", trigger["id"]), Some(&other)).await;
    assert_eq!(put.faults(), ["/trigger_type"]);
}
