//! `/bots/nodes/`

use serde_json::json;
use tests::{Method, TestApp, TestDatabase, each_database};

each_database! {
    async fn nodes_are_built_one_by_one(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = ada.post("/bots/flows/", json!({ "bot_id": bot, "name": "f" })).await;
        let flow_path = format!("/bots/flows/{}", flow["id"]);
        let node = ada.post("/bots/nodes/", json!({
            "flow_id": flow["id"], "type": "send_message", "key": "hi",
            "config": { "message_type": "text", "content": { "text": "Hello {{contact.first_name}}!" } },
        })).await;
        assert_eq!((&node["position"], &node["flow_id"], &node["key"]), (&json!(0), &flow["id"], &json!("hi")));
        assert_eq!(ada.get(&flow_path).await["version"], 1);
        let end = ada.post("/bots/nodes/", json!({ "flow_id": flow["id"], "type": "end" })).await;
        assert_eq!((&end["position"], &end["config"]), (&json!(1), &json!({})));
        let far = ada.post("/bots/nodes/", json!({ "flow_id": flow["id"], "type": "end", "position": 9 })).await;
        let next = ada.post("/bots/nodes/", json!({ "flow_id": flow["id"], "type": "end" })).await;
        assert_eq!((&far["position"], &next["position"]), (&json!(9), &json!(10)));

        let path = format!("/bots/nodes/{}", node["id"]);
        let mut config = node["config"].clone();
        config["next"] = json!(1);
        let put = ada.put(&path, json!({ "config": config })).await;
        assert_eq!((&put["key"], &put["config"]["next"]), (&json!("hi"), &json!(1)));
        assert_eq!(ada.get(&path).await, put);
        let before = ada.get(&flow_path).await["version"].as_i64().unwrap();
        assert!(before > 1);
        // A reference that leads nowhere is an issue; what ran runs on.
        ada.delete(&format!("/bots/nodes/{}", end["id"])).await;
        let flow = ada.get(&flow_path).await;
        assert_eq!(flow["version"], before);
        assert_eq!(flow["issues"][0]["pointer"], "/nodes/0/config/next");
        assert_eq!(ada.get(&format!("/bots/nodes/?flow_id={}", flow["id"])).await["total"], 3);
        assert_eq!(ada.get("/bots/nodes/").await["items"][0]["id"], node["id"]);
    }

    async fn places_and_keys_are_taken_once(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = ada.post("/bots/flows/", json!({
            "bot_id": bot, "name": "f", "nodes": [{ "type": "end", "key": "a" }, { "type": "end", "key": "b" }],
        })).await;
        for (field, value, word) in [("position", json!(0), "position"), ("key", json!("a"), "key")] {
            let mut body = json!({ "flow_id": flow["id"], "type": "end" });
            body[field] = value.clone();
            let problem = ada.send(Method::POST, "/bots/nodes/", Some(&body)).await.problem(409);
            assert!(problem["detail"].as_str().unwrap().contains(word), "{problem}");
            let path = format!("/bots/nodes/{}", flow["nodes"][1]["id"]);
            ada.send(Method::PUT, &path, Some(&json!({ field: value }))).await.problem(409);
        }
        // In one go they may swap.
        let swapped = json!({ "nodes": [{ "type": "end", "key": "b" }, { "type": "end", "key": "a" }] });
        let put = ada.put(&format!("/bots/flows/{}", flow["id"]), swapped).await;
        assert_eq!(put["nodes"][0]["key"], "b");
    }

    async fn another_users_node_is_not_there(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        let node = ada.get(&format!("/bots/nodes/?flow_id={flow}")).await["items"][0]["id"].clone();
        let path = format!("/bots/nodes/{node}");
        bob.send(Method::GET, &path, None).await.problem(404);
        bob.send(Method::DELETE, &path, None).await.problem(404);
        bob.send(Method::PUT, &path, Some(&json!({}))).await.problem(404);
        bob.send(Method::GET, &format!("/bots/nodes/?flow_id={flow}"), None).await.problem(404);
        let node = json!({ "flow_id": flow, "type": "end" });
        bob.send(Method::POST, "/bots/nodes/", Some(&node)).await.problem(404);
        assert_eq!(bob.get("/bots/nodes/").await["total"], 0);
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let ada = app.api().registered("ada").await;
    let wrong = json!({ "type": 1, "config": [], "position": 1.5, "key": "a\tb", "name": {} });
    let answer = ada.send(Method::POST, "/bots/nodes/", Some(&wrong)).await;
    assert_eq!(answer.faults(), ["/config", "/flow_id", "/key", "/name", "/position", "/type"]);
}
