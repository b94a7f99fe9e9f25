//! Showing that a message was read, and that an answer is being typed.

use emulator::Inbound;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, Stage, ask, say, until};

/// A node that says something in its own manner.
fn say_with(text: &str, more: &Value) -> Value {
    let mut node = say(text);
    node["config"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    node
}

impl Stage {
    async fn with_manners(&self, mark_as_read: bool, typing: bool) {
        let settings = json!({ "mark_as_read": mark_as_read, "typing_indicator": typing });
        self.api.put(&format!("/bots/{}", self.bot), settings).await;
    }

    async fn say_as(&self, wamid: &str, text: &str) {
        self.emulator.say_with(Inbound::text(ADA, text).wamid(wamid)).delivered().await.unwrap();
    }
}

each_database! {
    async fn a_bot_marks_every_message_and_types_where_an_answer_follows(stage: Stage) {
        stage.with_manners(true, true).await;
        stage.flow("hi", json!([ask("name?", "state.name", 1), say("hello {{ state.name }}")])).await;
        stage.say_as("wamid.nothing", "what no flow takes").await;
        until("it is read", async || stage.emulator.reads() == ["wamid.nothing"]).await;
        stage.say_as("wamid.hi", "hi").await;
        assert_eq!(stage.answers(1).await, ["name?"]);
        until("it is read", async || stage.emulator.reads().len() == 2).await;
        stage.say_as("wamid.ada", "Ada").await;
        assert_eq!(stage.answers(2).await[1], "hello Ada");
        until("all are read", async || stage.emulator.reads().len() == 3).await;
        assert_eq!(stage.emulator.reads(), ["wamid.nothing", "wamid.hi", "wamid.ada"]);
        assert_eq!(stage.emulator.typings(), ["wamid.hi", "wamid.ada"]);
        until("it is counted", async || stage.metric("chatboost_courtesies_total").await >= 3).await;
    }

    async fn a_bot_shows_nothing_unless_it_is_told_to_and_a_node_may_know_better(stage: Stage) {
        stage.flow("hi", json!([say("plain")])).await;
        stage.flow("read", json!([say_with("read", &json!({ "mark_as_read": true }))])).await;
        stage.flow("type", json!([say_with("typed", &json!({ "typing": true }))])).await;
        for (n, text) in ["hi", "read", "type"].into_iter().enumerate() {
            stage.say_as(&format!("wamid.{text}"), text).await;
            stage.answers(n + 1).await;
        }
        until("both are shown", async || stage.emulator.reads().len() == 2).await;
        assert_eq!(stage.emulator.reads(), ["wamid.read", "wamid.type"]);
        assert_eq!(stage.emulator.typings(), ["wamid.type"]);

        stage.with_manners(true, true).await;
        stage.flow("quiet", json!([say_with("quiet", &json!({ "mark_as_read": false, "typing": false }))])).await;
        stage.say_as("wamid.quiet", "quiet").await;
        stage.answers(4).await;
        stage.say_as("wamid.last", "hi").await;
        stage.answers(5).await;
        until("the last one is shown", async || stage.emulator.reads().len() == 3).await;
        assert_eq!(stage.emulator.reads()[2], "wamid.last");
    }

    async fn trouble_with_it_neither_delays_nor_fails_anything(stage: Stage) {
        stage.with_manners(true, true).await;
        stage.flow("hi", json!([ask("1", "state.a", 1), ask("2", "state.a", 2), say("3")])).await;
        // An id that Meta does not know.
        stage.say_as("strange", "hi").await;
        stage.answers(1).await;
        stage.say_as("odd", "a").await;
        stage.say_as("wamid.fine", "b").await;
        assert_eq!(stage.answers(3).await, ["1", "2", "3"]);
        until("it is counted", async || stage.metric("chatboost_courtesies_failed_total").await >= 2).await;
        until("the last one is shown", async || stage.emulator.reads() == ["wamid.fine"]).await;
        let failures: Vec<Value> = stage.history("outbound").await.into_iter().filter(|m| m["status"] == "failed").collect();
        assert_eq!(failures, Vec::<Value>::new());
    }
}
