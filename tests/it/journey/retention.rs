//! What is too old goes while the server runs, and is counted; statistics and conversations under way stay.

use std::time::Duration;

use serde_json::json;
use tests::{OnDatabase, TestDatabase, each_database};

use super::{ADA, Stage, ask, say, until};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A [`Stage`] that keeps things for some days, by a clock that is moved by hand.
struct ForgetfulStage(Stage);

impl OnDatabase for ForgetfulStage {
    async fn on(database: TestDatabase) -> Self {
        let stage = Stage::set(database, true, |config| {
            config.retention.messages_days = Some(30);
            config.retention.executions_days = Some(20);
            config.retention.steps_days = Some(10);
            config.retention.trigger_logs_days = Some(5);
        });
        Self(stage.await)
    }
}

impl Stage {
    async fn purged(&self, table: &str) -> u64 {
        self.metric(&format!("chatboost_purged_rows_total{{table=\"{table}\"}}")).await
    }
}

each_database! {
    async fn each_thing_goes_when_its_time_is_over(stage: ForgetfulStage) {
        let mut stage = stage.0;
        // A login would end before the time that passes here.
        let key = stage.api.post("/auth/api-keys", json!({ "name": "k" })).await;
        stage.api = stage.api.with_token(key["key"].as_str().unwrap());
        let flow = stage.flow("hi", json!([say("hello")])).await;
        stage.flow("name", json!([ask("Your name?", "state.name", 1), say("Hi {{ state.name }}")])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        stage.say("name").await;
        stage.answers(2).await;
        until("both messages are read", async || {
            stage.history("outbound").await.iter().all(|message| message["status"] == "read")
        }).await;
        let ended = stage.executions().await.into_iter().find(|execution| execution["flow_id"] == flow).unwrap();
        let logs = format!("/flows/executions/{}/logs", ended["id"]);
        let count = async |path: &str| stage.api.get(path).await["total"].as_i64().unwrap();
        let steps = count(&logs).await;
        assert!(steps > 1 && count("/triggers/1/logs").await == 1);
        let purged = stage.purged("execution_steps").await;

        stage.app.advance(6 * DAY);
        until("logs of triggers are gone", async || count("/triggers/1/logs").await == 0).await;
        assert_eq!(count(&logs).await, steps);
        stage.app.advance(5 * DAY);
        until("steps are gone", async || count(&logs).await == 0).await;
        until("it is counted", async || stage.purged("execution_steps").await > purged).await;
        assert_eq!(stage.executions().await.len(), 2);
        stage.app.advance(10 * DAY);
        until("what has ended is gone", async || stage.executions().await.len() == 1).await;
        assert_eq!(stage.history("outbound").await.len(), 2);
        stage.app.advance(10 * DAY);
        // The question belongs to the execution that waits for its answer.
        until("messages are gone", async || stage.history("outbound").await.len() == 1).await;
        assert_eq!(stage.history("outbound").await[0]["text"], "Your name?");

        let statistics = stage.api.get(&format!("/flows/statistics?flow_id={flow}&bot_id={}", stage.bot)).await;
        assert_eq!((&statistics["total"], &statistics["by_status"]["completed"]), (&json!(1), &json!(1)), "{statistics}");
        stage.say("Ada").await;
        assert_eq!(stage.answers(3).await[2], "Hi Ada");
        assert_eq!(stage.emulator.sent_to(ADA).len(), 3);
    }
}
