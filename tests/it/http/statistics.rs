//! `/flows/statistics`, `/triggers/statistics` and `/triggers/{id}/logs`, where nothing has happened yet.

use serde_json::json;
use tests::{Method, TestApp, each_database};

each_database! {
    async fn nothing_has_happened_yet(app: TestApp) {
        let ada = app.api().registered("ada").await;
        assert_eq!(ada.get("/flows/statistics").await["flows"], json!([]));
        assert_eq!(ada.get("/triggers/statistics").await["items"], json!([]));
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        let trigger = ada.post("/triggers/", json!({
            "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": ["hi"],
        })).await;
        let statistics = ada.get(&format!("/flows/statistics/?bot_id={bot}&flow_id={flow}")).await;
        assert_eq!((&statistics["total"], &statistics["by_status"]["running"]), (&json!(0), &json!(0)));
        assert_eq!(statistics["nodes"], json!([{
            "flow_id": flow, "node": 0, "type": "send_message", "key": null, "name": null,
            "entered": 0, "waiting": 0, "failed": 0, "exits": {},
        }]));
        assert_eq!(statistics["flows"][0]["name"], "f");
        let days: Vec<_> = statistics["by_day"].as_array().unwrap().iter().map(|day| day["date"].as_str().unwrap()).collect();
        assert_eq!(days.len(), 30);
        assert!(days.is_sorted() && days[29].len() == 10, "{days:?}");
        let statistics = ada.get(&format!("/triggers/statistics?bot_id={bot}")).await;
        let shown = &statistics["items"][0];
        assert_eq!((&shown["trigger_id"], &shown["trigger_type"], &shown["fires"]), (&trigger["id"], &json!("keyword"), &json!(0)));
        assert_eq!((&shown["last_fired_at"], &statistics["totals"]["starts"]), (&json!(null), &json!(0)));
        assert_eq!(ada.get(&format!("/triggers/{}/logs", trigger["id"])).await["total"], 0);
    }

    async fn another_users_numbers_are_not_there(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        let trigger = ada.post("/triggers/", json!({
            "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": ["hi"],
        })).await;
        for path in [
            format!("/flows/statistics?bot_id={bot}"),
            format!("/flows/statistics?flow_id={flow}"),
            format!("/triggers/statistics?bot_id={bot}"),
            format!("/triggers/{}/logs", trigger["id"]),
        ] {
            bob.send(Method::GET, &path, None).await.problem(404);
        }
        assert_eq!(bob.get("/flows/statistics").await["flows"], json!([]));
        assert_eq!(bob.get("/triggers/statistics").await["total"], 0);
        let second = ada.bot("second").await;
        ada.send(Method::GET, &format!("/flows/statistics?bot_id={second}&flow_id={flow}"), None).await.problem(404);
        assert_eq!(ada.send(Method::GET, "/flows/statistics?bot_id=x&flow_id=y", None).await.faults(), ["/query/bot_id", "/query/flow_id"]);
        assert_eq!(ada.send(Method::GET, "/triggers/statistics?bot_id=x", None).await.faults(), ["/query/bot_id"]);
    }
}
