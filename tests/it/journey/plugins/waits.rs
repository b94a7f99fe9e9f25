//! Nodes that wait for events.

use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, BOB, PATIENCE, PluginStage, Stage, StillPluginStage, say, until};

impl Stage {
    /// A contact of the bot.
    async fn contact_at(&self, phone: &str) -> Value {
        self.api.post("/flows/contacts/", json!({ "bot_id": self.bot, "phone": phone })).await["id"].clone()
    }

    /// Starts a flow with a contact, and waits until it waits or has ended.
    async fn begin(&self, flow: &Value, phone: &str, state: Value) -> Value {
        let start =
            json!({ "flow_id": flow["id"], "contact_phone": phone, "bot_id": self.bot, "initial_state": state });
        self.api.post("/flows/execute?wait=20", start).await
    }

    async fn status(&self, execution: &Value) -> String {
        let now = self.api.get(&format!("/flows/executions/{}", execution["id"])).await;
        now["status"].as_str().unwrap().to_owned()
    }

    /// Tells of an event of a contact.
    async fn happens(&self, contact: &Value, name: &str, payload: Value) {
        let event = json!({ "name": name, "payload": payload });
        self.api.post(&format!("/flows/contacts/{contact}/events"), event).await;
    }
}

fn waiting(seconds: Option<u64>) -> Value {
    let mut nodes = json!([
        { "type": "errands/await", "config": { "event": "custom.paid", "exits": { "came": 1, "over": 2 } } },
        say("{{ state.n }}: {{ state.heard.name }} {{ state.heard.payload.amount }}"),
        say("{{ state.n }}: too late"),
    ]);
    if let Some(seconds) = seconds {
        nodes[0]["config"]["seconds"] = seconds.into();
    }
    nodes
}

each_database! {
    async fn an_event_of_a_contact_wakes_all_its_executions_that_wait_for_it_and_nobody_elses(stage: PluginStage) {
        let stage = stage.0;
        stage.plugin("errands", None).await;
        let flow = stage.flow_of(waiting(None)).await;
        let (ada, _) = (stage.contact_at(ADA).await, stage.contact_at(BOB).await);
        let first = stage.begin(&flow, ADA, json!({ "n": 1 })).await;
        let second = stage.begin(&flow, ADA, json!({ "n": 2 })).await;
        let other = stage.begin(&flow, BOB, json!({ "n": 3 })).await;
        for execution in [&first, &second, &other] {
            assert_eq!(execution["status"], "waiting_event", "{execution}");
        }
        // Neither another event nor a message is what they wait for.
        stage.happens(&ada, "custom.asked", Value::Null).await;
        stage.say("hello?").await;
        stage.at_rest().await;
        assert_eq!((stage.status(&first).await, stage.emulator.count()), ("waiting_event".into(), 0));

        stage.happens(&ada, "custom.paid", json!({ "amount": 5 })).await;
        assert_eq!(stage.answers(2).await, ["1: custom.paid 5", "2: custom.paid 5"], "in the order in which they began");
        assert_eq!((stage.status(&first).await, stage.status(&second).await), ("completed".into(), "completed".into()));
        assert_eq!(stage.status(&other).await, "waiting_event", "what happens to one contact happens to no other");
        assert!(stage.emulator.sent_to(BOB).is_empty());

        // Another flow of the contact tells of it as well; whoever begins to wait afterwards waits for the next one.
        let tells = stage.flow_of(json!([
            { "type": "errands/tell", "config": { "event": "custom.paid", "payload": { "amount": "{{ state.sum }}" } } },
        ])).await;
        stage.begin(&tells, BOB, json!({ "sum": 7 })).await;
        stage.emulator.wait_for_to(BOB, 1, PATIENCE).await.unwrap();
        assert_eq!(stage.emulator.sent_to(BOB)[0].text, "3: custom.paid 7");
        let late = stage.begin(&flow, BOB, json!({ "n": 4 })).await;
        stage.at_rest().await;
        assert_eq!(stage.status(&late).await, "waiting_event");
    }

    async fn a_wait_for_an_event_ends_by_its_time_or_by_hand(stage: StillPluginStage) {
        let stage = stage.0;
        stage.plugin("errands", None).await;
        let flow = stage.flow_of(waiting(Some(60))).await;
        let ada = stage.contact_at(ADA).await;
        let execution = stage.begin(&flow, ADA, json!({ "n": 1 })).await;
        assert_eq!(execution["status"], "waiting_event");
        stage.app.advance(std::time::Duration::from_secs(59));
        stage.at_rest().await;
        assert_eq!(stage.status(&execution).await, "waiting_event");
        stage.app.advance(std::time::Duration::from_secs(2));
        assert_eq!(stage.answers(1).await, ["1: too late"]);
        stage.happens(&ada, "custom.paid", json!({ "amount": 5 })).await;
        stage.at_rest().await;
        assert_eq!((stage.status(&execution).await, stage.emulator.count()), ("completed".into(), 1));

        let forced = stage.begin(&flow, ADA, json!({ "n": 2 })).await;
        stage.api.post(&format!("/flows/executions/{}/resume", forced["id"]), json!({})).await;
        until("the plugin has been called", async || stage.status(&forced).await == "failed").await;
        let error = stage.api.get(&format!("/flows/executions/{}", forced["id"])).await["error"].clone();
        assert!(error.as_str().unwrap().contains("went on by Forced"), "{error}");
    }
}
