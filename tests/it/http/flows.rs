//! `/bots/flows/`

use serde_json::{Value, json};
use tests::{Method, TestApp, TestDatabase, each_database};

fn says(text: &str) -> Value {
    json!({ "type": "send_message", "config": { "message_type": "text", "content": { "text": text } } })
}

each_database! {
    async fn what_whatsapp_would_refuse_is_not_published(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let button = |title: &str| json!({ "type": "reply", "reply": { "id": "x", "title": title } });
        let ask = |title: &str| json!([{ "type": "ask", "config": {
            "message_type": "interactive", "store_in": "state.a", "content": {
                "type": "button", "body": { "text": "?" }, "action": { "buttons": [button(title)] } } } }]);
        let flow = json!({ "bot_id": bot, "name": "f", "nodes": ask("Short") });
        let path = format!("/bots/flows/{}", ada.post("/bots/flows/", flow).await["id"]);
        let saved = ada.put(&path, json!({ "nodes": ask("more than twenty characters") })).await;
        let pointer = "/nodes/0/config/content/action/buttons/0/reply/title";
        let issue = &saved["issues"][0];
        assert_eq!((&issue["code"], &issue["severity"]), (&json!("limit_exceeded"), &json!("error")), "{saved}");
        assert_eq!((&issue["pointer"], &issue["node"]), (&json!(pointer), &json!(0)));
        // What was published before runs on.
        assert_eq!(saved["version"], 1);
        assert_eq!(ada.get(&path).await["issues"], saved["issues"]);
        let verdict = ada.post(&format!("{path}/validate"), json!({})).await;
        assert_eq!((&verdict["valid"], &verdict["issues"]), (&json!(false), &saved["issues"]));
        assert_eq!(ada.send(Method::POST, &format!("{path}/publish"), None).await.faults(), [pointer]);
        let saved = ada.put(&path, json!({ "nodes": ask("{{ state.title_of_the_only_button }}") })).await;
        assert_eq!((&saved["issues"], &saved["version"]), (&json!([]), &json!(2)));
    }

    async fn a_flow_is_published_as_it_is_saved(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = ada.post("/bots/flows/", json!({
            "bot_id": bot, "name": "hello", "nodes": [
                { "type": "send_message", "key": "hi", "name": "Greeting", "ui": { "x": 1 },
                  "config": { "message_type": "text", "content": { "text": "Hello" }, "next": 1 } },
                { "type": "end", "config": {} },
            ],
        })).await;
        let path = format!("/bots/flows/{}", flow["id"]);
        assert_eq!((&flow["version"], &flow["auto_publish"]), (&json!(1), &json!(true)));
        assert_eq!((&flow["issues"], &flow["bot_id"]), (&json!([]), &json!(bot)));
        let nodes = flow["nodes"].as_array().unwrap();
        assert_eq!((&nodes[0]["key"], &nodes[0]["ui"], &nodes[1]["position"]), (&json!("hi"), &json!({"x": 1}), &json!(1)));
        assert_eq!(ada.get(&path).await, flow);

        // The same again, or only another name, is no new version.
        let same = ada.put(&path, flow.clone()).await;
        assert_eq!((&same["version"], &same["nodes"][0]["id"]), (&json!(1), &nodes[0]["id"]));
        assert_eq!(ada.put(&path, json!({ "name": "hallo" })).await["version"], 1);
        let put = ada.put(&path, json!({ "nodes": [says("Hallo")] })).await;
        assert_eq!((&put["version"], &put["name"], put["nodes"].as_array().unwrap().len()), (&json!(2), &json!("hallo"), 1));
        // What stays at its place keeps its id.
        assert_eq!(put["nodes"][0]["id"], nodes[0]["id"]);

        let versions = ada.get(&format!("{path}/versions")).await;
        assert_eq!(versions["total"], 2);
        assert_eq!((&versions["items"][0]["version"], &versions["items"][0]["is_current"]), (&json!(2), &json!(true)));
        assert_eq!(versions["items"][1]["is_current"], false);
        ada.delete(&path).await;
        ada.send(Method::GET, &path, None).await.problem(404);
    }

    async fn a_half_built_flow_is_saved_and_what_ran_runs_on(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let mut broken = says("Hello");
        broken["config"]["next"] = json!(7);
        let flow = ada.post("/bots/flows/", json!({ "bot_id": bot, "name": "f", "nodes": [broken] })).await;
        let path = format!("/bots/flows/{}", flow["id"]);
        assert_eq!(flow["version"], json!(null));
        let issue = &flow["issues"][0];
        assert_eq!((&issue["severity"], &issue["pointer"]), (&json!("error"), &json!("/nodes/0/config/next")));
        assert!(issue["code"].is_string() && issue["detail"].is_string() && issue["node"] == 0, "{issue}");
        let verdict = ada.post(&format!("{path}/validate"), json!({})).await;
        assert_eq!((&verdict["valid"], &verdict["issues"]), (&json!(false), &flow["issues"]));
        let refused = ada.send(Method::POST, &format!("{path}/publish"), None).await;
        assert_eq!(refused.faults(), ["/nodes/0/config/next"]);

        assert_eq!(ada.put(&path, json!({ "nodes": [says("Hello")] })).await["version"], 1);
        assert_eq!(ada.put(&path, json!({ "nodes": [broken] })).await["version"], 1);
        let verdict = ada.send(Method::POST, &format!("{path}/validate"), None).await.must_be(200);
        assert_eq!(verdict["valid"], false);
    }

    async fn without_auto_publish_only_publish_changes_what_runs(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = json!({ "bot_id": bot, "name": "f", "auto_publish": false, "nodes": [says("one")] });
        let flow = ada.post("/bots/flows/", flow).await;
        let path = format!("/bots/flows/{}", flow["id"]);
        assert_eq!(flow["version"], json!(null));
        assert_eq!(ada.post(&format!("{path}/publish"), json!({})).await["version"], 1);
        assert_eq!(ada.put(&path, json!({ "nodes": [says("two")] })).await["version"], 1);
        assert_eq!(ada.send(Method::POST, &format!("{path}/publish/"), None).await.must_be(200)["version"], 2);
        let id = domain::FlowId(flow["id"].as_i64().unwrap());
        let (_, first) = app.db().read().await.unwrap().flow_version(id, 1).await.unwrap().unwrap();
        assert_eq!(first.nodes[0].config["content"]["text"], "one");
    }

    async fn lists_are_of_one_bot_or_of_all(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let (one, two) = (ada.bot("one").await, ada.bot("two").await);
        let (first, _) = (ada.flow(one, "a").await, ada.flow(two, "b").await);
        assert_eq!(ada.get("/bots/flows/").await["total"], 2);
        let flows = ada.get(&format!("/bots/flows/?bot_id={one}")).await;
        assert_eq!((&flows["total"], &flows["items"][0]["id"]), (&json!(1), &json!(first)));
        assert_eq!(bob.get("/bots/flows/").await["total"], 0);
        bob.send(Method::GET, &format!("/bots/flows/?bot_id={one}"), None).await.problem(404);
        assert_eq!(ada.send(Method::GET, "/bots/flows/?bot_id=x", None).await.faults(), ["/query/bot_id"]);
    }

    async fn another_users_flow_is_not_there(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let bot = ada.bot("b").await;
        let path = format!("/bots/flows/{}", ada.flow(bot, "f").await);
        for (method, path) in [
            (Method::GET, path.clone()),
            (Method::DELETE, path.clone()),
            (Method::POST, format!("{path}/validate")),
            (Method::POST, format!("{path}/publish")),
            (Method::GET, format!("{path}/versions")),
        ] {
            bob.send(method, &path, None).await.problem(404);
        }
        bob.send(Method::PUT, &path, Some(&json!({ "name": "mine" }))).await.problem(404);
        let flow = json!({ "bot_id": bot, "name": "f" });
        bob.send(Method::POST, "/bots/flows/", Some(&flow)).await.problem(404);
    }

    async fn deleting_a_flow_takes_its_triggers_along(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("b").await;
        let flow = ada.flow(bot, "f").await;
        ada.post("/triggers/", json!({
            "name": "t", "bot_id": bot, "flow_id": flow, "trigger_type": "keyword", "keywords": ["hi"],
        })).await;
        ada.delete(&format!("/bots/flows/{flow}")).await;
        assert_eq!(ada.get("/triggers/").await["total"], 0);
        assert_eq!(ada.get("/bots/nodes/").await["total"], 0);
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let ada = app.api().registered("ada").await;
    let (bot, other) = (ada.bot("b").await, ada.bot("c").await);
    let faults = async |body: Value| ada.send(Method::POST, "/bots/flows/", Some(&body)).await.faults();
    assert_eq!(faults(json!({})).await, ["/bot_id", "/name"]);
    let wrong = json!({
        "bot_id": "1", "name": "", "auto_publish": "no",
        "nodes": [{ "config": "x", "position": -1 }, 7, { "type": "end", "key": 1 }, { "type": "end", "ui": {} }],
    });
    let all = [
        "/auto_publish",
        "/bot_id",
        "/name",
        "/nodes/0/config",
        "/nodes/0/position",
        "/nodes/0/type",
        "/nodes/1",
        "/nodes/2/key",
    ];
    assert_eq!(faults(wrong).await, all);
    let twice = json!([{ "type": "end", "position": 3, "key": "a" }, { "type": "end", "position": 3, "key": "a" }]);
    let twice = json!({ "bot_id": bot, "name": "n", "nodes": twice });
    assert_eq!(faults(twice).await, ["/nodes/1/key", "/nodes/1/position"]);
    let many = json!({ "bot_id": bot, "name": "n", "nodes": vec![json!({ "type": "end" }); 1001] });
    assert_eq!(faults(many).await, ["/nodes"]);
    let flow = ada.flow(bot, "f").await;
    let moved = ada.send(Method::PUT, &format!("/bots/flows/{flow}"), Some(&json!({ "bot_id": other }))).await;
    assert_eq!(moved.faults(), ["/bot_id"]);
}
