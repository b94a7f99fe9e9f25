//! Conversations: turns, branches, order, who gets a message.

use emulator::Inbound;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, PATIENCE, Stage, ask, say, say_then};

each_database! {
    async fn a_conversation_of_several_turns(stage: Stage) {
        stage.flow("start", json!([
            ask("Your name?", "state.name", 1),
            { "type": "ask", "config": { "message_type": "interactive", "store_in": "state.drink", "next": 2, "content": {
                "type": "button", "body": { "text": "What may it be, {{ state.name }}?" },
                "action": { "buttons": [
                    { "type": "reply", "reply": { "id": "tea", "title": "Tea" } },
                    { "type": "reply", "reply": { "id": "coffee", "title": "Coffee" } } ] } } } },
            { "type": "condition", "config": { "variable": "state.drink_id", "operator": "==", "value": "tea", "true_path": 3, "false_path": 4 } },
            say("A tea for {{ state.name }}"),
            say("A coffee for {{ state.name }}"),
        ])).await;
        stage.say("start").await;
        stage.answers(1).await;
        stage.say("Ada").await;
        stage.answers(2).await;
        stage.emulator.say_with(Inbound::button_reply(ADA, "tea", "Tea")).delivered().await.unwrap();
        assert_eq!(stage.answers(3).await[2], "A tea for Ada");
        let execution = &stage.executions().await[0];
        assert_eq!(execution["status"], "completed");
        assert_eq!(execution["state"], json!({ "name": "Ada", "drink": "Tea", "drink_id": "tea" }));
    }

    async fn messages_of_a_contact_are_handled_in_order_however_they_come(stage: Stage) {
        stage.flow("first", json!([
            { "type": "set_variable", "config": { "assignments": { "state.n": "{{ (state.n or 0) + 1 }}" }, "next": 1 } },
            ask("{{ state.n }}: {{ message.text }}", "state.x", 0),
        ])).await;
        let now = || stage.app.clock().now();
        let batch: Vec<Inbound> = (0..40)
            .map(|n| Inbound::text(ADA, &if n == 0 { "first".into() } else { format!("message {n}") }))
            .enumerate()
            .map(|(n, message)| message.at(now() - chrono::TimeDelta::seconds(100 - i64::try_from(n).unwrap())))
            .rev()
            .collect();
        stage.emulator.say_many(&batch).delivered().await.unwrap();
        let expected: Vec<String> = (0..40)
            .map(|n| if n == 0 { "1: first".into() } else { format!("{}: message {n}", n + 1) })
            .collect();
        assert_eq!(stage.answers(40).await, expected);
    }

    async fn many_contacts_at_once_get_their_own_answers(stage: Stage) {
        stage.flow("hi", json!([say_then("one for {{ contact.phone }}", 1), say("two for {{ contact.phone }}")])).await;
        let phone = |n: usize| format!("1650556{n:04}");
        let tickets: Vec<_> = (0..100).map(|n| stage.emulator.say(&phone(n), "hi")).collect();
        for ticket in tickets {
            ticket.delivered().await.unwrap();
        }
        stage.emulator.wait_for(200, PATIENCE).await.unwrap();
        stage.at_rest().await;
        for n in 0..100 {
            let texts: Vec<String> = stage.emulator.sent_to(&phone(n)).into_iter().map(|s| s.text).collect();
            assert_eq!(texts, [format!("one for {}", phone(n)), format!("two for {}", phone(n))]);
        }
    }

    async fn whoever_waits_gets_the_message_unless_a_trigger_may_interrupt(stage: Stage) {
        stage.flow("start", json!([ask("?", "state.a", 1), say("got {{ state.a }}")])).await;
        stage.flow("menu", json!([say("the menu")])).await;
        let stop = stage.api.post("/bots/flows/", json!({ "bot_id": stage.bot, "name": "s", "nodes": [say("stopped")] })).await;
        stage.api.post("/triggers/", json!({
            "name": "stop", "bot_id": stage.bot, "flow_id": stop["id"], "trigger_type": "keyword",
            "keywords": ["stop"], "match_type": "exact", "interrupt": true,
        })).await;
        stage.say("start").await;
        stage.answers(1).await;
        stage.say("menu").await;
        assert_eq!(stage.answers(2).await[1], "got menu");
        stage.say("start").await;
        stage.answers(3).await;
        stage.say("STOP").await;
        assert_eq!(stage.answers(4).await[3], "stopped");
        let statuses: Vec<Value> = stage.executions().await.iter().map(|e| e["status"].clone()).collect();
        assert_eq!(statuses, ["completed", "cancelled", "completed"]);
    }

    async fn the_highest_priority_wins_and_only_one_flow_starts(stage: Stage) {
        for (text, priority) in [("low", 1), ("high", 5), ("also high", 5)] {
            let flow = stage.api.post("/bots/flows/", json!({ "bot_id": stage.bot, "name": text, "nodes": [say(text)] })).await;
            stage.api.post("/triggers/", json!({
                "name": text, "bot_id": stage.bot, "flow_id": flow["id"], "trigger_type": "keyword",
                "keywords": ["hi"], "match_type": "contains", "priority": priority,
            })).await;
        }
        stage.say("well, Hi").await;
        assert_eq!(stage.answers(1).await, ["high"]);
    }

    async fn a_changed_flow_is_what_the_next_conversation_runs(stage: Stage) {
        let flow = stage.flow("hi", json!([ask("old?", "state.a", 1), say("old end")])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        let nodes = json!([ask("new?", "state.a", 1), say("new end")]);
        stage.api.put(&format!("/bots/flows/{flow}"), json!({ "name": "hi", "nodes": nodes })).await;
        stage.say("whatever").await;
        assert_eq!(stage.answers(2).await[1], "old end", "a running execution keeps its version");
        stage.say("hi").await;
        assert_eq!(stage.answers(3).await[2], "new?");
    }

    async fn a_loop_ends_as_a_failed_execution(stage: Stage) {
        let flow = json!({ "bot_id": stage.bot, "name": "loop", "nodes": [
            { "type": "set_variable", "config": { "assignments": { "state.n": 1 }, "next": 1 } },
            { "type": "condition", "config": { "variable": "state.n", "operator": "==", "value": 1, "true_path": 0, "false_path": 2 } },
            say("never"),
        ] });
        let flow = stage.api.post("/bots/flows/", flow).await;
        let start = json!({ "flow_id": flow["id"], "contact_phone": ADA, "bot_id": stage.bot });
        let execution = stage.api.post("/flows/execute?wait=10", start).await;
        assert_eq!(execution["status"], "failed");
        assert!(execution["error"].as_str().unwrap().contains("200 nodes without waiting"), "{execution}");
    }

    async fn the_examples_of_the_specification_run_as_written(stage: Stage) {
        let flow = json!({ "bot_id": stage.bot, "name": "seed", "nodes": [
            { "type": "send_message", "config": { "message_type": "text", "content": { "text": "Hello {{contact.first_name}}!" }, "next": 1 } },
            { "type": "condition", "config": { "variable": "state.user_response", "operator": "==", "value": "yes", "true_path": 2, "false_path": 3 } },
            say("yes it is"),
            say("no"),
        ] });
        let flow = stage.api.post("/bots/flows/", flow).await;
        let contact = json!({ "bot_id": stage.bot, "phone": ADA, "first_name": "Ada" });
        stage.api.post("/flows/contacts/", contact).await;
        let start = json!({ "flow_id": flow["id"], "contact_phone": format!("+{ADA}"), "bot_id": stage.bot, "initial_state": { "user_response": "yes" } });
        let execution = stage.api.post("/flows/execute?wait=10", start).await;
        assert_eq!(execution["status"], "completed");
        assert_eq!(stage.answers(2).await, ["Hello Ada!", "yes it is"]);
    }
}
