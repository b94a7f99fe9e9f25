//! `/flows/contacts/`

use serde_json::json;
use tests::{Method, TestApp, TestDatabase, each_database};

each_database! {
    async fn a_contact_is_made_changed_and_deleted(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let made = ada.post("/flows/contacts/", json!({
            "bot_id": bot, "phone": "+1 (650) 555-1234", "name": "Eve Smith", "first_name": "Eve", "email": "eve@example.com",
            "language": "pt-BR", "timezone": "America/Sao_Paulo", "tags": ["vip", "vip", " new "],
            "attributes": { "plan": { "name": "gold" } },
        })).await;
        assert_eq!((&made["phone"], &made["source"]), (&json!("16505551234"), &json!("api")));
        assert_eq!((&made["tags"], &made["attributes"]["plan"]["name"]), (&json!(["vip", "new"]), &json!("gold")));
        let path = format!("/flows/contacts/{}", made["id"]);
        assert_eq!(ada.get(&path).await, made);
        let put = ada.put(&path, json!({ "email": null, "tags": ["x"], "phone": "16505550000" })).await;
        assert_eq!((&put["email"], &put["tags"], &put["first_name"]), (&json!(null), &json!(["x"]), &json!("Eve")));
        assert_eq!(put["phone"], "16505550000");
        assert_eq!(ada.put(&path, put.clone()).await["tags"], json!(["x"]));
        ada.delete(&path).await;
        ada.send(Method::GET, &path, None).await.problem(404);
        ada.send(Method::DELETE, &path, None).await.problem(404);
    }

    async fn one_contact_per_bot_and_phone(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let (one, two) = (ada.bot("one").await, ada.bot("two").await);
        let contact = |bot: i64, phone: &str| json!({ "bot_id": bot, "phone": phone });
        ada.post("/flows/contacts/", contact(one, "1234567890")).await;
        ada.send(Method::POST, "/flows/contacts/", Some(&contact(one, "+1234567890"))).await.problem(409);
        ada.post("/flows/contacts/", contact(two, "1234567890")).await;
        let other = ada.post("/flows/contacts/", contact(one, "US.13491208655302741918")).await;
        assert_eq!((&other["bsuid"], &other["phone"]), (&json!("US.13491208655302741918"), &json!(null)));
        let path = format!("/flows/contacts/{}", other["id"]);
        ada.send(Method::PUT, &path, Some(&json!({ "phone": "1234567890" }))).await.problem(409);
    }

    async fn lists_are_filtered(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let (one, two) = (ada.bot("one").await, ada.bot("two").await);
        for (bot, phone, name, tags) in [
            (one, "15550000001", "Alice 100%", json!(["vip"])),
            (one, "15550000002", "Bob_1", json!(["vip", "a\"b"])),
            (two, "15550000003", "alina", json!([])),
        ] {
            ada.post("/flows/contacts/", json!({ "bot_id": bot, "phone": phone, "name": name, "tags": tags })).await;
        }
        for (query, total) in [
            (String::new(), 3),
            (format!("bot_id={one}"), 2),
            ("tag=vip".into(), 2),
            ("tag=vi".into(), 0),
            ("tag=a%22b".into(), 1),
            ("q=ALI".into(), 2),
            (format!("q=ali&bot_id={two}"), 1),
            ("q=0000002".into(), 1),
            ("q=%25".into(), 1),
            ("q=_".into(), 1),
            ("q=%5C".into(), 0),
            ("q=nobody".into(), 0),
            ("bot_id=&tag=&q=".into(), 3),
        ] {
            assert_eq!(ada.get(&format!("/flows/contacts/?{query}")).await["total"], total, "{query}");
        }
        assert_eq!(bob.get("/flows/contacts/").await["total"], 0);
        bob.send(Method::GET, &format!("/flows/contacts/?bot_id={one}"), None).await.problem(404);
    }

    async fn another_users_contact_is_not_there(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let bot = ada.bot("b").await;
        let contact = json!({ "bot_id": bot, "phone": "1234567890" });
        bob.send(Method::POST, "/flows/contacts/", Some(&contact)).await.problem(404);
        let path = format!("/flows/contacts/{}", ada.post("/flows/contacts/", contact).await["id"]);
        bob.send(Method::GET, &path, None).await.problem(404);
        bob.send(Method::DELETE, &path, None).await.problem(404);
        bob.send(Method::PUT, &path, Some(&json!({ "name": "x" }))).await.problem(404);
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let ada = app.api().registered("ada").await;
    let wrong = json!({
        "bot_id": null, "phone": "bob", "email": "x", "language": "a b", "timezone": "x", "tags": ["a", 1, ""],
        "attributes": [], "source": "",
    });
    let all = ["/attributes", "/bot_id", "/email", "/language", "/phone", "/source", "/tags/1", "/tags/2", "/timezone"];
    assert_eq!(ada.send(Method::POST, "/flows/contacts/", Some(&wrong)).await.faults(), all);
}
