//! What is tried again, when, and what waits for it.

use emulator::Failure;
use serde_json::json;
use tests::each_database;

use super::{ADA, Clockwork, say, say_then, until};
use crate::journey::BOB;

const HOUR: u64 = 3_600;

each_database! {
    async fn an_unknown_error_is_tried_a_few_times_and_then_the_next_one_goes(works: Clockwork) {
        works.stage.flow("hi", json!([say_then("one", 1), say("two")])).await;
        works.fail(ADA, 4, 131_000);
        works.stage.say("hi").await;
        for (times, pause) in [(1, 1), (2, 2), (3, 4)] {
            works.refused(131_000, times).await;
            works.nothing_happens().await;
            works.advance(pause);
        }
        works.refused(131_000, 4).await;
        works.gets(ADA, &["two"]).await;
        let first = &works.stage.history("outbound").await[0];
        assert_eq!((&first["status"], &first["error"]["code"]), (&json!("failed"), &json!(131_000)));
    }

    async fn a_maintenance_is_waited_out_however_long_it_lasts(works: Clockwork) {
        works.fail(ADA, 40, 131_057);
        works.text(works.stage.bot, ADA, "one").await;
        for times in 1..=40 {
            works.refused(131_057, times).await;
            works.advance(60);
        }
        works.gets(ADA, &["one"]).await;
    }

    async fn what_may_help_in_hours_waits_in_the_database_with_all_that_comes_after_it(works: Clockwork) {
        works.fail(ADA, 1, 131_049);
        works.text(works.stage.bot, ADA, "one").await;
        works.refused(131_049, 1).await;
        works.parked().await;
        works.text(works.stage.bot, ADA, "two").await;
        works.parked().await;
        assert_eq!(works.stage.mailboxes().await, (1, 1));
        works.text(works.stage.bot, BOB, "meanwhile").await;
        works.gets(BOB, &["meanwhile"]).await;
        works.advance(23 * HOUR);
        works.nothing_happens().await;
        works.advance(HOUR);
        works.gets(ADA, &["one", "two"]).await;
        until("all is done", async || works.stage.mailboxes().await == (0, 0)).await;
    }

    async fn a_contact_whose_message_waits_is_listened_to(works: Clockwork) {
        works.stage.flow("hi", json!([say("hello")])).await;
        works.fail(ADA, 1, 132_015);
        works.text(works.stage.bot, ADA, "one").await;
        works.refused(132_015, 1).await;
        works.parked().await;
        works.stage.say("hi").await;
        until("the flow has answered", async || works.queued().await == 2).await;
        works.parked().await;
        assert!(works.got(ADA).is_empty(), "in order");
        works.advance(HOUR);
        works.gets(ADA, &["one", "hello"]).await;
    }

    async fn a_template_that_meta_takes_again_lets_go_what_waited_for_it(works: Clockwork) {
        let account = json!({ "whatsapp_business_account_id": works.stage.emulator.number().waba_id });
        works.stage.api.put(&format!("/bots/{}", works.stage.bot), account).await;
        works.fail(ADA, 1, 132_015);
        works.text(works.stage.bot, ADA, "one").await;
        works.text(works.stage.bot, ADA, "two").await;
        works.refused(132_015, 1).await;
        works.parked().await;
        works.nothing_happens().await;
        let told = json!({
            "event": "APPROVED", "message_template_id": 7, "message_template_name": "t", "message_template_language": "en" });
        works.stage.emulator.emit("message_template_status_update", &told).delivered().await.unwrap();
        works.gets(ADA, &["one", "two"]).await;
    }

    async fn what_a_person_must_mend_is_tried_at_once_when_the_bot_is_changed(works: Clockwork) {
        works.fail(ADA, 2, 131_030);
        works.text(works.stage.bot, ADA, "one").await;
        works.text(works.stage.bot, ADA, "two").await;
        works.refused(131_030, 1).await;
        works.parked().await;
        works.nothing_happens().await;
        works.advance(HOUR);
        works.refused(131_030, 2).await;
        works.parked().await;
        let changed = json!({ "whatsapp_access_token": "another-token" });
        works.stage.api.put(&format!("/bots/{}", works.stage.bot), changed).await;
        works.gets(ADA, &["one", "two"]).await;
    }

    async fn what_nobody_mends_within_a_day_is_given_up_and_the_next_one_goes(works: Clockwork) {
        works.fail(ADA, 6, 131_030);
        works.text(works.stage.bot, ADA, "one").await;
        works.text(works.stage.bot, ADA, "two").await;
        for (tries, hours) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 8)] {
            works.refused(131_030, tries).await;
            works.parked().await;
            works.advance(hours * HOUR);
        }
        works.refused(131_030, 6).await;
        works.parked().await;
        assert!(works.got(ADA).is_empty());
        works.fail(ADA, 1, 131_030);
        works.advance(8 * HOUR);
        works.gets(ADA, &["two"]).await;
        assert_eq!(works.stage.history("outbound").await[0]["status"], "failed");
    }

    async fn what_could_not_be_sent_for_days_is_given_up(works: Clockwork) {
        works.fail(ADA, 99, 10);
        works.text(works.stage.bot, ADA, "one").await;
        works.refused(10, 1).await;
        for day in 1..=3 {
            works.parked().await;
            works.advance(24 * HOUR);
            if day < 3 {
                works.refused(10, day + 1).await;
            }
        }
        until("it is given up", async || works.stage.history("outbound").await[0]["status"] == "failed").await;
        assert_eq!(works.refusals(10), 3, "without asking Meta again");
    }

    async fn an_outage_without_a_word_of_metas_is_doubt(works: Clockwork) {
        for http_status in [500, 502, 503] {
            works.stage.emulator.fail_next(1, Failure::Gateway { http_status });
        }
        works.text(works.stage.bot, ADA, "one").await;
        for doubts in 1..=3 {
            until("it is in doubt", async || {
                let message = &works.stage.history("outbound").await[0];
                message["error"]["title"].as_str().is_some_and(|title| title.contains("HTTP 50"))
                    && message["ambiguous_attempts"] == doubts - 1
            }).await;
            works.nothing_happens().await;
            works.advance(20);
        }
        works.gets(ADA, &["one"]).await;
        assert_eq!(works.stage.history("outbound").await[0]["ambiguous_attempts"], 3);
    }
}
