//! A message that failed for good: the flow that said it hears of it.

use emulator::Failure;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, Clockwork, say, until};
use crate::journey::ask;

impl Clockwork {
    async fn log(&self) -> Vec<String> {
        let id = self.stage.executions().await[0]["id"].clone();
        let log = self.stage.api.get(&format!("/flows/executions/{id}/logs")).await;
        log["items"].as_array().unwrap().iter().map(|step| step["event"].as_str().unwrap().to_owned()).collect()
    }

    /// A flow that `message_failed` starts.
    async fn on_failure(&self, nodes: Value, conditions: Value) {
        let flow = json!({ "bot_id": self.stage.bot, "name": "failed", "nodes": nodes });
        let flow = self.stage.api.post("/bots/flows/", flow).await;
        let trigger = json!({
            "name": "failed", "bot_id": self.stage.bot, "flow_id": flow["id"], "trigger_type": "event",
            "event_type": "message_failed", "event_conditions": conditions,
        });
        self.stage.api.post("/triggers/", trigger).await;
    }
}

fn with_error_path(mut node: Value, path: i64) -> Value {
    node["config"]["error_path"] = path.into();
    node
}

each_database! {
    async fn a_question_that_meta_refuses_takes_the_error_path(works: Clockwork) {
        let question = with_error_path(ask("well?", "state.a", 2), 1);
        works.stage.flow("hi", json!([question, say("plan b"), say("thanks")])).await;
        works.stage.emulator.fail_next(1, Failure::code(131_026));
        works.stage.say("hi").await;
        works.gets(ADA, &["plan b"]).await;
        assert_eq!(works.log().await, ["started", "asked", "message_failed", "sent", "completed"]);
        assert_eq!(works.stage.executions().await[0]["status"], "completed");
    }

    async fn a_failure_that_is_reported_later_does_so_as_well(works: Clockwork) {
        let question = with_error_path(ask("well?", "state.a", 2), 1);
        works.stage.flow("hi", json!([question, say("plan b"), say("thanks")])).await;
        works.stage.emulator.fail_next(1, Failure::FailLater { code: 131_026 });
        works.stage.say("hi").await;
        works.gets(ADA, &["well?", "plan b"]).await;
    }

    async fn a_message_beyond_the_limits_does_so_as_well(works: Clockwork) {
        let long = json!({ "type": "ask", "config": {
            "message_type": "text", "content": { "text": "{{ message.text * 3000 }}" }, "store_in": "state.a",
            "error_path": 1 } });
        works.stage.flow("hi", json!([long, say("plan b")])).await;
        works.stage.say("hi").await;
        works.gets(ADA, &["plan b"]).await;
    }

    async fn an_execution_that_has_moved_on_only_logs_it(works: Clockwork) {
        let question = with_error_path(ask("well?", "state.a", 1), 2);
        works.stage.flow("hi", json!([question, ask("and?", "state.b", 2), say("done")])).await;
        works.stage.say("hi").await;
        works.gets(ADA, &["well?"]).await;
        works.stage.say("so so").await;
        works.gets(ADA, &["well?", "and?"]).await;
        // That it was neither delivered nor read before is what the emulator has to pretend.
        let first = works.stage.emulator.sent()[0].clone();
        until("it is read", async || works.stage.history("outbound").await[0]["status"] == "read").await;
        works.stage.emulator.emit_status(&first, "failed", Some(131_026)).delivered().await.unwrap();
        works.stage.say("fine").await;
        works.gets(ADA, &["well?", "and?", "done"]).await;
    }

    async fn a_failure_after_the_end_is_logged_and_starts_what_watches_for_it(works: Clockwork) {
        works.on_failure(
            json!([say("sorry: {{ state.event.error.code }}")]),
            json!({ "error.code": 131_026 }),
        ).await;
        works.stage.flow("hi", json!([say("one")])).await;
        works.stage.emulator.fail_next(1, Failure::code(131_026));
        works.stage.say("hi").await;
        works.gets(ADA, &["sorry: 131026"]).await;
        let executions = works.stage.executions().await;
        let first = executions.iter().min_by_key(|e| e["id"].as_i64()).unwrap();
        let log = works.stage.api.get(&format!("/flows/executions/{}/logs", first["id"])).await;
        let last = log["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["event"], &last["detail"]["code"]), (&json!("message_failed"), &json!(131_026)), "{log}");
    }

    async fn a_failed_message_by_api_starts_what_watches_for_it(works: Clockwork) {
        works.on_failure(json!([say("sorry")]), json!({})).await;
        works.stage.emulator.fail_next(1, Failure::code(131_026));
        works.text(works.stage.bot, ADA, "one").await;
        works.gets(ADA, &["sorry"]).await;
    }

    async fn flows_that_answer_failures_with_failures_come_to_an_end(works: Clockwork) {
        works.on_failure(json!([say("sorry")]), json!({})).await;
        works.fail(ADA, 99, 131_026);
        works.text(works.stage.bot, ADA, "one").await;
        until("they have ended", async || {
            works.stage.executions().await.len() == 6 && works.stage.mailboxes().await == (0, 0)
        }).await;
        works.nothing_happens().await;
    }
}
