//! Event triggers: new contacts, messages, opt-in and opt-out, ends of flows.

use emulator::Inbound;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, BOB, PATIENCE, Stage, ask, say, until};

impl Stage {
    /// A flow that an event starts.
    async fn on_event(&self, event_type: &str, nodes: Value, more: Value) -> i64 {
        let flow =
            self.api.post("/bots/flows/", json!({ "bot_id": self.bot, "name": event_type, "nodes": nodes })).await;
        assert_eq!(flow["issues"], json!([]), "the flow is sound");
        let mut trigger = json!({
            "name": event_type, "bot_id": self.bot, "flow_id": flow["id"], "trigger_type": "event", "event_type": event_type,
        });
        trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.api.post("/triggers/", trigger).await;
        flow["id"].as_i64().unwrap()
    }

    async fn contact(&self, body: Value) -> Value {
        let mut contact = json!({ "bot_id": self.bot, "phone": ADA });
        contact.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        self.api.post("/flows/contacts/", contact).await
    }
}

each_database! {
    async fn a_new_contact_is_welcomed_once(stage: Stage) {
        stage.on_event("new_contact", json!([say("welcome {{ contact.name }}, you said {{ message.text }}")]),
            json!({ "event_conditions": { "source": "whatsapp" } })).await;
        stage.flow("hi", json!([say("hello")])).await;
        let first = Inbound::text(ADA, "good day").named("Ada").wamid("wamid.first");
        for delivery in [first.clone(), first] {
            stage.emulator.say_with(delivery).delivered().await.unwrap();
        }
        assert_eq!(stage.answers(1).await, ["welcome Ada, you said good day"]);
        stage.say("hi").await;
        assert_eq!(stage.answers(2).await[1], "hello");
        stage.say("good day").await;
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 2);
        // A reaction alone makes nobody a new contact; the first message does.
        stage.emulator.say_with(Inbound::reaction(BOB, "wamid.x", "👍")).delivered().await.unwrap();
        stage.at_rest().await;
        assert_eq!(stage.emulator.sent_to(BOB).len(), 0);
        stage.emulator.say(BOB, "now").delivered().await.unwrap();
        stage.emulator.wait_for_to(BOB, 1, PATIENCE).await.unwrap();
    }

    async fn exactly_one_flow_starts_per_message_whatever_watches(stage: Stage) {
        stage.flow("hi", json!([say("keyword")])).await;
        stage.on_event("message_received", json!([say("event")]), json!({ "priority": -1 })).await;
        stage.on_event("message_received", json!([say("human")]),
            json!({ "priority": 9, "event_conditions": { "message.text": { "contains": "human" } } })).await;
        stage.on_event("new_contact", json!([say("new")]), json!({ "priority": 5 })).await;
        for (n, text) in ["hi", "hi", "hmm", "hi human"].into_iter().enumerate() {
            stage.say(text).await;
            stage.answers(n + 1).await;
        }
        assert_eq!(stage.answers(4).await, ["new", "keyword", "event", "human"]);
    }

    async fn a_message_that_somebody_waits_for_is_no_event_unless_it_interrupts(stage: Stage) {
        stage.flow("start", json!([ask("?", "state.a", 1), say("got {{ state.a }}")])).await;
        stage.on_event("message_received", json!([say("help")]),
            json!({ "interrupt": true, "event_conditions": { "message.text": ["help", "Help"] } })).await;
        stage.on_event("message_received", json!([say("never mind")]), json!({ "priority": -5 })).await;
        stage.say("start").await;
        stage.answers(1).await;
        stage.say("an answer").await;
        assert_eq!(stage.answers(2).await[1], "got an answer");
        stage.say("start").await;
        stage.answers(3).await;
        stage.say("Help").await;
        assert_eq!(stage.answers(4).await[3], "help");
        assert_eq!(stage.executions().await[1]["status"], "cancelled");
        stage.say("anything").await;
        assert_eq!(stage.answers(5).await[4], "never mind");
    }

    async fn contacts_made_by_api_and_their_agreement_are_events(stage: Stage) {
        stage.on_event("new_contact", json!([say("imported {{ contact.phone }}")]), json!({ "event_conditions": { "source": ["import"] } })).await;
        stage.on_event("opt_out", json!([say("goodbye: {{ state.event.event_type }}")]), json!({})).await;
        stage.on_event("opt_in", json!([say("welcome back")]), json!({ "event_conditions": { "contact.tags": "vip" } })).await;
        let ada = stage.contact(json!({ "source": "import", "tags": ["vip"] })).await;
        assert_eq!((&ada["opted_in"], &ada["opted_in_changed_at"]), (&json!(true), &Value::Null));
        assert_eq!(stage.answers(1).await, [format!("imported {ADA}")]);
        let path = format!("/flows/contacts/{}", ada["id"]);
        let out = stage.api.put(&path, json!({ "opted_in": false })).await;
        assert!(out["opted_in"] == false && out["opted_in_changed_at"].is_string(), "{out}");
        assert_eq!(stage.answers(2).await[1], "goodbye: opt_out");
        stage.api.put(&path, json!({ "opted_in": false, "name": "Ada" })).await;
        stage.api.put(&path, json!({ "opted_in": true })).await;
        assert_eq!(stage.answers(3).await[2], "welcome back");
        // Known already: her first message is nobody's new contact.
        stage.say("hello").await;
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 3);
    }

    async fn the_end_of_a_flow_starts_another_in_the_same_commit(stage: Stage) {
        let first = stage.flow("start", json!([ask("score?", "state.score", 1), say("thanks")])).await;
        let follow_up = stage.on_event("flow_completed",
            json!([say("after {{ state.event.flow_id }}: {{ message.text }}")]),
            json!({ "event_conditions": { "flow_id": first, "state.score": { ">": 3 } } })).await;
        stage.say("start").await;
        stage.answers(1).await;
        stage.say("5").await;
        assert_eq!(stage.answers(3).await, ["score?".to_owned(), "thanks".into(), format!("after {first}: 5")]);
        let executions = stage.executions().await;
        assert_eq!((executions.len(), &executions[0]["flow_id"]), (2, &json!(follow_up)));
        stage.say("start").await;
        stage.answers(4).await;
        stage.say("2").await;
        assert_eq!(stage.answers(5).await[4], "thanks");
    }

    async fn a_failed_flow_can_be_apologised_for(stage: Stage) {
        stage.flow("start", json!([
            { "type": "wait", "config": { "duration": "{{ state.nothing }}", "unit": "days" } },
        ])).await;
        stage.on_event("flow_failed", json!([say("sorry: {{ state.event.error }}")]), json!({})).await;
        stage.on_event("flow_completed", json!([say("never")]), json!({ "event_conditions": { "status": "failed" } })).await;
        stage.say("start").await;
        let sorry = &stage.answers(1).await[0];
        assert!(sorry.starts_with("sorry: node 0 (wait)"), "{sorry}");
    }

    async fn flows_that_start_one_another_are_cut(stage: Stage) {
        let flow = stage.on_event("flow_completed", json!([say("again")]), json!({})).await;
        let start = json!({ "flow_id": flow, "contact_phone": ADA, "bot_id": stage.bot });
        stage.api.post("/flows/execute?wait=10", start).await;
        assert_eq!(stage.answers(6).await.len(), 6, "one, and five that followed");
        let last = &stage.executions().await[0];
        let logs = stage.api.get(&format!("/flows/executions/{}/logs", last["id"])).await;
        let refused = logs["items"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(refused["event"], "trigger_refused");
        assert!(refused["detail"]["reason"].as_str().unwrap().contains("loop"), "{refused}");
    }

    async fn nothing_happens_while_the_bot_or_the_trigger_is_off(stage: Stage) {
        stage.on_event("new_contact", json!([say("never")]), json!({ "is_active": false })).await;
        stage.on_event("opt_out", json!([say("never")]), json!({})).await;
        let ada = stage.contact(json!({})).await;
        stage.api.put(&format!("/bots/{}", stage.bot), json!({ "is_active": false })).await;
        stage.api.put(&format!("/flows/contacts/{}", ada["id"]), json!({ "opted_in": false })).await;
        until("the event was handled", async || {
            stage.app.db().read().await.unwrap().count_mailboxes().await.unwrap() == (0, 0)
        }).await;
        assert_eq!(stage.emulator.count(), 0);
    }
}
