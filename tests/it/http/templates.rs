//! `/bots/templates/`

use serde_json::json;
use tests::{Method, TestApp, TestDatabase, each_database};

each_database! {
    async fn a_flow_becomes_a_template_and_a_flow_again(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let (one, two) = (ada.bot("one").await, ada.bot("two").await);
        let flow = ada.flow(one, "Hello").await;
        let template = json!({ "name": "t", "category": "greetings", "flow_id": flow });
        let template = ada.post("/bots/templates/", template).await;
        assert_eq!((&template["category"], &template["nodes"][0]["type"]), (&json!("greetings"), &json!("send_message")));
        // Later changes of the flow do not change it.
        ada.delete(&format!("/bots/flows/{flow}")).await;
        let path = format!("/bots/templates/{}", template["id"]);
        assert_eq!(ada.get(&path).await, template);
        let into = json!({ "bot_id": two, "name": "new" });
        let made = ada.send(Method::POST, &format!("{path}/instantiate"), Some(&into)).await.must_be(201);
        assert_eq!((&made["bot_id"], &made["name"], &made["version"]), (&json!(two), &json!("new"), &json!(1)));
        assert_eq!(made["nodes"][0]["config"], template["nodes"][0]["config"]);

        let nodes = json!([{ "type": "end", "key": "e" }]);
        ada.post("/bots/templates/", json!({ "name": "from nodes", "nodes": nodes })).await;
        assert_eq!(ada.get("/bots/templates/?is_builtin=false").await["total"], 2);
        ada.delete(&path).await;
        ada.send(Method::GET, &path, None).await.problem(404);
        assert_eq!(ada.get("/bots/templates/").await["items"][0]["name"], "from nodes");
    }

    async fn another_users_template_is_not_there(app: TestApp) {
        let (ada, bob) = (app.api().registered("ada").await, app.api().registered("bob").await);
        let template = ada.post("/bots/templates/", json!({ "name": "t", "nodes": [] })).await;
        let path = format!("/bots/templates/{}", template["id"]);
        let bots = (ada.bot("a").await, bob.bot("b").await);
        bob.send(Method::GET, &path, None).await.problem(404);
        bob.send(Method::DELETE, &path, None).await.problem(404);
        let into = |bot: i64| json!({ "bot_id": bot, "name": "n" });
        bob.send(Method::POST, &format!("{path}/instantiate"), Some(&into(bots.1))).await.problem(404);
        ada.send(Method::POST, &format!("{path}/instantiate"), Some(&into(bots.1))).await.problem(404);
        let flow = json!({ "name": "t", "flow_id": ada.flow(bots.0, "f").await });
        bob.send(Method::POST, "/bots/templates/", Some(&flow)).await.problem(404);
        assert_eq!(bob.get("/bots/templates/?is_builtin=false").await["total"], 0);
    }

    async fn those_of_the_server_come_after_ones_own_and_stay(app: TestApp) {
        let ada = app.api().registered("ada").await;
        let bot = ada.bot("a").await;
        ada.post("/bots/templates/", json!({ "name": "mine", "nodes": [] })).await;
        let built_in = ada.get("/bots/templates/?is_builtin=true").await;
        assert_eq!(built_in["total"], 5);
        let all = ada.get("/bots/templates/").await;
        assert_eq!((&all["total"], all["items"].as_array().unwrap().len()), (&json!(6), 6));
        assert_eq!((&all["items"][0]["name"], &all["items"][0]["is_builtin"]), (&json!("mine"), &json!(false)));
        assert_eq!(all["items"].as_array().unwrap()[1..], built_in["items"].as_array().unwrap()[..]);
        for (skip, item) in all["items"].as_array().unwrap().iter().enumerate() {
            let page = ada.get(&format!("/bots/templates/?limit=1&skip={skip}")).await;
            assert_eq!((&page["items"], &page["total"]), (&json!([item]), &json!(6)), "{skip}");
            assert_eq!(ada.get(&format!("/bots/templates/{}", item["id"])).await, *item);
        }
        assert_eq!(ada.get("/bots/templates/?skip=6").await["items"], json!([]));
        for item in built_in["items"].as_array().unwrap() {
            let path = format!("/bots/templates/{}", item["id"]);
            assert_eq!((&item["is_builtin"], item["id"].as_i64().unwrap() < 0), (&json!(true), true));
            ada.send(Method::DELETE, &path, None).await.problem(409);
            let flow = json!({ "bot_id": bot, "name": item["name"] });
            let flow = ada.send(Method::POST, &format!("{path}/instantiate"), Some(&flow)).await.must_be(201);
            assert_eq!((&flow["issues"], &flow["description"]), (&json!([]), &item["description"]));
        }
    }
}

#[tokio::test]
async fn every_fault_is_named_at_once() {
    let app = TestApp::with(TestDatabase::sqlite(), |_| {}).await;
    let ada = app.api().registered("ada").await;
    let faults = async |body| ada.send(Method::POST, "/bots/templates/", Some(&body)).await.faults();
    assert_eq!(faults(json!({ "category": 1, "flow_id": "x" })).await, ["/category", "/flow_id", "/name"]);
    assert_eq!(faults(json!({ "name": "t" })).await, ["/flow_id"]);
    assert_eq!(faults(json!({ "name": "t", "flow_id": 1, "nodes": [] })).await, ["/flow_id"]);
    let template = ada.post("/bots/templates/", json!({ "name": "t", "nodes": [] })).await;
    let path = format!("/bots/templates/{}/instantiate", template["id"]);
    assert_eq!(ada.send(Method::POST, &path, Some(&json!({}))).await.faults(), ["/bot_id", "/name"]);
}
