//! What is deleted leaves nothing dangling.

use serde_json::json;
use tests::{Method, each_database};

use super::{ADA, Stage, ask, say, until};

each_database! {
    async fn executions_of_a_deleted_flow_finish_and_no_new_ones_start(stage: Stage) {
        let flow = stage.flow("hi", json!([ask("Your name?", "state.name", 1), say("Hello {{ state.name }}")])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        stage.api.delete(&format!("/bots/flows/{flow}")).await;
        stage.api.send(Method::GET, &format!("/bots/flows/{flow}"), None).await.problem(404);
        assert_eq!(stage.api.get("/bots/flows/").await["total"], 0);
        assert_eq!(stage.api.get("/triggers/").await["total"], 0);
        stage.say("Ada").await;
        assert_eq!(stage.answers(2).await[1], "Hello Ada");
        stage.say("hi").await;
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 2);
        let start = json!({ "flow_id": flow, "contact_phone": ADA, "bot_id": stage.bot });
        stage.api.send(Method::POST, "/flows/execute", Some(&start)).await.problem(404);
        assert_eq!(stage.executions().await[0]["status"], "completed");
    }

    async fn a_deleted_bot_takes_everything_along_and_frees_its_number(stage: Stage) {
        let flow = stage.flow("hi", json!([ask("Your name?", "state.name", 1), say("Hello {{ state.name }}")])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        let execution = stage.executions().await[0]["id"].clone();
        let contact = stage.api.get("/flows/contacts/").await["items"][0]["id"].clone();
        let trigger = stage.api.get("/triggers/").await["items"][0]["id"].clone();
        stage.api.delete(&format!("/bots/{}", stage.bot)).await;
        for path in [
            format!("/bots/{}", stage.bot),
            format!("/bots/flows/{flow}"),
            format!("/flows/contacts/{contact}"),
            format!("/flows/executions/{execution}"),
            format!("/triggers/{trigger}"),
            format!("/whatsapp/messages/{}", stage.bot),
        ] {
            stage.api.send(Method::GET, &path, None).await.problem(404);
        }
        for path in ["/bots/", "/bots/flows/", "/flows/contacts/", "/triggers/"] {
            assert_eq!(stage.api.get(path).await["total"], 0, "{path}");
        }
        // Another bot takes the number over, and starts from nothing.
        let number = &stage.emulator.number().phone_number_id;
        let bot = json!({ "name": "Next", "is_whatsapp_enabled": true, "whatsapp_phone_number_id": number });
        stage.api.post("/bots/", bot).await;
        stage.say("Ada").await;
        stage.at_rest().await;
        assert_eq!(stage.emulator.count(), 1);
    }

    async fn what_a_deleted_bot_leaves_behind_is_removed_in_the_background(stage: Stage) {
        let flow = stage.flow("hi", json!([say("hello")])).await;
        for n in 0..250 {
            let start = json!({ "flow_id": flow, "contact_phone": format!("1650558{n:04}"), "bot_id": stage.bot });
            stage.api.post("/flows/execute", start).await;
        }
        stage.at_rest().await;
        let message = domain::MessageId(stage.history("outbound").await[0]["id"].as_i64().unwrap());
        stage.api.delete(&format!("/bots/{}", stage.bot)).await;
        stage.api.send(Method::DELETE, &format!("/bots/{}", stage.bot), None).await.problem(404);
        until("nothing is left of the bot", async || {
            let mut tx = stage.app.db().read().await.unwrap();
            tx.deleted_bot().await.unwrap().is_none()
                && tx.bot_runtimes(&[domain::BotId(stage.bot)]).await.unwrap().is_empty()
                && tx.message(message).await.unwrap().is_none()
                && tx.count_mailboxes().await.unwrap() == (0, 0)
        }).await;
    }
}
