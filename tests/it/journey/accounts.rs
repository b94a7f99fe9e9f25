//! Webhook fields other than messages: stored for the bots that they concern, and for nobody else.

use emulator::Signature;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, Stage, say};

/// A webhook about a whole account.
fn event(account: &str, sent_at: i64, field: &str, value: &Value) -> Vec<u8> {
    let change = json!({ "field": field, "value": value });
    let entry = json!({ "id": account, "time": sent_at, "changes": [change] });
    json!({ "object": "whatsapp_business_account", "entry": [entry] }).to_string().into_bytes()
}

async fn events(stage: &Stage, bot: i64) -> Vec<Value> {
    let path = format!("/whatsapp/account-events?bot_id={bot}");
    stage.api.get(&path).await["items"].as_array().unwrap().clone()
}

each_database! {
    async fn events_of_an_account_reach_all_its_bots_once(stage: Stage) {
        let account = stage.emulator.number().waba_id.clone();
        let other = json!({ "name": "other", "whatsapp_business_account_id": account });
        let other = stage.api.post("/bots/", other).await["id"].as_i64().unwrap();
        let foreign = json!({ "name": "foreign", "whatsapp_business_account_id": "4711" });
        let foreign = stage.api.post("/bots/", foreign).await["id"].as_i64().unwrap();
        let post = async |body: Vec<u8>| stage.emulator.post_raw(&body, Signature::Valid).await.unwrap().0;
        let value = json!({ "event": "SOMETHING", "id": 1_689_556_908_129_832_123_i64 });
        // Nothing says yet that the bot's number belongs to the account; its first message does.
        assert_eq!(post(event(&account, 1_760_000_000, "security", &value)).await, 200);
        assert_eq!((events(&stage, stage.bot).await.len(), events(&stage, other).await.len()), (0, 1));
        stage.flow("hi", json!([say("hello")])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        for _ in 0..3 {
            assert_eq!(post(event(&account, 1_760_000_001, "security", &value)).await, 200);
        }
        assert_eq!(post(event(&account, 1_760_000_002, "security", &value)).await, 200);
        assert_eq!(post(event("999", 1_760_000_002, "security", &value)).await, 200, "of nobody");
        assert_eq!((events(&stage, stage.bot).await.len(), events(&stage, other).await.len()), (2, 3));
        assert!(events(&stage, foreign).await.is_empty());
        let newest = &events(&stage, stage.bot).await[0];
        assert_eq!((&newest["field"], &newest["payload"]), (&json!("security"), &value));
        assert_eq!((&newest["sent_at"], &newest["whatsapp_business_account_id"]), (&json!("2025-10-09T08:53:22Z"), &json!(account)));

        // One that names a number is for the bot of that number.
        let number = &stage.emulator.number().display_phone_number;
        let quality = json!({ "display_phone_number": number, "event": "FLAGGED" });
        assert_eq!(post(event(&account, 1_760_000_003, "phone_number_quality_update", &quality)).await, 200);
        assert_eq!((events(&stage, stage.bot).await.len(), events(&stage, other).await.len()), (3, 3));
        let path = format!("/whatsapp/account-events?bot_id={}&field=phone_number_quality_update", stage.bot);
        assert_eq!(stage.api.get(&path).await["total"], 1);
        let mallory = stage.app.api().registered("mallory").await;
        mallory.send(tests::Method::GET, &path, None).await.problem(404);
        mallory.send(tests::Method::GET, "/whatsapp/account-events", None).await.problem(422);
    }

    async fn every_field_is_acknowledged_and_kept(stage: Stage) {
        stage.flow("hi", json!([say("hello")])).await;
        stage.say("hi").await;
        stage.answers(1).await;
        let fields = [
            "account_alerts", "account_review_update", "account_update", "automatic_events", "business_capability_update",
            "business_username_updates", "calls", "flows", "group_lifecycle_update", "history",
            "message_template_components_update", "message_template_quality_update", "message_template_status_update",
            "partner_solutions", "payment_configuration_update", "phone_number_name_update", "phone_number_quality_update",
            "security", "smb_app_state_sync", "template_category_update", "user_id_update", "user_preferences", "tomorrow",
        ];
        for field in fields {
            for value in [json!({ "event": 7 }), json!([]), json!("x"), json!({ "metadata": { "phone_number_id": 5 } })] {
                stage.emulator.emit(field, &value).delivered().await.unwrap();
            }
        }
        // The last of the four names a number that no bot has.
        assert_eq!(events(&stage, stage.bot).await.len(), 3 * fields.len());
    }

    async fn an_event_is_not_taken_from_whoever_knows_another_secret(stage: Stage) {
        stage.flow("hi", json!([say("hello")])).await;
        stage.emulator.say(ADA, "hi").delivered().await.unwrap();
        let account = stage.emulator.number().waba_id.clone();
        let mallory = stage.app.api().registered("mallory").await;
        let own = json!({ "name": "m", "whatsapp_business_account_id": account, "whatsapp_app_secret": "mallorys secret" });
        let bot = mallory.post("/bots/", own).await["id"].as_i64().unwrap();
        let body = event(&account, 1_760_000_000, "account_update", &json!({ "event": "DISABLED_UPDATE" }));
        let signature = whatsapp::signature::sign("mallorys secret", &body);
        let status = stage.api.post_bytes("/whatsapp/webhook", &[("x-hub-signature-256", &signature)], &body).await;
        assert_eq!(status, 200, "it is for their own bot");
        assert!(events(&stage, stage.bot).await.is_empty());
        assert_eq!(mallory.get(&format!("/whatsapp/account-events?bot_id={bot}")).await["total"], 1);
    }
}
