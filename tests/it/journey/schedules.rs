//! Schedule triggers: fires, audiences, what was missed. The clock is moved by hand.

use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Timelike};
use domain::Time;
use serde_json::{Value, json};
use tests::each_database;

use super::{ADA, BOB, PATIENCE, Stage, StillStage, ask, say, until};

const DAY: u64 = 86_400;

impl Stage {
    /// A flow that fires by the clock, by default every day at the present minute plus one.
    async fn on_schedule(&self, nodes: Value, more: Value) -> Value {
        let flow = self.api.post("/bots/flows/", json!({ "bot_id": self.bot, "name": "s", "nodes": nodes })).await;
        let mut trigger = json!({
            "name": "s", "bot_id": self.bot, "flow_id": flow["id"], "trigger_type": "schedule",
            "schedule_type": "daily", "schedule_time": self.due().format("%H:%M:%S").to_string(),
        });
        trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.api.post("/triggers/", trigger).await
    }

    /// A minute from now, to the second.
    fn due(&self) -> Time {
        (self.app.clock().now() + TimeDelta::minutes(1)).with_nanosecond(0).unwrap()
    }

    async fn people(&self, phones: &[&str], more: Value) {
        for phone in phones {
            let mut contact = json!({ "bot_id": self.bot, "phone": phone });
            contact.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            self.api.post("/flows/contacts/", contact).await;
        }
    }

    /// Waits until nothing is due any more.
    async fn fired(&self) {
        until("what was due has fired", async || {
            let next = self.app.db().read().await.unwrap().next_schedule_at().await.unwrap();
            next.is_none_or(|at| at > self.app.clock().now())
        })
        .await;
        until("the mailboxes are empty", async || {
            self.app.db().read().await.unwrap().count_mailboxes().await.unwrap().1 == 0
        })
        .await;
        self.at_rest().await;
    }
}

/// The stage with credentials that outlast days.
async fn lasting(stage: StillStage) -> Stage {
    let mut stage = stage.0;
    let key = stage.api.post("/auth/api-keys", json!({ "name": "k" })).await;
    stage.api = stage.api.with_token(key["key"].as_str().unwrap());
    stage
}

each_database! {
    async fn a_daily_schedule_fires_every_day_once(stage: StillStage) {
        let stage = lasting(stage).await;
        stage.people(&[ADA, BOB], json!({})).await;
        stage.on_schedule(json!([say("good day {{ contact.phone }}")]), json!({ "all": true })).await;
        stage.app.advance(Duration::from_secs(50));
        stage.fired().await;
        assert_eq!(stage.emulator.count(), 0);
        for day in 1..=3 {
            stage.app.advance(Duration::from_secs(if day == 1 { 10 } else { DAY }));
            stage.fired().await;
            assert_eq!((stage.emulator.sent_to(ADA).len(), stage.emulator.sent_to(BOB).len()), (day, day));
        }
        stage.app.advance(Duration::from_secs(3_600));
        stage.fired().await;
        assert_eq!(stage.emulator.count(), 6);
        let execution = &stage.executions().await[0];
        assert_eq!((&execution["status"], &execution["state"]["event"]["event_type"]), (&json!("completed"), &json!("schedule")));
    }

    async fn the_audience_is_named_tagged_or_everybody_who_agreed(stage: StillStage) {
        let stage = lasting(stage).await;
        stage.people(&[ADA], json!({ "tags": ["vip"] })).await;
        stage.people(&["16505550303"], json!({ "tags": ["vip"], "opted_in": false })).await;
        stage.people(&["16505550404"], json!({})).await;
        stage.on_schedule(json!([say("tagged")]), json!({ "tags": ["vip", "gold"] })).await;
        // Bob is nobody's contact yet.
        stage.on_schedule(json!([say("named")]), json!({ "contact_phones": ["+1 650 555 0202", "16505550303"] })).await;
        stage.on_schedule(json!([say("all")]), json!({ "schedule_timezone": "UTC" })).await;
        stage.app.advance(Duration::from_secs(60));
        stage.fired().await;
        let texts = |phone: &str| {
            let mut texts: Vec<String> = stage.emulator.sent_to(phone).into_iter().map(|sent| sent.text).collect();
            texts.sort();
            texts
        };
        assert_eq!(texts(ADA), ["all", "tagged"]);
        assert!(texts(BOB).contains(&"named".to_owned()));
        assert_eq!(texts("16505550404"), ["all"]);
        assert!(texts("16505550303").is_empty(), "opted out");
    }

    async fn once_is_once(stage: StillStage) {
        let stage = lasting(stage).await;
        stage.people(&[ADA], json!({})).await;
        let at = stage.due().to_rfc3339_opts(SecondsFormat::Secs, true);
        stage.on_schedule(json!([say("now")]), json!({ "schedule_type": "once", "schedule_datetime": at })).await;
        for _ in 0..3 {
            stage.app.advance(Duration::from_secs(DAY));
            stage.fired().await;
        }
        assert_eq!(stage.emulator.count(), 1);
        assert_eq!(stage.app.db().read().await.unwrap().next_schedule_at().await.unwrap(), None);
    }

    async fn missed_fires_are_caught_up_once_or_skipped(stage: StillStage) {
        let stage = lasting(stage).await;
        stage.people(&[ADA], json!({})).await;
        stage.on_schedule(json!([say("late")]), json!({})).await;
        stage.on_schedule(json!([say("never")]), json!({ "missed": "skip" })).await;
        stage.app.advance(Duration::from_secs(3 * DAY + 3_600));
        stage.fired().await;
        assert_eq!(stage.answers(1).await, ["late"], "three days are one fire");
        // Both go on with their next one.
        stage.app.advance(Duration::from_secs(DAY - 3_600 + 60));
        stage.fired().await;
        let mut answers = stage.answers(3).await;
        answers.sort();
        assert_eq!(answers, ["late", "late", "never"]);
    }

    async fn what_is_switched_off_does_not_fire_and_begins_anew(stage: StillStage) {
        let stage = lasting(stage).await;
        stage.people(&[ADA], json!({})).await;
        let trigger = stage.on_schedule(json!([say("hello")]), json!({})).await;
        let path = format!("/triggers/{}", trigger["id"]);
        let bot = async |on: bool| {
            stage.api.put(&format!("/bots/{}", stage.bot), json!({ "is_active": on })).await;
        };
        stage.api.post(&format!("{path}/deactivate"), json!({})).await;
        stage.app.advance(Duration::from_secs(2 * DAY));
        stage.api.post(&format!("{path}/activate"), json!({})).await;
        stage.fired().await;
        bot(false).await;
        stage.app.advance(Duration::from_secs(DAY));
        stage.fired().await;
        bot(true).await;
        stage.fired().await;
        assert_eq!(stage.emulator.count(), 0);
        stage.app.advance(Duration::from_secs(DAY));
        stage.fired().await;
        assert_eq!(stage.answers(1).await, ["hello"]);
        // A new name is no new schedule: what is due stays due.
        stage.api.put(&path, json!({ "name": "renamed" })).await;
        stage.app.advance(Duration::from_secs(DAY));
        stage.fired().await;
        assert_eq!(stage.answers(2).await.len(), 2);
    }

    async fn a_large_audience_is_reached_in_batches_each_once(stage: StillStage) {
        let stage = lasting(stage).await;
        let mut tx = stage.app.db().begin().await.unwrap();
        let phones: Vec<String> = (0..1_000).map(|n| format!("1650557{n:04}")).collect();
        tx.ensure_contacts(stage.bot.into(), &phones, stage.app.clock().now()).await.unwrap();
        tx.commit().await.unwrap();
        stage.on_schedule(json!([say("to all")]), json!({ "all": true })).await;
        stage.app.advance(Duration::from_secs(60));
        stage.emulator.wait_for(1_000, PATIENCE * 3).await.unwrap();
        stage.fired().await;
        assert_eq!(stage.emulator.count(), 1_000);
        assert!(phones.iter().all(|phone| stage.emulator.sent_to(phone).len() == 1));
    }

    async fn a_scheduled_flow_leaves_a_waiting_one_alone_unless_it_interrupts(stage: StillStage) {
        let stage = lasting(stage).await;
        stage.flow("start", json!([ask("?", "state.a", 1), say("got {{ state.a }}")])).await;
        stage.say("start").await;
        stage.answers(1).await;
        stage.on_schedule(json!([say("meanwhile")]), json!({})).await;
        stage.app.advance(Duration::from_secs(60));
        assert_eq!(stage.answers(2).await[1], "meanwhile");
        stage.say("x").await;
        assert_eq!(stage.answers(3).await[2], "got x");
    }
}
