//! Executions by API: start, input, resume, cancel, logs.

use serde_json::json;
use tests::{Method, each_database};

use super::{ADA, Stage, ask, say};

each_database! {
    async fn an_execution_is_started_fed_and_followed(stage: Stage) {
        let flow = stage.flow("never", json!([ask("name?", "state.name", 1), say("hello {{ state.name }}")])).await;
        let start = json!({ "flow_id": flow, "contact_phone": ADA, "bot_id": stage.bot, "initial_state": { "custom_field": "value" } });
        let execution = stage.api.send(Method::POST, "/flows/execute?wait=10", Some(&start)).await.must_be(201);
        assert_eq!((&execution["status"], &execution["current_node"]), (&json!("waiting_input"), &json!(0)));
        assert_eq!((&execution["flow_version"], &execution["contact_phone"]), (&json!(1), &json!(ADA)));
        let path = format!("/flows/executions/{}", execution["id"]);

        let input = json!({ "execution_id": execution["id"], "message": "Ada", "message_type": "text" });
        let after = stage.api.send(Method::POST, &format!("{path}/input"), Some(&input)).await.must_be(200);
        assert_eq!(after["status"], "completed");
        assert_eq!(after["state"], json!({ "custom_field": "value", "name": "Ada" }));
        assert_eq!(stage.answers(2).await, ["name?", "hello Ada"]);
        assert_eq!(stage.api.get(&path).await["completed_at"], after["completed_at"]);

        let logs = stage.api.get(&format!("{path}/logs")).await;
        let events: Vec<&str> = logs["items"].as_array().unwrap().iter().map(|s| s["event"].as_str().unwrap()).collect();
        assert_eq!(events, ["started", "asked", "answered", "sent", "completed"]);
        let seqs: Vec<i64> = logs["items"].as_array().unwrap().iter().map(|s| s["seq"].as_i64().unwrap()).collect();
        assert_eq!(seqs, [0, 1, 2, 3, 4]);
        for action in ["input", "resume", "cancel"] {
            stage.api.send(Method::POST, &format!("{path}/{action}"), Some(&json!({ "message": "x" }))).await.problem(409);
        }
    }

    async fn a_wait_is_ended_by_hand_and_an_execution_cancelled(stage: Stage) {
        let flow = stage.flow("never", json!([
            { "type": "wait", "config": { "duration": 5, "unit": "hours", "next": 1 } },
            ask("?", "state.a", 2),
            say("end"),
        ])).await;
        let start = json!({ "flow_id": flow, "contact_phone": ADA, "bot_id": stage.bot });
        let execution = stage.api.post("/flows/execute?wait=10", start).await;
        assert_eq!(execution["status"], "waiting_timer");
        assert!(execution["wake_at"].is_string());
        let path = format!("/flows/executions/{}", execution["id"]);
        stage.api.send(Method::POST, &format!("{path}/input"), Some(&json!({ "message": "x" }))).await.problem(409);
        let resumed = stage.api.send(Method::POST, &format!("{path}/resume"), None).await.must_be(200);
        assert_eq!(resumed["status"], "waiting_input");
        let cancelled = stage.api.send(Method::POST, &format!("{path}/cancel"), None).await.must_be(200);
        assert_eq!((&cancelled["status"], cancelled["completed_at"].is_string()), (&json!("cancelled"), true));
        stage.say("hello?").await;
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 1);
    }

    async fn what_is_wrong_with_a_start_is_said(stage: Stage) {
        let flow = stage.flow("never", json!([say("x")])).await;
        let start = async |body| stage.api.send(Method::POST, "/flows/execute", Some(&body)).await;
        assert_eq!(start(json!({ "contact_phone": "bob", "initial_state": 7 })).await.faults(), ["/bot_id", "/contact_phone", "/flow_id", "/initial_state"]);
        start(json!({ "flow_id": 999_999, "contact_phone": ADA, "bot_id": stage.bot })).await.problem(404);
        let draft = json!({ "bot_id": stage.bot, "name": "draft", "nodes": [{ "type": "wait", "config": {} }] });
        let draft = stage.api.post("/bots/flows/", draft).await;
        start(json!({ "flow_id": draft["id"], "contact_phone": ADA, "bot_id": stage.bot })).await.problem(409);
        let other = stage.app.api().registered("other").await;
        let body = json!({ "flow_id": flow, "contact_phone": ADA, "bot_id": stage.bot });
        other.send(Method::POST, "/flows/execute", Some(&body)).await.problem(404);
        let mine = stage.api.post("/flows/execute?wait=10", body).await;
        for (method, action) in [(Method::GET, ""), (Method::GET, "/logs"), (Method::POST, "/cancel"), (Method::POST, "/resume")] {
            other.send(method, &format!("/flows/executions/{}{action}", mine["id"]), None).await.problem(404);
        }
        assert_eq!(other.get(&format!("/flows/executions/contact/{ADA}")).await["total"], 0);
        other.send(Method::GET, &format!("/whatsapp/messages/{}", stage.bot), None).await.problem(404);
    }
}
