//! What comes in: signatures, duplicates, odd pieces, unknown numbers.

use emulator::{Inbound, Signature};
use serde_json::{Value, json};
use tests::{Method, each_database};

use super::{ADA, BOB, PATIENCE, Stage, say, until};

/// A webhook of raw messages from Ada.
fn payload(number: &str, messages: &Value) -> Vec<u8> {
    json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": {
        "messaging_product": "whatsapp",
        "metadata": { "display_phone_number": "15550001111", "phone_number_id": number },
        "contacts": [{ "wa_id": ADA, "profile": { "name": "Ada" } }],
        "messages": messages,
    } }] }] })
    .to_string()
    .into_bytes()
}

fn text(wamid: &str, body: &str) -> Value {
    json!({ "from": ADA, "id": wamid, "timestamp": "1760000000", "type": "text", "text": { "body": body } })
}

each_database! {
    async fn a_message_is_stored_answered_and_its_delivery_followed(stage: Stage) {
        stage.flow("hi", json!([say("Hello {{ contact.first_name }}, you said {{ message.text }}")])).await;
        stage.emulator.say_with(Inbound::text(ADA, "  HI there ").named("Ada Lovelace")).delivered().await.unwrap();
        assert_eq!(stage.answers(1).await, ["Hello Ada, you said   HI there "]);
        let sent = &stage.emulator.sent_to(ADA)[0];
        until("the answer is read", async || stage.history("outbound").await[0]["status"] == "read").await;

        let outbound = &stage.history("outbound").await[0];
        assert_eq!(sent.body["biz_opaque_callback_data"], outbound["id"].to_string());
        assert_eq!(outbound["whatsapp_message_id"], sent.wamid.as_str());
        assert_eq!(outbound["contact_phone"], ADA);
        assert_eq!(outbound["attempts"], 1);
        for stage_at in ["sent_at", "delivered_at", "read_at"] {
            assert!(outbound[stage_at].is_string(), "{stage_at}: {outbound}");
        }
        let inbound = &stage.history("inbound").await[0];
        assert_eq!((&inbound["status"], &inbound["type"]), (&json!("received"), &json!("text")));
        assert_eq!(inbound["text"], "  HI there ");
        let contacts = stage.api.get(&format!("/flows/contacts/?bot_id={}", stage.bot)).await;
        assert_eq!((&contacts["total"], &contacts["items"][0]["name"]), (&json!(1), &json!("Ada Lovelace")));
        let execution = &stage.executions().await[0];
        assert_eq!(execution["status"], "completed");
    }

    async fn the_same_message_is_answered_once_however_often_it_comes(stage: Stage) {
        stage.flow("hi", json!([say("once")])).await;
        let twice = [Inbound::text(ADA, "hi").wamid("wamid.same"), Inbound::text(ADA, "hi").wamid("wamid.same")];
        for _ in 0..3 {
            stage.emulator.say_many(&twice).delivered().await.unwrap();
        }
        stage.emulator.say_with(Inbound::text(BOB, "hi").wamid("wamid.other")).delivered().await.unwrap();
        stage.emulator.wait_for_to(BOB, 1, PATIENCE).await.unwrap();
        assert_eq!(stage.answers(1).await, ["once"]);
        assert_eq!(stage.history("inbound").await.len(), 2);
        assert_eq!(stage.executions().await.len(), 1);
    }

    async fn without_a_valid_signature_nothing_is_stored(stage: Stage) {
        stage.flow("hi", json!([say("no")])).await;
        let body = payload(&stage.emulator.number().phone_number_id, &json!([text("wamid.1", "hi")]));
        for signature in [Signature::Wrong, Signature::None] {
            let (status, _) = stage.emulator.post_raw(&body, signature).await.unwrap();
            assert_eq!(status, 401);
        }
        assert_eq!(stage.history("inbound").await.len(), 0);
        assert_eq!(stage.api.get("/flows/contacts/").await["total"], 0);
        let (status, _) = stage.emulator.post_raw(&body, Signature::Valid).await.unwrap();
        assert_eq!(status, 200);
        assert_eq!(stage.history("inbound").await.len(), 1);
    }

    async fn an_unknown_number_is_acknowledged_and_counted(stage: Stage) {
        let before = stage.metric("chatboost_webhook_unknown_numbers_total").await;
        let (status, _) = stage.emulator.post_raw(&payload("999", &json!([text("w", "hi")])), Signature::Valid).await.unwrap();
        assert_eq!(status, 200);
        assert!(stage.metric("chatboost_webhook_unknown_numbers_total").await > before);
        assert_eq!(stage.history("inbound").await.len(), 0);
    }

    async fn an_odd_piece_does_not_disturb_its_siblings(stage: Stage) {
        stage.flow("hi", json!([say("hello {{ message.text }}")])).await;
        let number = stage.emulator.number().phone_number_id.clone();
        let messages = json!([text("wamid.1", "hi 1"), { "type": "text" }, 7, text("wamid.2", "hi\u{0} 2"), { "id": [] }]);
        let mut body: Value = serde_json::from_slice(&payload(&number, &messages)).unwrap();
        body["entry"].as_array_mut().unwrap().insert(0, json!({ "changes": "none" }));
        body["entry"].as_array_mut().unwrap().push(json!({ "changes": [{ "field": "from_the_future", "value": [] }] }));
        let (status, _) = stage.emulator.post_raw(body.to_string().as_bytes(), Signature::Valid).await.unwrap();
        assert_eq!(status, 200);
        assert_eq!(stage.answers(2).await, ["hello hi 1", "hello hi\u{fffd} 2"]);
    }

    async fn a_body_that_is_no_webhook_is_refused_without_a_fuss(stage: Stage) {
        for body in [&b"{\"object\":"[..], b"", b"\xff\xfe"] {
            let (status, _) = stage.emulator.post_raw(body, Signature::Valid).await.unwrap();
            assert_eq!(status, 400);
        }
        for body in [&b"[]"[..], b"{}", b"null", b"{\"entry\":7}"] {
            let (status, _) = stage.emulator.post_raw(body, Signature::Valid).await.unwrap();
            assert_eq!(status, 200);
        }
        let (status, _) = stage.emulator.post_raw(&vec![b' '; 5 * 1024 * 1024], Signature::Valid).await.unwrap();
        assert_eq!(status, 413);
    }

    async fn a_thousand_updates_in_three_megabytes_are_one_post(stage: Stage) {
        stage.flow("hi", json!([say("x")])).await;
        let filler = "é".repeat(1_300);
        let messages: Vec<Value> = (0..1000).map(|n| text(&format!("wamid.{n}"), &format!("{n} {filler}"))).collect();
        let body = payload(&stage.emulator.number().phone_number_id, &json!(messages));
        assert!(body.len() > 2_700_000, "{}", body.len());
        let (status, _) = stage.emulator.post_raw(&body, Signature::Valid).await.unwrap();
        assert_eq!(status, 200);
        let total = &stage.api.get(&format!("/whatsapp/messages/{}", stage.bot)).await["total"];
        assert_eq!(total, 1000);
        stage.at_rest().await;
    }

    async fn the_secret_of_one_bot_does_not_speak_for_another(stage: Stage) {
        stage.flow("hi", json!([say("no")])).await;
        let mallory = stage.app.api().registered("mallory").await;
        let bot = json!({ "name": "m", "whatsapp_phone_number_id": "777", "whatsapp_app_secret": "mallorys secret" });
        mallory.post("/bots/", bot).await;
        let forged = payload(&stage.emulator.number().phone_number_id, &json!([text("wamid.f", "hi")]));
        let own = payload("777", &json!([text("wamid.o", "hi")]));
        let mut both: Value = serde_json::from_slice(&forged).unwrap();
        both["entry"].as_array_mut().unwrap().push(serde_json::from_slice::<Value>(&own).unwrap()["entry"][0].clone());
        let post = async |body: &[u8]| {
            let signature = whatsapp::signature::sign("mallorys secret", body);
            stage.api.post_bytes("/whatsapp/webhook", &[("x-hub-signature-256", &signature)], body).await
        };
        assert_eq!(post(&forged).await, 401);
        assert_eq!(post(both.to_string().as_bytes()).await, 401, "not all of it was taken");
        assert_eq!(stage.history("inbound").await.len(), 0, "the other bot's part was not");
        let bots = mallory.get("/bots/").await;
        let own = mallory.get(&format!("/whatsapp/messages/{}", bots["items"][0]["id"])).await;
        assert_eq!(own["total"], 1, "but their own part was");
    }

    async fn a_database_that_is_gone_is_not_acknowledged(stage: Stage) {
        let body = payload(&stage.emulator.number().phone_number_id, &json!([text("wamid.1", "hi")]));
        stage.app.db().close().await;
        let (status, _) = stage.emulator.post_raw(&body, Signature::Valid).await.unwrap();
        assert_eq!(status, 503);
        stage.api.send(Method::GET, "/bots/", None).await.problem(503);
        stage.api.send(Method::GET, "/health/ready", None).await.problem(503);
        assert_eq!(stage.api.send(Method::GET, "/health", None).await.status, 200);
    }

    async fn the_handshake_echoes_the_challenge_of_whoever_knows_a_token(stage: Stage) {
        let ask = async |query: &str| {
            stage.api.anonymous().send(Method::GET, &format!("/whatsapp/webhook?{query}"), None).await
        };
        let shake = async |token: &str| ask(&format!("hub.mode=subscribe&hub.verify_token={token}&hub.challenge=00116")).await;
        let answer = shake("verify%20token%20for%20tests").await;
        assert_eq!((answer.status, answer.text.as_str()), (200, "00116"));
        assert!(answer.header("content-type").starts_with("text/plain"));
        shake("wrong").await.problem(403);
        stage.api.put(&format!("/bots/{}", stage.bot), json!({ "name": "Bot", "whatsapp_verify_token": "own" })).await;
        assert_eq!(shake("own").await.text, "00116");
        ask("hub.mode=subscribe").await.problem(422);
    }

    async fn people_without_a_phone_are_answered_by_their_id(stage: Stage) {
        stage.flow("hi", json!([say("hello you")])).await;
        let id = "US.13491208655302741918";
        let number = stage.emulator.number().phone_number_id.clone();
        let body = json!({ "object": "whatsapp_business_account", "entry": [{ "id": "1", "changes": [{ "field": "messages", "value": {
            "messaging_product": "whatsapp", "metadata": { "phone_number_id": number },
            "contacts": [{ "user_id": id, "profile": { "name": "Nobody", "username": "nobody" } }],
            "messages": [{ "from_user_id": id, "id": "wamid.b", "timestamp": "1760000000", "type": "text", "text": { "body": "hi" } }],
        } }] }] });
        let (status, _) = stage.emulator.post_raw(body.to_string().as_bytes(), Signature::Valid).await.unwrap();
        assert_eq!(status, 200);
        let sent = stage.emulator.wait_for(1, PATIENCE).await.unwrap();
        assert_eq!((&sent[0].body["recipient"], sent[0].body.get("to")), (&json!(id), None));
        assert_eq!(stage.api.get(&format!("/flows/executions/contact/{id}")).await["total"], 1);
    }

    async fn reactions_and_group_messages_start_nothing(stage: Stage) {
        stage.flow("hi", json!([say("hello")])).await;
        stage.emulator.say_with(Inbound::reaction(ADA, "wamid.x", "👍")).delivered().await.unwrap();
        stage.emulator.say_with(Inbound::text(ADA, "hi").beside("group_id", "G1")).delivered().await.unwrap();
        stage.say("hi").await;
        assert_eq!(stage.answers(1).await, ["hello"]);
        assert_eq!(stage.history("inbound").await.len(), 3);
    }

    async fn a_bot_that_is_switched_off_takes_messages_in_and_runs_nothing(stage: Stage) {
        stage.flow("hi", json!([say("hello")])).await;
        stage.api.put(&format!("/bots/{}", stage.bot), json!({ "name": "Bot", "is_active": false })).await;
        stage.say("hi").await;
        stage.at_rest().await;
        assert_eq!((stage.emulator.count(), stage.history("inbound").await.len()), (0, 1));
    }
}
