//! People whose addresses change, through the real server.

use emulator::Inbound;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, BOB, PATIENCE, Stage, ask, say, say_then, until};

const ID: &str = "US.13491208655302741918";
const NEW_ID: &str = "US.24817305912873645029";

async fn contacts(stage: &Stage) -> Vec<Value> {
    stage.api.get(&format!("/flows/contacts/?bot_id={}", stage.bot)).await["items"].as_array().unwrap().clone()
}

async fn asked(stage: &Stage) {
    stage.flow("hi", json!([ask("name?", "state.name", 1), say("hello {{ state.name }}")])).await;
}

each_database! {
    async fn a_conversation_goes_on_under_a_new_number(stage: Stage) {
        asked(&stage).await;
        stage.say("hi").await;
        assert_eq!(stage.answers(1).await, ["name?"]);
        let notice = Inbound::changed_number(ADA, BOB, Some(NEW_ID)).wamid("wamid.notice");
        for _ in 0..2 {
            stage.emulator.say_with(notice.clone()).delivered().await.unwrap();
        }
        stage.emulator.say_with(Inbound::text(BOB, "Ada").bsuid(NEW_ID)).delivered().await.unwrap();
        assert_eq!(stage.emulator.wait_for_to(BOB, 1, PATIENCE).await.unwrap()[0].text, "hello Ada");
        let contacts = contacts(&stage).await;
        assert_eq!((contacts.len(), &contacts[0]["phone"], &contacts[0]["bsuid"]), (1, &json!(BOB), &json!(NEW_ID)));
        for address in [ADA, BOB, NEW_ID] {
            let found = stage.api.get(&format!("/flows/executions/contact/{address}?bot_id={}", stage.bot)).await;
            assert_eq!(found["total"], 1, "{address}");
            let found = stage.api.get(&format!("/whatsapp/messages/{}?contact={address}", stage.bot)).await;
            assert_eq!(found["total"], 5, "{address}");
        }
        // Somebody else gets the old number; the notice comes once more and changes nothing.
        stage.emulator.say_with(Inbound::text(ADA, "hi").bsuid(ID)).delivered().await.unwrap();
        stage.emulator.wait_for_to(ADA, 2, PATIENCE).await.unwrap();
        stage.emulator.say_with(notice).delivered().await.unwrap();
        assert_eq!(self::contacts(&stage).await.len(), 2);
    }

    async fn a_conversation_goes_on_under_a_new_user_id(stage: Stage) {
        asked(&stage).await;
        stage.emulator.say_with(Inbound::text(ID, "hi")).delivered().await.unwrap();
        stage.emulator.wait_for_to(ID, 1, PATIENCE).await.unwrap();
        let update = json!({ "user_id_update": [
            { "detail": "x", "user_id": { "previous": ID, "current": NEW_ID }, "timestamp": "1760000000" }] });
        for _ in 0..2 {
            stage.emulator.emit("user_id_update", &update).delivered().await.unwrap();
        }
        stage.emulator.say_with(Inbound::changed_user_id(ID, NEW_ID)).delivered().await.unwrap();
        stage.emulator.say_with(Inbound::text(NEW_ID, "Nobody")).delivered().await.unwrap();
        let sent = stage.emulator.wait_for_to(NEW_ID, 1, PATIENCE).await.unwrap();
        assert_eq!((sent[0].text.as_str(), &sent[0].body["recipient"]), ("hello Nobody", &json!(NEW_ID)));
        assert_eq!(contacts(&stage).await.len(), 1);
        let events = stage.api.get(&format!("/whatsapp/account-events?bot_id={}", stage.bot)).await;
        assert_eq!((&events["total"], &events["items"][0]["payload"]), (&json!(1), &update));
    }

    async fn two_contacts_that_are_one_person_are_merged_with_all_that_waits(stage: Stage) {
        asked(&stage).await;
        stage.say("hi").await;
        stage.answers(1).await;
        stage.flow("order", json!([ask("what?", "state.what", 1), say("{{ state.what }} it is")])).await;
        stage.emulator.say_with(Inbound::text(ID, "order")).delivered().await.unwrap();
        stage.emulator.wait_for_to(ID, 1, PATIENCE).await.unwrap();
        assert_eq!(contacts(&stage).await.len(), 2);
        stage.emulator.say_with(Inbound::text(ADA, "Tea").bsuid(ID)).delivered().await.unwrap();
        stage.say("Ada").await;
        assert_eq!(stage.answers(3).await[1..], ["Tea it is", "hello Ada"]);
        assert_eq!(contacts(&stage).await.len(), 1);
        let executions = stage.executions().await;
        assert!(executions.iter().all(|execution| execution["status"] == "completed"), "{executions:?}");
        assert_eq!(executions.len(), 2);
        assert_eq!(stage.mailboxes().await, (0, 0));
    }

    async fn contacts_that_are_merged_in_the_middle_of_everything_get_every_message_once(stage: Stage) {
        let nodes = json!([say_then("{{ message.text }} 1", 1), say_then("{{ message.text }} 2", 2), say("{{ message.text }} 3")]);
        stage.flow("hi", nodes).await;
        stage.emulator.set_faults(emulator::Faults { delay_ms: 150, ..emulator::Faults::default() });
        let mut expected = Vec::new();
        for round in 0..4 {
            let (digits, id) = (format!("1650555020{round}"), format!("US.{round}"));
            let text = |name: &str| format!("hi {name} {round}");
            stage.emulator.say(&digits, &text("phone")).delivered().await.unwrap();
            stage.emulator.say(&id, &text("id")).delivered().await.unwrap();
            // In the first round both have messages on their way by now, in the later ones at other places.
            tokio::time::sleep(std::time::Duration::from_millis(60 * round)).await;
            stage.emulator.say_with(Inbound::text(&digits, &text("both")).bsuid(&id)).delivered().await.unwrap();
            for name in ["phone", "id", "both"] {
                expected.extend((1..=3).map(|n| format!("{} {n}", text(name))));
            }
        }
        stage.emulator.wait_for(expected.len(), PATIENCE).await.unwrap();
        stage.at_rest().await;
        let mut sent: Vec<String> = stage.emulator.sent().into_iter().map(|sent| sent.text).collect();
        sent.sort();
        expected.sort();
        assert_eq!(sent, expected);
        assert_eq!(contacts(&stage).await.len(), 4);
        assert_eq!(stage.mailboxes().await, (0, 0));
        assert!(stage.history("outbound").await.iter().all(|message| message["ambiguous_attempts"] == 0));
    }

    async fn a_reply_from_the_number_that_meta_made_of_it_finds_its_contact(stage: Stage) {
        asked(&stage).await;
        let (given, real) = ("5511987654321", "551187654321");
        stage.emulator.name_person(given, real, Some(ID));
        let flow = stage.api.get(&format!("/bots/flows/?bot_id={}", stage.bot)).await["items"][0]["id"].clone();
        let start = json!({ "flow_id": flow, "contact_phone": given, "bot_id": stage.bot });
        stage.api.post("/flows/execute", start).await;
        stage.emulator.wait_for_to(given, 1, PATIENCE).await.unwrap();
        until("the id is learned", async || contacts(&stage).await[0]["bsuid"] == ID).await;
        stage.emulator.say_with(Inbound::text(real, "Ada").bsuid(ID)).delivered().await.unwrap();
        assert_eq!(stage.emulator.wait_for_to(given, 2, PATIENCE).await.unwrap()[1].text, "hello Ada");
        assert_eq!(contacts(&stage).await.len(), 1);
        let start = json!({ "flow_id": flow, "contact_phone": real, "bot_id": stage.bot });
        stage.api.post("/flows/execute", start).await;
        stage.emulator.wait_for_to(given, 3, PATIENCE).await.unwrap();
    }

    async fn the_api_takes_a_user_id_wherever_it_takes_a_phone(stage: Stage) {
        let flow = stage.flow("hi", json!([say("hello")])).await;
        let send = format!("/whatsapp/send/text?bot_id={}", stage.bot);
        assert_eq!(stage.api.post(&send, json!({ "to": ID, "text": "by id" })).await["status"], "accepted");
        let start = json!({ "flow_id": flow, "contact_phone": ID, "bot_id": stage.bot });
        assert_eq!(stage.api.post("/flows/execute?wait=10", start).await["contact_phone"], ID);
        assert_eq!(stage.api.get(&format!("/flows/executions/contact/{ID}?bot_id={}", stage.bot)).await["total"], 1);
        let sent = stage.emulator.wait_for_to(ID, 2, PATIENCE).await.unwrap();
        assert!(sent.iter().all(|sent| sent.body["recipient"] == ID && sent.body.get("to").is_none()));
        let contact = stage.api.post("/flows/contacts/", json!({ "bot_id": stage.bot, "phone": NEW_ID })).await;
        assert_eq!(stage.api.get(&format!("/flows/contacts/{}", contact["id"])).await["bsuid"], NEW_ID);
        assert_eq!(stage.api.get(&format!("/flows/contacts/?q={NEW_ID}")).await["total"], 1);
    }

    async fn a_status_that_overtakes_metas_answer_is_held_until_then(stage: Stage) {
        stage.flow("hi", json!([say("hello")])).await;
        let slow = emulator::Faults { delay_ms: 300, forgets_callback_data: true, ..emulator::Faults::default() };
        stage.emulator.set_faults(slow);
        let before = stage.metric("chatboost_statuses_early_total").await;
        stage.say("hi").await;
        until("the answer is read", async || {
            stage.history("outbound").await.first().is_some_and(|message| message["status"] == "read")
        }).await;
        let message = &stage.history("outbound").await[0];
        for at in ["accepted_at", "sent_at", "delivered_at", "read_at"] {
            assert!(message[at].is_string(), "{at}: {message}");
        }
        assert!(stage.metric("chatboost_statuses_early_total").await > before);
    }
}
