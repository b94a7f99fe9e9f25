//! Statistics and trigger logs: every number, after everything that can happen to executions.

use std::time::Duration;

use emulator::Inbound;
use serde_json::{Value, json};
use tests::{Method, each_database};

use super::{ADA, BOB, PATIENCE, Stage, StillStage, ask, say};

impl Stage {
    async fn bob_says(&self, text: &str) {
        self.emulator.say_with(Inbound::text(BOB, text)).delivered().await.unwrap();
        self.at_rest().await;
    }

    async fn trigger(&self, name: &str) -> i64 {
        let triggers = self.api.get(&format!("/triggers/bot/{}", self.bot)).await;
        let found = triggers["items"].as_array().unwrap().iter().find(|trigger| trigger["name"] == name);
        found.unwrap()["id"].as_i64().unwrap()
    }
}

/// The shown item whose `field` is `id`.
fn item<'v>(list: &'v Value, field: &str, id: i64) -> &'v Value {
    list.as_array().unwrap().iter().find(|item| item[field] == id).unwrap()
}

fn sum(days: &Value, field: &str) -> i64 {
    days.as_array().unwrap().iter().map(|day| day[field].as_i64().unwrap()).sum()
}

fn node(flow: i64, at: i64, kind: &str, [entered, waiting, failed]: [i64; 3], exits: &Value) -> Value {
    json!({
        "flow_id": flow, "node": at, "type": kind, "key": null, "name": null,
        "entered": entered, "waiting": waiting, "failed": failed, "exits": exits,
    })
}

fn statuses(changes: &Value) -> Value {
    let mut all = json!({
        "running": 0, "waiting_input": 0, "waiting_timer": 0, "waiting_event": 0, "waiting_effect": 0,
        "completed": 0, "failed": 0, "cancelled": 0,
    });
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    all
}

/// A flow that asks, branches and waits five minutes on one branch.
fn branching() -> Value {
    json!([
        ask("yes or no?", "state.a", 1),
        { "type": "condition", "config": {
            "variable": "state.a", "operator": "==", "value": "yes", "true_path": 2, "false_path": 3 } },
        say("good"),
        { "type": "wait", "config": { "duration": 5, "unit": "minutes", "next": 4 } },
        { "type": "end", "config": {} },
    ])
}

each_database! {
    async fn every_number_is_exact(stage: StillStage) {
        let stage = stage.0;
        let branch = stage.flow("branch", branching()).await;
        let broken = json!([{ "type": "wait", "config": { "until": "{{ state.nothing }}" } }]);
        let broken = stage.flow("break", broken).await;
        let of_flow = async |flow: i64| stage.api.get(&format!("/flows/statistics?flow_id={flow}&bot_id={}", stage.bot)).await;

        // The same webhook twice counts once.
        let start = [Inbound::text(ADA, "branch").wamid("wamid.same"), Inbound::text(ADA, "branch").wamid("wamid.same")];
        for _ in 0..2 {
            stage.emulator.say_many(&start).delivered().await.unwrap();
        }
        stage.answers(1).await;
        stage.app.advance(Duration::from_secs(10));
        stage.say("yes").await;
        stage.answers(2).await;
        stage.bob_says("branch").await;
        stage.bob_says("no").await;

        let now = of_flow(branch).await;
        assert_eq!(now["total"], 2);
        assert_eq!(now["by_status"], statuses(&json!({ "completed": 1, "waiting_timer": 1 })));
        assert_eq!(now["duration_ms"]["mean"], 10_000);
        assert_eq!(now["nodes"], json!([
            node(branch, 0, "ask", [2, 0, 0], &json!({ "next": 2 })),
            node(branch, 1, "condition", [2, 0, 0], &json!({ "true_path": 1, "false_path": 1 })),
            node(branch, 2, "send_message", [1, 0, 0], &json!({ "next": 1 })),
            node(branch, 3, "wait", [1, 1, 0], &json!({})),
            node(branch, 4, "end", [0, 0, 0], &json!({})),
        ]));

        stage.app.advance(Duration::from_secs(300));
        stage.at_rest().await;
        super::until("Bob's timer has fired", async || of_flow(branch).await["by_status"]["completed"] == 2).await;
        stage.say("branch").await;
        stage.answers(3).await;
        let waiting = stage.executions().await[0]["id"].clone();
        stage.api.send(Method::POST, &format!("/flows/executions/{waiting}/cancel"), None).await.must_be(200);
        stage.say("break").await;
        stage.at_rest().await;
        let by_api = json!({ "flow_id": branch, "contact_phone": BOB, "bot_id": stage.bot });
        stage.api.post("/flows/execute?wait=20", by_api).await;

        let now = of_flow(branch).await;
        assert_eq!(now["total"], 4);
        assert_eq!(now["by_status"], statuses(&json!({ "completed": 2, "cancelled": 1, "waiting_input": 1 })));
        assert_eq!((&now["duration_ms"]["count"], &now["duration_ms"]["mean"]), (&json!(2), &json!(155_000)));
        for (field, exact) in [("median", 10_000), ("p95", 300_000)] {
            let shown = now["duration_ms"][field].as_i64().unwrap();
            assert!((shown - exact).abs() * 10 < exact, "{field}: {shown}");
        }
        assert_eq!(now["nodes"], json!([
            node(branch, 0, "ask", [4, 1, 0], &json!({ "next": 2 })),
            node(branch, 1, "condition", [2, 0, 0], &json!({ "true_path": 1, "false_path": 1 })),
            node(branch, 2, "send_message", [1, 0, 0], &json!({ "next": 1 })),
            node(branch, 3, "wait", [1, 0, 0], &json!({ "next": 1 })),
            node(branch, 4, "end", [1, 0, 0], &json!({})),
        ]));
        assert_eq!(now["by_day"].as_array().unwrap().len(), 30);
        let sums = ["started", "completed", "failed", "cancelled"].map(|field| sum(&now["by_day"], field));
        assert_eq!(sums, [4, 2, 0, 1]);
        let now = of_flow(broken).await;
        assert_eq!(now["by_status"], statuses(&json!({ "failed": 1 })));
        assert_eq!(now["nodes"], json!([node(broken, 0, "wait", [1, 0, 1], &json!({}))]));
        assert_eq!(now["duration_ms"], json!({ "count": 0, "median": null, "p95": null, "mean": null }));
        let all = stage.api.get("/flows/statistics").await;
        assert_eq!((&all["total"], &all["by_status"]["failed"], all.get("nodes")), (&json!(5), &json!(1), None));
        assert_eq!(item(&all["flows"], "flow_id", branch)["total"], 4);

        // Whoever deletes a contact with what waits for it deletes no history.
        let bob = stage.api.get(&format!("/flows/contacts/?bot_id={}&q={BOB}", stage.bot)).await["items"][0]["id"].clone();
        stage.api.delete(&format!("/flows/contacts/{bob}")).await;
        let now = of_flow(branch).await;
        assert_eq!(now["by_status"], statuses(&json!({ "completed": 2, "cancelled": 1 })));
        let logs = stage.api.get(&format!("/triggers/{}/logs", stage.trigger("branch").await)).await;
        assert_eq!(logs["total"], 2);
    }

    async fn triggers_account_for_what_they_start_and_are_refused(stage: StillStage) {
        let stage = stage.0;
        stage.flow("hello", json!([say("hi")])).await;
        stage.flow("break", json!([{ "type": "wait", "config": { "until": "{{ state.nothing }}" } }])).await;
        let draft = json!({ "bot_id": stage.bot, "name": "draft", "nodes": [{ "type": "wait", "config": {} }] });
        let draft = stage.api.post("/bots/flows/", draft).await;
        stage.api.post("/triggers/", json!({
            "name": "draft", "bot_id": stage.bot, "flow_id": draft["id"], "trigger_type": "keyword", "keywords": ["draft"],
        })).await;
        for text in ["hello", "hello again", "break", "draft", "nothing"] {
            stage.say(text).await;
            stage.at_rest().await;
        }
        let switch = async |on: bool| {
            stage.api.put(&format!("/bots/{}", stage.bot), json!({ "is_active": on })).await;
        };
        switch(false).await;
        stage.say("hello?").await;
        stage.at_rest().await;
        switch(true).await;
        stage.emulator.wait_for_to(ADA, 2, PATIENCE).await.unwrap();

        let (hello, broken, draft) =
            (stage.trigger("hello").await, stage.trigger("break").await, stage.trigger("draft").await);
        let statistics = stage.api.get(&format!("/triggers/statistics?bot_id={}", stage.bot)).await;
        let counts = |shown: &Value| ["fires", "starts", "failures"].map(|field| shown[field].as_i64().unwrap());
        assert_eq!(statistics["total"], 3);
        assert_eq!(counts(&statistics["totals"]), [5, 3, 1]);
        assert_eq!(statistics["by_day"].as_array().unwrap().len(), 30);
        for (trigger, expected) in [(hello, [3, 2, 0]), (broken, [1, 1, 1]), (draft, [1, 0, 0])] {
            let shown = item(&statistics["items"], "trigger_id", trigger);
            assert_eq!(counts(shown), expected, "{shown}");
            assert!(shown["last_fired_at"].is_string());
            assert_eq!(["fires", "starts", "failures"].map(|field| sum(&shown["by_day"], field)), expected);
        }
        let logs = stage.api.get(&format!("/triggers/{hello}/logs")).await;
        let decisions: Vec<_> = logs["items"].as_array().unwrap().iter().map(|log| &log["decision"]).collect();
        assert_eq!(decisions, ["refused", "started", "started"]);
        let (refused, started) = (&logs["items"][0], &logs["items"][2]);
        assert_eq!((&refused["reason"], &refused["execution_id"]), (&json!("the bot is switched off"), &json!(null)));
        let execution = stage.api.get(&format!("/flows/executions/{}", started["execution_id"])).await;
        assert_eq!((&execution["trigger_id"], &started["contact_phone"]), (&json!(hello), &json!(ADA)));
        assert_eq!(started["message_id"], stage.history("inbound").await[0]["id"]);
        let page = stage.api.get(&format!("/triggers/{hello}/logs?limit=1&skip=1")).await;
        assert_eq!((&page["items"][0], &page["total"]), (&logs["items"][1], &json!(3)));
        let reason = &stage.api.get(&format!("/triggers/{draft}/logs")).await["items"][0]["reason"];
        assert_eq!(reason, "its flow has no published version");

        // What is deleted takes its numbers along.
        stage.api.delete(&format!("/triggers/{hello}")).await;
        let statistics = stage.api.get("/triggers/statistics").await;
        assert_eq!(counts(&statistics["totals"]), [2, 1, 1]);
        stage.api.delete(&format!("/bots/{}", stage.bot)).await;
        assert_eq!(counts(&stage.api.get("/triggers/statistics").await["totals"]), [0, 0, 0]);
        assert_eq!(stage.api.get("/flows/statistics").await["total"], 0);
    }
}
