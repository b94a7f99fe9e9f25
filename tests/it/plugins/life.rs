//! Versions in use, switched off, deleted.

use domain::plugin::{FailureKind, PluginOutcome};
use serde_json::{Value, json};
use tests::{Method, each_database, guest_version};

use super::{Workshop, hello, step, upload};

fn hi() -> Value {
    json!({ "greeting": "Hi" })
}

async fn flow(shop: &Workshop, name: &str) -> Value {
    let node = json!({ "type": "hello/hello", "config": { "greeting": "Hi" } });
    shop.api.post("/bots/flows/", json!({ "bot_id": shop.bot, "name": name, "nodes": [node] })).await
}

each_database! {
    async fn what_is_needed_is_not_deleted(shop: Workshop) {
        hello(&shop.api).await;
        let flow = flow(&shop, "greets").await;
        for path in ["/plugins/hello", "/plugins/hello/versions/0.1.0"] {
            let problem = shop.api.send(Method::DELETE, path, None).await.problem(409);
            let needed = problem["needed_by"].as_array().unwrap();
            assert!(needed.iter().any(|one| one["kind"] == "draft" && one["name"] == "greets" && one["id"] == flow["id"]), "{problem}");
            assert!(needed.iter().any(|one| one["kind"] == "flow" && one["id"] == flow["id"]), "{problem}");
            assert_eq!(problem["needed_by_others"], 0);
        }
        let newer = upload(&shop.api, guest_version("hello", "0.2.0")).await;
        let problem = shop.api.send(Method::DELETE, "/plugins/hello/versions/0.1.0", None).await.problem(409);
        assert_eq!(problem["needed_by"].as_array().unwrap().len(), 1, "the flow that runs it, not the draft: {problem}");
        shop.api.post(&format!("/bots/flows/{}/publish", flow["id"]), json!({})).await;
        shop.api.delete("/plugins/hello/versions/0.1.0").await;
        let left = shop.api.get("/plugins/hello").await;
        assert_eq!((left["versions"].as_array().unwrap().len(), &left["newest"]), (1, &json!(newer.version)));
        shop.api.delete(&format!("/bots/flows/{}", flow["id"])).await;
        shop.api.delete("/plugins/hello/versions/0.2.0").await;
        shop.api.send(Method::GET, "/plugins/hello", None).await.problem(404);
        let outcome = shop.run(&newer, "hello", hi(), "1-1").await;
        let PluginOutcome::Failure(failure) = outcome else { panic!("{outcome:?}") };
        assert_eq!(failure.kind, FailureKind::Unavailable);
    }

    async fn each_version_runs_until_it_is_switched_off(shop: Workshop) {
        let old = hello(&shop.api).await;
        let new = upload(&shop.api, guest_version("hello", "0.2.0")).await;
        assert_ne!(old.digest, new.digest);
        step(shop.run(&old, "hello", hi(), "1-1").await);
        step(shop.run(&new, "hello", hi(), "1-2").await);
        let off = shop.api.post("/plugins/hello/versions/0.2.0/disable", json!({})).await;
        assert_eq!((&off["is_enabled"], &shop.api.get("/plugins/hello").await["newest"]), (&json!(false), &json!("0.1.0")));
        step(shop.run(&old, "hello", hi(), "1-3").await);
        let outcome = shop.run(&new, "hello", hi(), "1-4").await;
        let PluginOutcome::Failure(failure) = outcome else { panic!("{outcome:?}") };
        assert!(failure.kind == FailureKind::Unavailable && failure.message.contains("switched off"), "{failure:?}");
        shop.api.send(Method::POST, "/plugins/hello/versions/9.9.9/enable", None).await.problem(404);
        shop.api.post("/plugins/hello/versions/0.2.0/enable", json!({})).await;
        step(shop.run(&new, "hello", hi(), "1-5").await);
    }

    async fn what_a_deleted_bot_leaves_behind_goes_too(shop: Workshop) {
        let pin = upload(&shop.api, tests::guest("trigger")).await;
        shop.grant("trigger", json!({ "kv": { "contact": true } })).await;
        step(shop.run(&pin, "count", json!({}), "1-1").await);
        assert_eq!(shop.api.get("/plugins/trigger/metrics").await["total"]["calls"], 1);
        shop.api.delete(&format!("/bots/{}", shop.bot)).await;
        let outcome = shop.run(&pin, "count", json!({}), "1-2").await;
        assert!(matches!(outcome, PluginOutcome::Failure(_)), "{outcome:?}");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
        while shop.api.get("/plugins/trigger/metrics").await["total"]["calls"] != 0 {
            assert!(std::time::Instant::now() < deadline, "usage of a deleted bot stays");
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        shop.api.delete("/plugins/trigger").await;
    }
}
