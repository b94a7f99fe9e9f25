//! `/auth`

use std::time::Duration;

use serde_json::json;
use tests::{Method, TestApp, TestDatabase, each_database};

each_database! {
    async fn the_first_user_is_admin_and_later_ones_are_not(app: TestApp) {
        let api = app.api();
        let user = |name: &str| json!({
            "username": name, "email": format!("{name}@example.com"), "password": "correct horse", "full_name": "A B",
        });
        let ada = api.post("/auth/register", user("Ada")).await;
        assert_eq!((&ada["role"], &ada["username"], &ada["is_active"]), (&json!("admin"), &json!("Ada"), &json!(true)));
        assert_eq!((&ada["email"], &ada["full_name"]), (&json!("Ada@example.com"), &json!("A B")));
        assert!(ada["id"].is_i64() && ada["created_at"].as_str().unwrap().ends_with('Z'), "{ada}");
        assert!(!ada.to_string().contains("argon2"), "{ada}");
        assert_eq!(api.post("/auth/register", user("bob")).await["role"], "user");

        let (ada, bob) = (api.logged_in("ada").await, api.logged_in("bob").await);
        let users = ada.get("/auth/users").await;
        assert_eq!(users["total"], 2);
        assert_eq!(users["items"][1]["username"], "bob");
        assert_eq!(bob.send(Method::GET, "/auth/users", None).await.problem(403)["type"], "/problems/forbidden");
        assert_eq!(bob.get("/auth/me").await["username"], "bob");
    }

    async fn only_one_of_many_at_once_becomes_admin(app: TestApp) {
        let registering = (0..8).map(|n| {
            let api = app.api();
            tokio::spawn(async move { api.registered(&format!("user{n}")).await })
        });
        for one in registering.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        let mut tx = app.db().read().await.unwrap();
        let users = tx.users(100, 0).await.unwrap();
        assert_eq!(users.items.iter().filter(|user| user.role == storage::Role::Admin).count(), 1);
        assert_eq!(users.total, 8);
    }

    async fn names_and_addresses_are_taken_without_regard_to_case(app: TestApp) {
        let api = app.api();
        api.registered("ada").await;
        let user = |name: &str, email: &str| json!({ "username": name, "email": email, "password": "correct horse" });
        for (name, email, word) in [("ADA", "x@example.com", "user name"), ("eve", "ADA@Example.com", "e-mail")] {
            let problem = api.send(Method::POST, "/auth/register", Some(&user(name, email))).await.problem(409);
            assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
        }
    }

    async fn one_logs_in_by_name_or_address_by_form_or_json(app: TestApp) {
        let api = app.api();
        api.registered("ada").await;
        for login in ["ada", "Ada", "ada@example.com"] {
            let answer = api.post("/auth/token", json!({ "username": login, "password": "correct horse" })).await;
            assert_eq!((&answer["token_type"], &answer["expires_in"]), (&json!("bearer"), &json!(1800)));
            let form = format!("grant_type=password&username={}&password=correct+horse&scope=", login.replace('@', "%40"));
            let form = ("application/x-www-form-urlencoded", form.into_bytes());
            let answer = api.send_raw(Method::POST, "/auth/token", Some(form)).await;
            assert_eq!(answer.header("cache-control"), "no-store");
            let token = answer.must_be(200)["access_token"].as_str().unwrap().to_owned();
            assert_eq!(api.with_token(&token).get("/auth/me").await["username"], "ada");
        }
        for (name, password) in [("ada", "wrong horse"), ("nobody", "correct horse")] {
            let login = json!({ "username": name, "password": password });
            let answer = api.send(Method::POST, "/auth/token", Some(&login)).await;
            answer.problem(401);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }

    async fn api_keys_work_until_they_are_taken_away(app: TestApp) {
        let api = app.api();
        let (ada, bob) = (api.registered("ada").await, api.registered("bob").await);
        let made = ada.post("/auth/api-keys", json!({ "name": "ci" })).await;
        let (id, key) = (made["id"].as_i64().unwrap(), made["key"].as_str().unwrap());
        assert!(key.starts_with("cb_") && key.len() > 40 && made["expires_at"].is_null(), "{made}");
        let by_key = api.with_token(key);
        assert_eq!(by_key.get("/auth/me").await["username"], "ada");

        let keys = ada.get("/auth/api-keys").await;
        assert_eq!(keys["items"][0]["name"], "ci");
        assert!(key.starts_with(keys["items"][0]["prefix"].as_str().unwrap()));
        assert!(!keys.to_string().contains(&key[12..]));
        assert_eq!(bob.get("/auth/api-keys").await["total"], 0);

        bob.send(Method::DELETE, &format!("/auth/api-keys/{id}"), None).await.problem(404);
        ada.delete(&format!("/auth/api-keys/{id}")).await;
        ada.send(Method::DELETE, &format!("/auth/api-keys/{id}"), None).await.problem(404);
        by_key.send(Method::GET, "/auth/me", None).await.problem(401);
    }

    async fn who_is_switched_off_or_gone_is_refused(app: TestApp) {
        let api = app.api();
        let ada = api.registered("ada").await;
        let key = ada.post("/auth/api-keys", json!({ "name": "k" })).await["key"].as_str().unwrap().to_owned();
        let id = domain::UserId(ada.get("/auth/me").await["id"].as_i64().unwrap());
        let mut tx = app.db().begin().await.unwrap();
        assert!(tx.set_user_active(id, false).await.unwrap());
        tx.commit().await.unwrap();
        ada.send(Method::GET, "/auth/me", None).await.problem(401);
        api.with_token(&key).send(Method::GET, "/auth/me", None).await.problem(401);
        let login = json!({ "username": "ada", "password": "correct horse" });
        api.send(Method::POST, "/auth/token", Some(&login)).await.problem(401);
    }
}

#[tokio::test]
async fn every_fault_of_a_registration_is_named() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let api = app.api();
    let faults = async |body| api.send(Method::POST, "/auth/register", Some(&body)).await.faults();
    assert_eq!(faults(json!({})).await, ["/email", "/password", "/username"]);
    let wrong = json!({ "username": "a b", "email": "nobody", "password": "short", "full_name": 7 });
    assert_eq!(faults(wrong).await, ["/email", "/full_name", "/password", "/username"]);
    let wrong = json!({ "username": "a@b", "email": "a@b\u{7}", "password": null, "full_name": "x".repeat(201) });
    assert_eq!(faults(wrong).await, ["/email", "/full_name", "/password", "/username"]);
    let login = json!({ "username": 1, "grant_type": "client_credentials" });
    assert_eq!(
        api.send(Method::POST, "/auth/token", Some(&login)).await.faults(),
        ["/grant_type", "/password", "/username"]
    );
}

#[tokio::test]
async fn other_headers_are_no_credentials() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let api = app.api();
    for token in ["", "x", "cb_", "cb_x", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."] {
        api.with_token(token).send(Method::GET, "/auth/me", None).await.problem(401);
    }
}

#[tokio::test]
async fn tokens_and_keys_end_in_time() {
    let app = TestApp::with_test_clock(TestDatabase::sqlite(), |_| {}).await;
    let api = app.api();
    let ada = api.registered("ada").await;
    let ends = app.clock().now() + Duration::from_secs(60);
    let key = ada.post("/auth/api-keys", json!({ "name": "k", "expires_at": ends })).await;
    assert_eq!(key["expires_at"], json!(ends));
    let by_key = api.with_token(key["key"].as_str().unwrap());
    by_key.get("/auth/me").await;
    app.advance(Duration::from_secs(60));
    by_key.send(Method::GET, "/auth/me", None).await.problem(401);
    ada.get("/auth/me").await;
    app.advance(Duration::from_secs(29 * 60));
    ada.send(Method::GET, "/auth/me", None).await.problem(401);
    let ada = api.logged_in("ada").await;
    let past = json!({ "name": "", "expires_at": "2001-01-01T00:00:00Z" });
    assert_eq!(ada.send(Method::POST, "/auth/api-keys", Some(&past)).await.faults(), ["/expires_at", "/name"]);
}

#[tokio::test]
async fn closed_registration_lets_only_the_first_in() {
    let app = TestApp::with(TestDatabase::sqlite(), |config| config.auth.registration_open = false).await;
    app.api().registered("ada").await;
    let bob = json!({ "username": "bob", "email": "bob@example.com", "password": "correct horse" });
    app.api().send(Method::POST, "/auth/register", Some(&bob)).await.problem(403);
}
