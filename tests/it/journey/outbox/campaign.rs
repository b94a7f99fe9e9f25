//! A campaign at Meta's pace: the emulator counts, and finds nothing too fast, lost, doubled or out of order.

use std::time::Duration;

use emulator::Limits;
use serde_json::{Value, json};
use tests::{TestDatabase, each_database};
use tokio::time::Instant;

use super::{Clockwork, say, say_then, until};

/// Who gets the campaign.
const CONTACTS: usize = 2_000;
/// Who gets a burst beside it.
const TALKATIVE: usize = 8;
/// How much, in two bursts.
const BURST: usize = 30;
/// Who writes back.
const ANSWERING: usize = 40;
/// How long the whole may take in real time.
const PATIENCE: Duration = Duration::from_secs(240);

/// A stage with all of Meta's limits, and a server that keeps them.
struct Paced(Clockwork);

impl tests::OnDatabase for Paced {
    async fn on(database: TestDatabase) -> Self {
        let paced = Clockwork::set(
            database,
            |meta| meta.limits = Limits::of_meta(),
            |config| {
                config.whatsapp.messages_per_second = Some(80);
                config.whatsapp.pair_pacing = true;
            },
        );
        Self(paced.await)
    }
}

fn phone(n: usize) -> String {
    format!("1650555{n:04}")
}

each_database! {
    async fn how_fast_a_number_may_be_is_learned_from_meta(paced: Paced) {
        let works = paced.0;
        let (stage, number) = (&works.stage, works.stage.emulator.number().phone_number_id.clone());
        let fast = std::collections::BTreeMap::from([(number.clone(), 1_000)]);
        stage.emulator.set_limits(Limits { numbers: fast, ..Limits::of_meta() });
        let level = async || stage.app.db().read().await.unwrap().throughput(&number).await.unwrap().map(|found| found.0);
        works.text(stage.bot, &phone(0), "x").await;
        until("it is learned", async || level().await.as_deref() == Some("HIGH")).await;
        for n in 1..=100 {
            works.text(stage.bot, &phone(n), "x").await;
        }
        works.advance(1);
        until("a hundred at once", async || stage.emulator.count() == 101).await;

        stage.emulator.set_limits(Limits::of_meta());
        let told = json!({ "display_phone_number": "1", "event": "THROUGHPUT_UPGRADE" });
        let account = json!({ "whatsapp_business_account_id": stage.emulator.number().waba_id });
        stage.api.put(&format!("/bots/{}", stage.bot), account).await;
        stage.emulator.emit("phone_number_quality_update", &told).delivered().await.unwrap();
        works.advance(60);
        works.text(stage.bot, &phone(0), "x").await;
        until("it is learned anew", async || level().await.as_deref() == Some("STANDARD")).await;
        assert!(stage.emulator.refusals().is_empty());
    }
}

impl Clockwork {
    async fn named(&self, name: &str, nodes: Value) -> Value {
        let flow = json!({ "bot_id": self.stage.bot, "name": name, "nodes": nodes });
        self.stage.api.post("/bots/flows/", flow).await["id"].clone()
    }

    /// A tenth of a second goes by, and whatever is under way in it is awaited.
    async fn tick(&self) {
        self.clock.advance(Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(2)).await;
        let deadline = Instant::now() + Duration::from_secs(1);
        while self.stage.app.running().app().work.in_flight() > 0 && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

each_database! {
    async fn a_campaign_with_bursts_breaks_no_limit_and_loses_nothing(paced: Paced) {
        let works = paced.0;
        let stage = &works.stage;
        let campaign = works.named("campaign", json!([say_then("one", 1), say("two")])).await;
        let burst: Vec<Value> = (0..BURST)
            .map(|n| if n + 1 < BURST { say_then(&format!("burst {n}"), i64::try_from(n + 1).unwrap()) } else { say(&format!("burst {n}")) })
            .collect();
        let burst = works.named("burst", json!(burst)).await;
        stage.flow("thanks", json!([say("you are welcome")])).await;
        let phones: Vec<String> = (0..CONTACTS).map(phone).collect();
        for (n, part) in phones.chunks(1_000).enumerate() {
            let due = works.stage.app.clock().now() + chrono::TimeDelta::seconds(2);
            let trigger = json!({
                "name": format!("part {n}"), "bot_id": stage.bot, "flow_id": campaign, "trigger_type": "schedule",
                "schedule_type": "once", "schedule_datetime": due.to_rfc3339(), "contact_phones": part,
            });
            stage.api.post("/triggers/", trigger).await;
        }
        for n in 0..TALKATIVE {
            for _ in 0..2 {
                let start = json!({ "flow_id": burst, "contact_phone": phone(n), "bot_id": stage.bot });
                stage.api.post("/flows/execute", start).await;
            }
        }
        let total = CONTACTS * 2 + TALKATIVE * BURST * 2 + ANSWERING;
        let deadline = Instant::now() + PATIENCE;
        let mut ticks = 0;
        while stage.emulator.count() < total as u64 {
            assert!(Instant::now() < deadline, "{} of {total} after {ticks} ticks", stage.emulator.count());
            if (100..100 + ANSWERING).contains(&ticks) {
                stage.emulator.say(&phone(CONTACTS - 1 - (ticks - 100)), "thanks").delivered().await.unwrap();
            }
            works.tick().await;
            ticks += 1;
        }
        stage.at_rest().await;
        assert!(stage.emulator.refusals().is_empty(), "{:?}", stage.emulator.refusals());
        assert!(ticks >= 550, "{total} messages at 80 a second in {ticks} tenths of a second");
        let expected: Vec<String> = (0..BURST).map(|n| format!("burst {n}")).collect();
        for n in 0..CONTACTS {
            let got = works.got(&phone(n));
            let campaign: Vec<&String> = got.iter().filter(|text| *text == "one" || *text == "two").collect();
            assert_eq!(campaign, ["one", "two"], "{n}: {got:?}");
            let bursts: Vec<&String> = got.iter().filter(|text| text.starts_with("burst")).collect();
            if n < TALKATIVE {
                // Both run at once; each is in order.
                assert_eq!(bursts.len(), 2 * BURST, "{n}");
                for text in &expected {
                    assert_eq!(bursts.iter().filter(|got| **got == text).count(), 2, "{n}: {text}");
                }
                let first: Vec<&String> = first_of_each(&bursts);
                assert_eq!(first, expected.iter().collect::<Vec<_>>(), "{n}");
            } else {
                assert!(bursts.is_empty(), "{n}: {got:?}");
            }
        }
        assert_eq!(stage.emulator.count(), total as u64, "nothing twice");
        assert_eq!(stage.mailboxes().await, (0, 0));
    }
}

/// The texts in the order in which each comes first.
fn first_of_each<'a>(texts: &[&'a String]) -> Vec<&'a String> {
    let mut seen: Vec<&String> = Vec::new();
    for text in texts {
        if !seen.contains(text) {
            seen.push(text);
        }
    }
    seen
}
