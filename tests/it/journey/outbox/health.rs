//! A bot that is not well: its owner sees it, nothing is sent in vain, and what waited goes out when it is mended.

use serde_json::{Value, json};
use tests::{TestDatabase, each_database};

use super::{ADA, Clockwork, GOOD, OTHER_NUMBER, until};
use crate::journey::BOB;

/// Somebody else.
const EVE: &str = "16505550303";

/// A stage whose Meta takes one token only, which the bot has not.
struct Locked(Clockwork);

impl tests::OnDatabase for Locked {
    async fn on(database: TestDatabase) -> Self {
        Self(Clockwork::set(database, |meta| meta.token = Some(GOOD.into()), |_| {}).await)
    }
}

impl Clockwork {
    async fn template(&self, to: &str) {
        let body = json!({ "to": to, "template_name": "t", "language_code": "en" });
        let (api, path) = (self.stage.api.clone(), format!("/whatsapp/send/template?bot_id={}", self.stage.bot));
        let before = self.queued().await;
        tokio::spawn(async move { api.send(tests::Method::POST, &path, Some(&body)).await });
        until("it is stored", async || self.queued().await > before).await;
    }

    async fn is(&self, status: &str) -> Value {
        until(&format!("the bot is {status}"), async || self.health(self.stage.bot).await["status"] == status).await;
        self.health(self.stage.bot).await
    }

    async fn account_update(&self, value: &Value) {
        self.stage.emulator.emit("account_update", value).delivered().await.unwrap();
    }
}

each_database! {
    async fn with_a_bad_token_nothing_is_tried_in_vain_and_a_good_one_lets_all_go(locked: Locked) {
        let works = locked.0;
        let bot = works.stage.bot;
        assert_eq!(works.health(bot).await, json!({
            "status": "ok", "stops": "nothing", "since": null, "code": null, "detail": null }));
        works.text(bot, ADA, "one").await;
        let health = works.is("credentials_invalid").await;
        assert_eq!((&health["code"], &health["stops"]), (&json!(190), &json!("all")));
        assert!(health["since"].is_string() && health["detail"].is_string(), "{health}");
        for text in ["two", "three"] {
            works.text(bot, ADA, text).await;
        }
        works.text(bot, BOB, "one").await;
        works.parked().await;
        assert_eq!(works.refusals(190), 1, "one request");

        works.advance(599);
        works.nothing_happens().await;
        works.advance(1);
        works.refused(190, 2).await;
        works.parked().await;
        works.nothing_happens().await;
        assert_eq!(works.health(bot).await["since"], health["since"]);

        works.stage.api.put(&format!("/bots/{bot}"), json!({ "whatsapp_access_token": GOOD })).await;
        assert_eq!(works.health(bot).await["status"], "ok");
        works.gets(ADA, &["one", "two", "three"]).await;
        works.gets(BOB, &["one"]).await;
        assert_eq!(works.refusals(190), 2);
        assert_eq!(works.stage.metric("chatboost_bots_ill_total").await.min(1), 1);
    }

    async fn a_wrong_number_that_is_set_right_lets_go_what_was_queued_for_it(works: Clockwork) {
        works.fail(ADA, 1, 33);
        works.text(works.stage.bot, ADA, "one").await;
        works.is("misconfigured").await;
        works.parked().await;
        let right = json!({ "whatsapp_phone_number_id": OTHER_NUMBER });
        works.stage.api.put(&format!("/bots/{}", works.stage.bot), right).await;
        works.gets(ADA, &["one"]).await;
        assert_eq!(works.stage.emulator.sent()[0].phone_number_id, OTHER_NUMBER);
    }

    async fn a_problem_with_paying_stops_templates_and_ends_when_one_is_taken(works: Clockwork) {
        works.fail(ADA, 1, 131_042);
        works.template(ADA).await;
        assert_eq!(works.is("payment").await["stops"], "templates");
        works.template(BOB).await;
        works.text(works.stage.bot, EVE, "an answer").await;
        works.gets(EVE, &["an answer"]).await;
        works.parked().await;
        assert_eq!(works.stage.emulator.count(), 1, "no template");
        assert_eq!(works.health(works.stage.bot).await["status"], "payment", "a text proves nothing");
        works.advance(600);
        works.gets(ADA, &["[template t]"]).await;
        works.is("ok").await;
        works.gets(BOB, &["[template t]"]).await;
    }

    async fn another_one_tries_when_the_first_is_settled_otherwise(works: Clockwork) {
        works.fail(ADA, 1, 131_031);
        works.text(works.stage.bot, ADA, "one").await;
        works.is("restricted").await;
        works.text(works.stage.bot, BOB, "two").await;
        works.parked().await;
        works.fail(ADA, 1, 131_009);
        works.advance(600);
        works.refused(131_009, 1).await;
        works.parked().await;
        assert_eq!(works.health(works.stage.bot).await["status"], "restricted");
        works.advance(600);
        works.gets(BOB, &["two"]).await;
        works.is("ok").await;
    }

    async fn what_the_webhooks_say_of_the_account_is_heeded(works: Clockwork) {
        let account = works.stage.emulator.number().waba_id.clone();
        let bot = json!({ "whatsapp_business_account_id": account });
        works.stage.api.put(&format!("/bots/{}", works.stage.bot), bot).await;
        works.text(works.stage.bot, ADA, "one").await;
        works.gets(ADA, &["one"]).await;
        works.account_update(&json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "DISABLE" } })).await;
        assert_eq!(works.is("restricted").await["stops"], "all");
        works.fail(ADA, 1, 131_031);
        works.text(works.stage.bot, ADA, "two").await;
        works.refused(131_031, 1).await;
        works.parked().await;
        works.text(works.stage.bot, BOB, "three").await;
        works.parked().await;
        works.nothing_happens().await;
        works.account_update(&json!({ "event": "DISABLED_UPDATE", "ban_info": { "waba_ban_state": "REINSTATE" } })).await;
        assert_eq!(works.is("ok").await["since"], Value::Null);
        works.gets(BOB, &["three"]).await;
        works.advance(600);
        works.gets(ADA, &["one", "two"]).await;
    }
}
