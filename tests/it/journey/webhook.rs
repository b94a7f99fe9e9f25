//! What comes in: signatures, duplicates, odd pieces, unknown numbers.

use domain::{Clock, ExecutionId, SystemClock};
use emulator::{Inbound, Signature};
use serde_json::{Value, json};
use tests::{Method, each_database};

use super::{ADA, BOB, PATIENCE, Stage, ask, say, until};

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

/// The present as Meta writes it: what was written long ago is not answered.
fn timestamp() -> String {
    SystemClock.now().timestamp().to_string()
}

fn text(wamid: &str, body: &str) -> Value {
    json!({ "from": ADA, "id": wamid, "timestamp": timestamp(), "type": "text", "text": { "body": body } })
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

    async fn a_contact_that_cannot_be_handled_loses_nothing_and_holds_up_nobody(stage: Stage) {
        stage.flow("hi", json!([ask("Who?", "name", 1), say("Hello {{ state.name }}")])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        // The step that comes next in the log is there already, which the database does not take.
        let id = ExecutionId(stage.executions().await[0]["id"].as_i64().unwrap());
        let mut tx = stage.app.db().begin().await.unwrap();
        let mut step = tx.list_steps(id, 1, 0).await.unwrap();
        step.items[0].seq = step.total;
        tx.append_steps(&step.items).await.unwrap();
        tx.commit().await.unwrap();

        stage.emulator.say_many(&[Inbound::text(ADA, "Ada"), Inbound::text(BOB, "hi")]).delivered().await.unwrap();
        stage.emulator.wait_for_to(BOB, 1, PATIENCE).await.unwrap();
        // What is to be tried again keeps the server from being at rest.
        until("nothing is in work", async || stage.app.running().app().work.pending() == (0, 0)).await;
        let answers: Vec<String> = stage.emulator.sent_to(ADA).into_iter().map(|sent| sent.text).collect();
        assert_eq!(answers, ["Who?"]);
        assert_eq!(stage.history("inbound").await.len(), 3, "all of them are stored");
        assert_eq!(stage.executions().await[0]["status"], "waiting_input");
        let (_, busy) = stage.mailboxes().await;
        assert!(busy >= 1, "it is tried again later");
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

    async fn every_kind_of_odd_piece_is_counted_and_costs_no_sibling(stage: Stage) {
        stage.flow("hi", json!([say("hello {{ message.text }}")])).await;
        let number = stage.emulator.number().phone_number_id.clone();
        let good = |wamid: &str| serde_json::from_slice::<Value>(&payload(&number, &json!([text(wamid, "hi")]))).unwrap()["entry"][0].clone();
        let of = |value: Value| json!({ "id": "1", "changes": [{ "field": "messages", "value": value }] });
        let with = |name: &str, items: Value| of(json!({ "metadata": { "phone_number_id": number }, name: items }));
        let cases = [
            ("not_an_object", json!(7)),
            ("not_an_array", with("messages", json!("none"))),
            ("not_a_text", with("messages", json!([{ "id": {}, "type": "text" }]))),
            ("missing", json!({ "changes": [{ "field": "messages" }] })),
            ("no_number", of(json!({ "messages": [text("wamid.n", "hi")] }))),
            ("no_sender", with("messages", json!([{ "id": "wamid.s", "type": "text", "text": { "body": "hi" } }]))),
            ("no_content", with("messages", json!([{ "from": BOB, "id": "wamid.c", "type": "text", "text": 7 }]))),
            ("empty", of(json!({ "metadata": { "phone_number_id": number } }))),
            ("unknown_status", with("statuses", json!([{ "id": "wamid.u", "status": "in_orbit" }]))),
        ];
        for (n, (kind, odd)) in cases.iter().enumerate() {
            let name = format!("chatboost_webhook_odd_pieces_total{{kind=\"{kind}\"}}");
            let before = stage.metric(&name).await;
            let entries = [good(&format!("wamid.a{n}")), odd.clone(), good(&format!("wamid.b{n}"))];
            let body = json!({ "object": "whatsapp_business_account", "entry": entries }).to_string();
            let (status, _) = stage.emulator.post_raw(body.as_bytes(), Signature::Valid).await.unwrap();
            assert_eq!(status, 200, "{kind}");
            assert!(stage.metric(&name).await > before, "{kind}");
            assert_eq!(stage.answers(2 * (n + 1)).await.len(), 2 * (n + 1), "{kind}");
        }
        let path = format!("/whatsapp/account-events?bot_id={}&field=messages", stage.bot);
        assert_eq!(stage.api.get(&path).await["items"][0]["payload"]["id"], "wamid.s", "what is nobody's is kept");
        let before = stage.metric("chatboost_webhook_odd_pieces_total{kind=\"not_whatsapp\"}").await;
        stage.emulator.post_raw(b"{\"object\":\"page\",\"entry\":[]}", Signature::Valid).await.unwrap();
        assert!(stage.metric("chatboost_webhook_odd_pieces_total{kind=\"not_whatsapp\"}").await > before);
    }

    async fn no_damage_to_a_payload_is_a_fault_of_ours(stage: Stage) {
        let number = stage.emulator.number().phone_number_id.clone();
        let message = r#"{"from":"16505550101","id":"wamid.x","timestamp":"1760000000","type":"text","text":{"body":"\u202e \u200b \ud83d \u0000 שלום"},"context":{"id":12345678901234567890123},"referral":{"n":9007199254740993}}"#;
        let status = r#"{"id":"wamid.x","status":"read","timestamp":99999999999999999999,"recipient_id":16505550101,"biz_opaque_callback_data":"9223372036854775807","errors":[7]}"#;
        let echo = r#"{"field":"smb_message_echoes","value":{"message_echoes":[{"to":{},"from":[],"id":"e","type":"text","text":{}}]}}"#;
        let prefs = r#"{"field":"user_preferences","value":{"user_preferences":[{"wa_id":16505550101,"value":"stop","category":"marketing_messages","timestamp":-1}]}}"#;
        let body = format!(
            r#"{{"object":"whatsapp_business_account","entry":[{{"id":18446744073709551616,"time":1e400,"changes":[{{"field":"messages","value":{{"metadata":{{"phone_number_id":"{number}"}},"contacts":[{{"wa_id":16505550101,"profile":{{"name":"\udc4d\u0000"}}}}],"messages":[{message}],"statuses":[{status}]}}}},{echo},{prefs}]}}]}}"#
        );
        // Cut anywhere; every byte replaced by another one; every value by each other kind.
        let mut bodies: Vec<Vec<u8>> = (0..body.len()).step_by(17).map(|cut| body.as_bytes()[..cut].to_vec()).collect();
        for (at, byte) in (0..body.len()).step_by(7).zip([b'"', b'{', b'\\', 0xff, b'0', b',', 0].into_iter().cycle()) {
            let mut damaged = body.clone().into_bytes();
            damaged[at] = byte;
            bodies.push(damaged);
        }
        for (at, _) in body.match_indices(':') {
            for wrong in ["7", "null", "[]", "{}", "\"x\"", "[[[]]]", "-1e999"] {
                // The value is replaced as far as its first comma or bracket, so that some of it stays JSON.
                let rest = &body[at + 1..];
                let end = rest.find([',', '}', ']']).unwrap_or(rest.len());
                bodies.push(format!("{}{wrong}{}", &body[..=at], &rest[end..]).into_bytes());
            }
        }
        bodies.push(body.clone().into_bytes());
        let mut taken = 0;
        for (n, bytes) in bodies.iter().enumerate() {
            // None is a repetition of another one.
            let renamed = str::from_utf8(bytes).map(|body| body.replace("wamid.x", &format!("wamid.{n}")).into_bytes());
            let bytes = renamed.unwrap_or_else(|_| bytes.clone());
            let (status, text) = stage.emulator.post_raw(&bytes, Signature::Valid).await.unwrap();
            assert!(matches!(status, 200 | 400), "{status} {text} for {}", String::from_utf8_lossy(&bytes));
            taken += usize::from(status == 200);
        }
        assert!(taken > bodies.len() / 4, "{taken} of {}", bodies.len());
        stage.at_rest().await;
        let last = format!("wamid.{}", bodies.len() - 1);
        assert_eq!(stage.history("inbound").await.last().unwrap()["whatsapp_message_id"], last);
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
            "messages": [{ "from_user_id": id, "id": "wamid.b", "timestamp": timestamp(), "type": "text", "text": { "body": "hi" } }],
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
