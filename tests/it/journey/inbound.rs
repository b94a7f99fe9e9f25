//! What people can send, and what a bot gets of it.

use emulator::Inbound;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, BOB, Stage, say, until};

/// A person's messages in the history, the newest first, once there are `n`.
async fn received(stage: &Stage, n: usize) -> Vec<Value> {
    until("all is stored", async || stage.history("inbound").await.len() == n).await;
    let mut items = stage.history("inbound").await;
    items.reverse();
    items
}

/// A flow that any message starts.
async fn on_any_message(stage: &Stage, text: &str) {
    let flow = json!({ "bot_id": stage.bot, "name": "any", "nodes": [say(text)] });
    let flow = stage.api.post("/bots/flows/", flow).await;
    let trigger = json!({
        "name": "any", "bot_id": stage.bot, "flow_id": flow["id"], "trigger_type": "event",
        "event_type": "message_received",
    });
    stage.api.post("/triggers/", trigger).await;
}

each_database! {
    async fn every_type_reaches_the_flow_with_what_it_brings(stage: Stage) {
        let told = "{{ message.type }} {{ message.text }} {{ message.reply_id }} {{ message.content.id }} \
                    {{ message.content.mime_type }} {{ message.content.filename }} {{ message.content.latitude }} \
                    {{ message.content.product_items[0].product_retailer_id }} {{ message.content.nfm_reply.response.age }} \
                    {{ message.content[0].name.formatted_name }} {{ message.context.forwarded }} \
                    {{ message.context.referred_product.product_retailer_id }} {{ message.referral.ctwa_clid }} \
                    {{ message.error.code }}";
        on_any_message(&stage, told).await;
        let people = json!([{ "name": { "formatted_name": "Bob B." } }]);
        let product = json!({ "id": "wamid.q", "referred_product": { "catalog_id": "8", "product_retailer_id": "sku-3" } });
        let lost = json!([{ "code": 131_052, "title": "cannot be had" }]);
        let cases = [
            (Inbound::text(ADA, "hi"), "text hi"),
            (Inbound::text(ADA, "hi").beside("context", json!({ "forwarded": true })), "text hi True"),
            (Inbound::text(ADA, "how big?").beside("context", product), "text how big? sku-3"),
            (Inbound::text(ADA, "ad").beside("referral", json!({ "source_type": "ad", "ctwa_clid": "c-7" })), "text ad c-7"),
            (Inbound::button_reply(ADA, "yes-1", "Yes"), "interactive Yes yes-1"),
            (Inbound::list_reply(ADA, "row-3", "Tea"), "interactive Tea row-3"),
            (Inbound::quick_reply(ADA, "STOP-7", "No"), "button No STOP-7"),
            (Inbound::flow_reply(ADA, r#"{"age":7}"#), "interactive 7"),
            (Inbound::flow_reply(ADA, r#"{"age":"#), "interactive"),
            (Inbound::location(ADA, 52.5, 13.25), "location 52.5"),
            (Inbound::contacts(ADA, people), "contacts Bob B."),
            (Inbound::order(ADA, "8", "sku-4", 2), "order sku-4"),
            (Inbound::new(ADA, "document", json!({ "id": "77", "mime_type": "text/plain", "filename": "ä.txt" })), "document 77 text/plain ä.txt"),
            (Inbound::new(ADA, "image", json!({ "id": "78", "mime_type": "image/png", "caption": "cat" })).beside("errors", lost), "image cat 78 image/png 131052"),
            (Inbound::unsupported(ADA), "unsupported 131051"),
            (Inbound::new(ADA, "hologram", json!({ "depth": 3 })), "unsupported"),
        ];
        for (n, (inbound, expected)) in cases.into_iter().enumerate() {
            stage.emulator.say_with(inbound).delivered().await.unwrap();
            let answers = stage.answers(n + 1).await;
            let words: Vec<&str> = answers[n].split_whitespace().collect();
            assert_eq!(words.join(" "), expected);
        }
        let history = received(&stage, 16).await;
        assert_eq!((&history[0]["type"], &history[0]["content"]["hologram"]["depth"]), (&json!("unsupported"), &json!(3)));
        assert_eq!(history[2]["error"], json!({ "code": 131_052, "title": "cannot be had" }));
        assert_eq!((&history[2]["status"], &history[2]["content"]["id"]), (&json!("received"), &json!("78")));
        assert_eq!(history[12]["referral"]["ctwa_clid"], "c-7");
        assert_eq!(history[13]["context"]["referred_product"]["product_retailer_id"], "sku-3");
        assert_eq!(history[7]["content"]["nfm_reply"]["response"], r#"{"age":"#);
    }

    async fn reactions_edits_and_deletions_change_what_they_are_about_and_start_nothing(stage: Stage) {
        on_any_message(&stage, "answer").await;
        let said = stage.emulator.say(ADA, "helo").wamids[0].clone();
        stage.answers(1).await;
        let answer = stage.emulator.sent_to(ADA)[0].wamid.clone();
        let tell = async |inbound: Inbound| stage.emulator.say_with(inbound).delivered().await.unwrap();
        let before = stage.app.clock().now() - chrono::TimeDelta::hours(1);
        tell(Inbound::reaction(ADA, &answer, "👍")).await;
        tell(Inbound::reaction(ADA, &answer, "😡").at(before)).await;
        tell(Inbound::reaction(ADA, &said, "🙈")).await;
        tell(Inbound::reaction(ADA, &said, "")).await;
        tell(Inbound::reaction(ADA, "wamid.unknown", "👍")).await;
        tell(Inbound::edit(ADA, &said, "hello")).await;
        tell(Inbound::edit(ADA, &said, "older").at(before)).await;
        tell(Inbound::edit(BOB, &said, "not his")).await;
        tell(Inbound::edit(ADA, &answer, "not hers")).await;
        tell(Inbound::revoke(BOB, &said)).await;
        assert_eq!(stage.answers(1).await, ["answer"], "nothing of that starts a flow");
        let outbound = &stage.history("outbound").await[0];
        assert_eq!(outbound["reactions"].as_array().unwrap().len(), 1);
        assert_eq!((&outbound["reactions"][0]["emoji"], &outbound["text"]), (&json!("👍"), &json!("answer")));
        let first = &stage.history("inbound").await[0];
        assert_eq!((&first["text"], &first["content"]["body"]), (&json!("hello"), &json!("hello")));
        assert_eq!(first["reactions"], json!([]), "taken back");
        assert!(first["edited_at"].is_string() && first["deleted_at"].is_null(), "{first}");
        tell(Inbound::revoke(ADA, &said)).await;
        assert!(stage.history("inbound").await[0]["deleted_at"].is_string());
        assert_eq!(stage.history("inbound").await.len(), 12, "each is stored itself, too");
    }

    async fn what_the_business_writes_itself_is_in_the_history_and_answered_by_nobody(stage: Stage) {
        on_any_message(&stage, "answer").await;
        let echo = stage.emulator.echo(&Inbound::text(ADA, "I am on it"));
        let wamid = echo.wamids[0].clone();
        echo.delivered().await.unwrap();
        stage.at_rest().await;
        let outbound = &stage.history("outbound").await[0];
        assert_eq!((&outbound["text"], &outbound["is_echo"]), (&json!("I am on it"), &json!(true)));
        assert_eq!((&outbound["contact_phone"], &outbound["status"]), (&json!(ADA), &json!("accepted")));
        let number = &stage.emulator.number().phone_number_id;
        let status = json!({ "metadata": { "phone_number_id": number },
            "statuses": [{ "id": wamid, "status": "read", "timestamp": "1760000000", "recipient_id": ADA }] });
        stage.emulator.emit("messages", &status).delivered().await.unwrap();
        assert_eq!(stage.history("outbound").await[0]["status"], "read");
        stage.say("hi").await;
        assert_eq!(stage.answers(1).await, ["answer"]);
        let contacts = stage.api.get(&format!("/flows/contacts/?bot_id={}", stage.bot)).await;
        assert_eq!(contacts["total"], 1);
    }

    async fn what_is_written_in_a_group_is_kept_and_answered_by_nobody(stage: Stage) {
        on_any_message(&stage, "answer").await;
        stage.emulator.say_with(Inbound::text(ADA, "hi all").beside("group_id", "G1")).delivered().await.unwrap();
        stage.at_rest().await;
        assert_eq!((stage.emulator.count(), &stage.history("inbound").await[0]["group_id"]), (0, &json!("G1")));
        let contact = &stage.api.get(&format!("/flows/contacts/?bot_id={}", stage.bot)).await["items"][0];
        assert_eq!(contact["last_inbound_at"], Value::Null, "that opens no window");
    }
}
