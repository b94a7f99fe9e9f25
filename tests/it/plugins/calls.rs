//! Calls: values, outcomes that are kept, usage, logs, failures.

use domain::plugin::{FailureKind, PluginFault, PluginOutcome};
use serde_json::json;
use server::plugins::{MatchCall, Occurrence, TriggerCall};
use tests::{Method, TestDatabase, each_database, guest};

use super::{Workshop, hello, open, step, upload};

each_database! {
    async fn a_call_that_is_repeated_counts_once(shop: Workshop) {
        let pin = upload(&shop.api, guest("trigger")).await;
        let denied = shop.run(&pin, "count", json!({}), "1-1").await;
        assert!(matches!(denied, PluginOutcome::Fault(_)), "{denied:?}");
        shop.grant("trigger", json!({ "kv": { "contact": true } })).await;
        for (key, visits) in [("1-2", 1), ("1-3", 2), ("1-2", 1), ("1-3", 2), ("1-4", 3)] {
            let step = step(shop.run(&pin, "count", json!({}), key).await);
            assert_eq!(step.actions.variables["state.visits"], visits, "{key}");
            assert_eq!(step.actions.events[0].payload, json!({ "visits": visits }));
        }
        // Another contact, another bot and another user start at 1.
        let second = shop.api.post("/flows/contacts/", json!({ "bot_id": shop.bot, "phone": "16505550102" })).await;
        let second = second["id"].as_i64().unwrap();
        let counted = step(shop.run_for((shop.bot, second), &pin, "count", json!({}), "2-1").await);
        assert_eq!(counted.actions.variables["state.visits"], 1);
        let (bob, bobs, bobs_contact) = shop.other("bob").await;
        upload(&bob, guest("trigger")).await;
        bob.put(&format!("/plugins/trigger/grants/{bobs}"), json!({ "kv": { "contact": true } })).await;
        let counted = step(shop.run_for((bobs, bobs_contact), &pin, "count", json!({}), "1-4").await);
        assert_eq!(counted.actions.variables["state.visits"], 1, "the same key of another bot is another call");

        shop.api.delete(&format!("/plugins/trigger/grants/{}", shop.bot)).await;
        let denied = shop.run(&pin, "count", json!({}), "1-9").await;
        assert!(matches!(denied, PluginOutcome::Fault(_)), "what is taken back is gone at once: {denied:?}");
    }

    async fn calls_at_once_count_each_once(shop: Workshop) {
        let pin = upload(&shop.api, guest("trigger")).await;
        shop.grant("trigger", json!({ "kv": { "contact": true } })).await;
        let keys: Vec<_> = (0..6).map(|n| format!("1-{n}")).collect();
        let calls = keys.iter().map(|key| shop.run(&pin, "count", json!({}), key));
        let mut visits = Vec::new();
        for outcome in futures_util::future::join_all(calls).await {
            visits.push(step(outcome).actions.variables["state.visits"].as_i64().unwrap());
        }
        visits.sort_unstable();
        assert_eq!(visits, [1, 2, 3, 4, 5, 6]);
    }

    async fn what_is_used_and_logged_is_seen(shop: Workshop) {
        let pin = hello(&shop.api).await;
        for n in 0..3 {
            step(shop.run(&pin, "hello", json!({ "greeting": "Hi" }), &format!("1-{n}")).await);
        }
        let fault = shop.run(&pin, "hello", json!({ "greeting": 7 }), "1-7").await;
        assert!(matches!(fault, PluginOutcome::Fault(PluginFault::InvalidConfig { .. })), "{fault:?}");
        let metrics = shop.api.get("/plugins/hello/metrics?days=1").await;
        assert_eq!((&metrics["total"]["calls"], &metrics["total"]["faults"], &metrics["total"]["failures"]), (&json!(4), &json!(1), &json!(0)));
        assert!(metrics["total"]["cpu_ms"].as_f64().unwrap() > 0.0 && metrics["total"]["memory_peak_bytes"].as_i64().unwrap() > 0);
        assert_eq!((&metrics["by_version"][0]["version"], &metrics["by_bot"][0]["bot_id"]), (&json!("0.1.0"), &json!(shop.bot)));
        assert_eq!(shop.api.send(Method::GET, "/plugins/hello/metrics?days=0", None).await.faults(), ["/query/days"]);
        let logs = shop.api.get("/plugins/hello/logs").await;
        let line = &logs["items"][0];
        assert_eq!((&logs["total"], &line["source"], &line["level"]), (&json!(1), &json!("plugin"), &json!("warn")));
        assert_eq!((&line["call_id"], &line["fields"]["fault"]["kind"]), (&json!("1-7"), &json!("invalid_config")));
        let text = shop.api.send(Method::GET, "/metrics", None).await.text;
        assert!(text.contains("chatboost_plugin_calls_total{plugin=\"hello\",version=\"0.1.0\"} 4\n"), "{text}");
    }

    async fn matchers_are_asked_in_their_newest_version(shop: Workshop) {
        upload(&shop.api, guest("trigger")).await;
        let plugins = &shop.app.running().app().plugins;
        let ask = async |text: &str| {
            let trigger = TriggerCall {
                plugin: "trigger".into(), trigger_type: "command".into(), config: json!({ "word": "order" }),
                context: json!({}), contact: None, idempotency_key: "m-1".into(),
            };
            let occurrence = Occurrence::Message(json!({ "type": "text", "text": text }));
            plugins.matches(domain::BotId(shop.bot), MatchCall { trigger, occurrence }).await
        };
        let found = ask("/order 7").await.unwrap().unwrap();
        assert_eq!((found.score, &found.extracted["argument"]), (1.0, &json!("7")));
        assert_eq!(ask("hello").await.unwrap(), None);
        shop.api.post("/plugins/trigger/versions/0.1.0/disable", json!({})).await;
        assert!(ask("/order 7").await.unwrap_err().message().contains("switched off"));
        shop.api.post("/plugins/trigger/versions/0.1.0/enable", json!({})).await;
        assert!(ask("/order 7").await.unwrap().is_some());
    }
}

/// A component that panics in its node, with another's config.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_host_stops_is_a_failure_and_its_insides_are_the_owners() {
    let shop = Workshop::with(TestDatabase::sqlite(), |config| {
        open(config);
        config.plugins.limits.output_bytes = 2_000;
    })
    .await;
    let pin = hello(&shop.api).await;
    let long = json!({ "greeting": "x".repeat(10_000) });
    let outcome = shop.run(&pin, "hello", long.clone(), "1-1").await;
    let PluginOutcome::Failure(failure) = outcome else { panic!("{outcome:?}") };
    assert_eq!(failure.kind, FailureKind::InvalidOutput);
    step(shop.run(&pin, "hello", json!({ "greeting": "Hi" }), "1-2").await);
    let logs = shop.api.get("/plugins/hello/logs").await;
    let line = &logs["items"][0];
    assert_eq!(
        (&line["source"], &line["level"], &line["fields"]["kind"]),
        (&json!("host"), &json!("error"), &json!("invalid_output"))
    );
    assert_eq!(shop.api.get("/plugins/hello/metrics").await["total"]["failures"], 1);

    // After many failures in a row the plugin is left alone, for this user; others go on.
    shop.api.post("/plugins/hello/share", json!({})).await;
    let (_, bobs, bobs_contact) = shop.other("bob").await;
    let mut kinds = Vec::new();
    for n in 0..12 {
        let outcome = shop.run(&pin, "hello", long.clone(), &format!("2-{n}")).await;
        let PluginOutcome::Failure(failure) = outcome else { panic!("{outcome:?}") };
        kinds.push(failure.kind);
    }
    assert_eq!(kinds.last(), Some(&FailureKind::CircuitOpen));
    step(shop.run_for((bobs, bobs_contact), &pin, "hello", json!({ "greeting": "Hi" }), "3-1").await);
    shop.app.advance(std::time::Duration::from_secs(60));
    step(shop.run(&pin, "hello", json!({ "greeting": "Hi" }), "4-1").await);
}
