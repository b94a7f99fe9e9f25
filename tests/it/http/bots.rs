//! `/bots/`

use serde_json::json;
use tests::{Method, TestApp, TestDatabase, each_database};

each_database! {
    async fn a_bot_is_made_changed_and_deleted(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let made = ada.post("/bots/", json!({
            "name": " My Bot ", "description": "A WhatsApp bot", "is_whatsapp_enabled": true, "timezone": "Europe/Berlin",
            "whatsapp_access_token": "s3cret-token", "whatsapp_phone_number_id": "1001",
            "whatsapp_business_account_id": "2002", "whatsapp_app_secret": "s3cret-app", "whatsapp_verify_token": "s3cret-v",
        })).await;
        let path = format!("/bots/{}", made["id"]);
        assert_eq!(made["name"], "My Bot");
        assert_eq!(made["whatsapp_phone_number_id"], "1001");
        assert_eq!(made["timezone"], "Europe/Berlin");
        for secret in ["whatsapp_access_token", "whatsapp_app_secret", "whatsapp_verify_token"] {
            assert_eq!(made[format!("has_{secret}")], true);
            assert!(made.get(secret).is_none());
        }
        assert!(!made.to_string().contains("s3cret"));
        assert_eq!(ada.get(&path).await, made);

        // What is absent stays, null clears.
        let put = ada.put(&path, json!({ "description": null, "whatsapp_app_secret": null })).await;
        assert_eq!((&put["name"], &put["description"]), (&json!("My Bot"), &json!(null)));
        assert_eq!((&put["has_whatsapp_app_secret"], &put["has_whatsapp_access_token"]), (&json!(false), &json!(true)));
        // What was read can be sent back.
        let put = ada.put(&path, put).await;
        assert_eq!(put["has_whatsapp_access_token"], true);

        ada.delete(&path).await;
        ada.send(Method::GET, &path, None).await.problem(404);
        ada.send(Method::DELETE, &path, None).await.problem(404);
    }

    async fn secrets_are_sealed_at_rest(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.post("/bots/", json!({ "name": "b", "whatsapp_access_token": "s3cret" })).await;
        let id = domain::BotId(bot["id"].as_i64().unwrap());
        let stored = app.db().read().await.unwrap().bot_runtimes(&[id]).await.unwrap().remove(0);
        let sealed = stored.whatsapp_access_token.unwrap();
        assert!(sealed.starts_with("v1:") && !sealed.contains("s3cret"));
        let opened = app.running().app().secrets.unseal(id, "whatsapp_access_token", &sealed).unwrap();
        assert_eq!(opened.reveal(), "s3cret");
    }

    async fn another_users_bot_is_not_there(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let path = format!("/bots/{}", bob.bot("b").await);
        // Ada is the admin; that makes no difference.
        for (method, body) in [(Method::GET, None), (Method::PUT, Some(json!({ "name": "mine" }))), (Method::DELETE, None)] {
            ada.send(method, &path, body.as_ref()).await.problem(404);
        }
        assert_eq!(ada.get("/bots/").await["total"], 0);
        assert_eq!(bob.get(&path).await["name"], "b");
    }

    async fn a_number_belongs_to_one_bot(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let body = json!({ "name": "a", "whatsapp_phone_number_id": "1001" });
        ada.post("/bots/", body.clone()).await;
        let problem = bob.send(Method::POST, "/bots/", Some(&body)).await.problem(409);
        assert!(problem["detail"].as_str().unwrap().contains("whatsapp_phone_number_id"));
        let other = bob.bot("b").await;
        bob.send(Method::PUT, &format!("/bots/{other}"), Some(&body)).await.problem(409);
        // Having none is no conflict.
        bob.post("/bots/", json!({ "name": "c", "whatsapp_phone_number_id": "" })).await;
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let ada = app.api().registered("ada").await;
    let wrong = json!({
        "name": 7, "description": ["x"], "is_whatsapp_enabled": "yes", "timezone": "Mars/Olympus", "is_active": 1,
        "whatsapp_phone_number_id": 1001, "whatsapp_access_token": "a\nb",
    });
    let all = [
        "/description",
        "/is_active",
        "/is_whatsapp_enabled",
        "/name",
        "/timezone",
        "/whatsapp_access_token",
        "/whatsapp_phone_number_id",
    ];
    assert_eq!(ada.send(Method::POST, "/bots/", Some(&wrong)).await.faults(), all);
    let bot = ada.bot("b").await;
    assert_eq!(ada.send(Method::PUT, &format!("/bots/{bot}"), Some(&wrong)).await.faults(), all);
    for name in [json!(""), json!("  "), json!(null), json!("x".repeat(201)), json!("a\u{1b}b")] {
        let body = json!({ "name": name });
        assert_eq!(ada.send(Method::POST, "/bots/", Some(&body)).await.faults(), ["/name"], "{name}");
    }
    assert_eq!(ada.send(Method::POST, "/bots/", Some(&json!({}))).await.faults(), ["/name"]);
    assert_eq!(ada.get("/bots/").await["total"], 1);
}
