//! What bots' owners allow, and the secrets that they lend.

use serde_json::json;
use tests::{Method, each_database, guest};

use super::{Workshop, hello, upload};

each_database! {
    async fn a_grant_is_checked_against_what_the_plugin_asks_for(shop: Workshop) {
        upload(&shop.api, guest("http-node")).await;
        let path = format!("/plugins/http-node/grants/{}", shop.bot);
        let none = shop.api.get(&path).await;
        assert_eq!((&none["is_set"], &none["allowed"]["log"], &none["in_force"]["http"]), (&json!(false), &json!(true), &json!([])));
        let missing: Vec<_> = none["missing"].as_array().unwrap().iter().map(|line| line.as_str().unwrap()).collect();
        assert!(missing.iter().any(|line| line.starts_with("`http`: {\"host\":\"quotes.example.com\"")), "{missing:?}");
        assert!(missing.iter().any(|line| line.starts_with("`secrets`: {") && line.contains("QUOTES_KEY")), "{missing:?}");

        let faulty = shop.api.send(Method::PUT, &path, Some(&json!({
            "http": [{ "host": "*" }, { "host": "evil.test" }, { "host": "quotes.example.com", "methods": ["post"] }, { "host": "a/b" }],
            "kv": { "bot": true, "galaxy": true }, "secrets": [{ "name": "OTHER", "hosts": ["*"] }], "config": { "x": 1 }, "log": "yes",
        }))).await;
        assert_eq!(faulty.faults(), [
            "/config/x", "/http/0/host", "/http/1", "/http/2/methods/0", "/http/3/host", "/kv/bot", "/kv/galaxy", "/log",
            "/secrets/0/hosts/0", "/secrets/0/name",
        ]);
        assert!(faulty.text.contains("capabilities.secrets"), "{}", faulty.text);

        let granted = shop.api.put(&path, json!({
            "http": [{ "host": "quotes.example.com", "methods": ["POST"], "path_prefixes": ["/v1"] }],
            "secrets": [{ "name": "QUOTES_KEY", "hosts": ["quotes.example.com"] }],
        })).await;
        assert_eq!((&granted["missing"], &granted["refused_by_operator"]), (&json!([]), &json!([])));
        assert_eq!(granted["in_force"]["http"][0]["host"], "quotes.example.com");
        assert_eq!(shop.api.get(&path).await, granted);
        shop.api.delete(&path).await;
        assert_eq!(shop.api.get(&path).await, none);
        shop.api.send(Method::DELETE, &path, None).await.problem(404);
    }

    async fn secrets_are_written_and_never_read(shop: Workshop) {
        let pin = upload(&shop.api, guest("http-node")).await;
        let path = format!("/plugins/http-node/secrets/{}", shop.bot);
        let one = format!("{path}/QUOTES_KEY");
        assert_eq!(shop.api.send(Method::PUT, &one, Some(&json!({}))).await.faults(), ["/value"]);
        assert_eq!(shop.api.send(Method::PUT, &format!("{path}/OTHER"), Some(&json!({ "value": "x" }))).await.faults(), ["/path/secret"]);
        let answer = shop.api.send(Method::PUT, &one, Some(&json!({ "value": "hunter2" }))).await;
        assert_eq!((answer.status, answer.text.as_str()), (204, ""));
        let listed = shop.api.send(Method::GET, &path, None).await;
        assert_eq!(listed.must_be(200)[0]["name"], "QUOTES_KEY");
        assert!(!listed.text.contains("hunter2"));
        let mut tx = shop.app.db().read().await.unwrap();
        let plugin = tx.plugin(domain::UserId(1), &pin.name).await.unwrap().unwrap();
        let stored = tx.plugin_secrets(plugin.id, domain::BotId(shop.bot)).await.unwrap();
        assert!(stored[0].sealed.starts_with("v1:") && !stored[0].sealed.contains("hunter2"));
        tx.commit().await.unwrap();
        shop.api.delete(&one).await;
        shop.api.send(Method::DELETE, &one, None).await.problem(404);
        shop.api.delete(&path).await;
        assert_eq!(shop.api.get(&path).await, json!([]));
    }

    async fn what_is_anothers_is_not_there(shop: Workshop) {
        let pin = hello(&shop.api).await;
        let (bob, bobs, _) = shop.other("bob").await;
        for (method, path) in [
            (Method::GET, "/plugins/hello".to_owned()),
            (Method::DELETE, "/plugins/hello".to_owned()),
            (Method::GET, "/plugins/hello/versions/0.1.0".to_owned()),
            (Method::POST, "/plugins/hello/versions/0.1.0/disable".to_owned()),
            (Method::DELETE, "/plugins/hello/versions/0.1.0".to_owned()),
            (Method::GET, "/plugins/hello/logs".to_owned()),
            (Method::GET, "/plugins/hello/metrics".to_owned()),
            (Method::GET, format!("/plugins/hello/grants/{bobs}")),
            (Method::GET, format!("/plugins/hello/secrets/{bobs}")),
        ] {
            bob.send(method, &path, None).await.problem(404);
        }
        // Neither is another's bot, also with a plugin of one's own.
        hello(&bob).await;
        for path in [format!("/plugins/hello/grants/{}", shop.bot), format!("/plugins/hello/secrets/{}", shop.bot)] {
            bob.send(Method::GET, &path, None).await.problem(404);
        }
        bob.send(Method::PUT, &format!("/plugins/hello/grants/{}", shop.bot), Some(&json!({}))).await.problem(404);
        // Nor does another's code run for one's bot.
        bob.delete("/plugins/hello").await;
        let outcome = shop.run_for((bobs, 1), &pin, "hello", json!({ "greeting": "Hi" }), "1-1").await;
        let domain::plugin::PluginOutcome::Failure(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.kind, domain::plugin::FailureKind::Unavailable);
        for path in ["/plugins/%00", "/plugins/nobody", "/plugins/hello/versions/9.9.9"] {
            shop.api.send(Method::GET, path, None).await.problem(404);
        }
        assert_eq!(shop.api.send(Method::GET, "/plugins/hello/grants/x", None).await.faults(), ["/path/bot_id"]);
    }

    async fn an_admin_shares_a_plugin_and_sets_what_it_may_use(shop: Workshop) {
        let (bob, bobs, bobs_contact) = shop.other("bob").await;
        let pin = hello(&bob).await;
        bob.send(Method::POST, "/plugins/hello/share", None).await.problem(403);
        bob.send(Method::PUT, "/plugins/hello/limits", Some(&json!({}))).await.problem(403);
        shop.api.send(Method::POST, "/plugins/hello/share", None).await.problem(404);
        let shared = shop.api.post("/plugins/hello/share?owner_id=2", json!({})).await;
        assert_eq!((&shared["is_shared"], &shared["is_own"]), (&json!(true), &json!(false)));
        assert_eq!(shop.api.get("/plugins").await["total"], 1);
        shop.api.send(Method::DELETE, "/plugins/hello", None).await.problem(403);
        shop.api.send(Method::POST, "/plugins/hello/versions/0.1.0/disable", None).await.problem(403);
        super::step(shop.run(&pin, "hello", json!({ "greeting": "Hi" }), "1-1").await);
        super::step(shop.run_for((bobs, bobs_contact), &pin, "hello", json!({ "greeting": "Hi" }), "1-2").await);

        let limits = "/plugins/hello/limits?owner_id=2";
        let faulty = shop.api.send(Method::PUT, limits, Some(&json!({ "cpu_ms": 99_999_999, "log_lines": 0 }))).await;
        assert_eq!(faulty.faults(), ["/cpu_ms", "/log_lines"]);
        assert_eq!(shop.api.put(limits, json!({ "cpu_ms": 7 })).await["cpu_ms"], 7);
        assert_eq!(bob.get("/plugins/hello").await["limits"]["cpu_ms"], 7);
        shop.api.put(limits, json!({})).await;
        assert_ne!(bob.get("/plugins/hello").await["limits"]["cpu_ms"], 7);

        // The owner sees that it failed for others, and what others used, but not who they are.
        let metrics = bob.get("/plugins/hello/metrics").await;
        assert_eq!((&metrics["total"]["calls"], &metrics["by_bot"][0]["bot_id"]), (&json!(2), &json!(null)));
        assert_eq!(metrics["by_bot"][1]["bot_id"], bobs);
        assert_eq!(shop.api.get("/plugins/hello/metrics").await["total"]["calls"], 1);
        let mine = hello(&shop.api).await;
        assert_eq!(mine.digest, pin.digest);
        let conflict = shop.api.send(Method::POST, "/plugins/hello/share", None).await;
        conflict.problem(409);
        shop.api.post("/plugins/hello/unshare?owner_id=2", json!({})).await;
        shop.api.post("/plugins/hello/share", json!({})).await;
    }
}
