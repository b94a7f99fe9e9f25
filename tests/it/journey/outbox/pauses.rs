//! Meta asks for a pause: who waits, who does not, and how it ends.

use emulator::Failure;
use serde_json::json;
use tests::each_database;

use super::{ADA, Clockwork, OTHER_NUMBER, say, say_then, until};
use crate::journey::BOB;

/// Somebody else.
const EVE: &str = "16505550303";

each_database! {
    async fn a_pair_that_is_too_fast_waits_longer_each_time_and_others_go_on(works: Clockwork) {
        let stage = &works.stage;
        stage.flow("hi", json!([say_then("one", 1), say("two")])).await;
        works.fail(ADA, 2, 131_056);
        stage.say("hi").await;
        works.refused(131_056, 1).await;
        stage.emulator.say(BOB, "hi").delivered().await.unwrap();
        works.gets(BOB, &["one", "two"]).await;
        works.nothing_happens().await;
        works.advance(1);
        works.refused(131_056, 2).await;
        works.advance(3);
        works.nothing_happens().await;
        works.advance(1);
        works.gets(ADA, &["one", "two"]).await;
    }

    async fn a_number_that_is_too_fast_waits_and_other_numbers_go_on(works: Clockwork) {
        let (bot, other) = (works.stage.bot, works.bot(json!({})).await);
        works.fail(ADA, 1, 130_429);
        works.text(bot, ADA, "one").await;
        works.refused(130_429, 1).await;
        works.text(bot, BOB, "two").await;
        works.text(bot, EVE, "three").await;
        works.text(other, EVE, "from elsewhere").await;
        works.gets(EVE, &["from elsewhere"]).await;
        works.nothing_happens().await;
        works.advance(1);
        works.gets(EVE, &["from elsewhere", "three"]).await;
        works.gets(ADA, &["one"]).await;
        works.gets(BOB, &["two"]).await;
        assert_eq!(works.refusals(130_429), 1);
    }

    async fn a_refusal_for_another_reason_ends_a_pause_as_well(works: Clockwork) {
        works.fail(ADA, 1, 130_429);
        works.text(works.stage.bot, ADA, "one").await;
        works.refused(130_429, 1).await;
        works.text(works.stage.bot, BOB, "two").await;
        works.stage.emulator.fail_next(1, Failure::code(131_026));
        works.advance(1);
        works.refused(131_026, 1).await;
        until("the other one goes", async || works.stage.emulator.count() == 1).await;
    }

    async fn the_limit_of_an_app_stops_all_bots_with_its_token_and_no_other(works: Clockwork) {
        let same = works.bot(json!({})).await;
        let apart = works.bot(json!({ "whatsapp_phone_number_id": "3", "whatsapp_access_token": "another" })).await;
        works.text(same, BOB, "before").await;
        works.gets(BOB, &["before"]).await;
        works.fail(ADA, 1, 4);
        works.text(works.stage.bot, ADA, "one").await;
        works.refused(4, 1).await;
        works.text(same, BOB, "two").await;
        works.text(apart, EVE, "three").await;
        works.gets(EVE, &["three"]).await;
        works.advance(14);
        works.nothing_happens().await;
        works.stage.emulator.fail_next(1, Failure::code(4));
        works.advance(1);
        works.refused(4, 2).await;
        works.advance(29);
        works.nothing_happens().await;
        works.advance(1);
        works.gets(ADA, &["one"]).await;
        works.gets(BOB, &["before", "two"]).await;
        assert_eq!(works.refusals(4), 2, "one request each time");
    }

    async fn the_limit_of_an_account_stops_its_bots_and_no_other(works: Clockwork) {
        let of = |account: &str, number: &str| json!({
            "whatsapp_business_account_id": account, "whatsapp_phone_number_id": number });
        let first = works.bot(of("77", OTHER_NUMBER)).await;
        let second = works.bot(of("77", "3")).await;
        let apart = works.bot(of("78", "4")).await;
        works.fail(ADA, 1, 80_007);
        works.text(first, ADA, "one").await;
        works.refused(80_007, 1).await;
        works.text(second, BOB, "two").await;
        works.text(apart, EVE, "three").await;
        works.gets(EVE, &["three"]).await;
        works.nothing_happens().await;
        assert!(works.got(BOB).is_empty());
        works.advance(15);
        works.gets(ADA, &["one"]).await;
        works.gets(BOB, &["two"]).await;
    }
}
