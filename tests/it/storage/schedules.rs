//! Schedules: what is due, who gets it, and how far it has come.

use chrono::TimeDelta;
use domain::{BotId, ContactId, EventType, JsonMap, Schedule, TriggerId, TriggerRule};
use storage::{ContactFields, TriggerFields, Tx};
use tests::{Migrated, each_database};

use super::{bot, flow, now, user};

async fn trigger(tx: &mut Tx) -> (BotId, TriggerId) {
    let owner = user(tx, "ada").await;
    let bot = bot(tx, &owner, "b").await;
    let fields = TriggerFields {
        flow_id: flow(tx, bot, "f").await,
        name: "t".into(),
        priority: 0,
        is_active: true,
        interrupt: false,
        rule: TriggerRule::Schedule(Schedule { all: true, ..Schedule::blank() }),
    };
    let made = tx.create_trigger(bot, &fields, now()).await.unwrap();
    assert_eq!(made.rule, fields.rule);
    (bot, made.id)
}

each_database! {
    async fn a_due_schedule_is_begun_gone_on_with_and_ended(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, trigger) = trigger(&mut tx).await;
        assert_eq!(tx.next_schedule_at().await.unwrap(), None);
        tx.set_schedule(trigger, Some(now())).await.unwrap();
        assert_eq!((tx.next_schedule_at().await.unwrap(), tx.schedule(trigger).await.unwrap()), (Some(now()), Some(now())));
        assert!(tx.claim_schedule(false, now() - TimeDelta::seconds(1)).await.unwrap().is_none());
        assert!(tx.claim_schedule(true, now()).await.unwrap().is_none());
        let due = tx.claim_schedule(false, now()).await.unwrap().unwrap();
        assert_eq!((due.trigger.id, due.due_at, due.begun_at, due.bot_is_active), (trigger, now(), None, true));

        tx.move_schedule(trigger, now(), ContactId(7)).await.unwrap();
        assert!(tx.claim_schedule(false, now()).await.unwrap().is_none());
        let due = tx.claim_schedule(true, now()).await.unwrap().unwrap();
        assert_eq!((due.begun_at, due.cursor), (Some(now()), ContactId(7)));

        let later = now() + TimeDelta::days(1);
        tx.set_schedule(trigger, Some(later)).await.unwrap();
        assert!(tx.claim_schedule(true, now()).await.unwrap().is_none());
        let due = tx.claim_schedule(false, later).await.unwrap().unwrap();
        assert_eq!((due.begun_at, due.cursor), (None, ContactId(0)));
        tx.set_schedule(trigger, None).await.unwrap();
        assert_eq!(tx.next_schedule_at().await.unwrap(), None);
        tx.set_schedule(trigger, Some(later)).await.unwrap();
        tx.delete_trigger(trigger).await.unwrap();
        assert_eq!(tx.next_schedule_at().await.unwrap(), None, "it goes with its trigger");
    }

    async fn two_hosts_never_have_the_same_schedule(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, trigger) = trigger(&mut tx).await;
        tx.set_schedule(trigger, Some(now())).await.unwrap();
        tx.commit().await.unwrap();
        let begin = async || {
            let mut tx = db.begin().await.unwrap();
            let due = tx.claim_schedule(false, now()).await.unwrap();
            if due.is_some() {
                tx.move_schedule(trigger, now(), ContactId(0)).await.unwrap();
            }
            tx.commit().await.unwrap();
            due.is_some()
        };
        let (a, b, c) = tokio::join!(begin(), begin(), begin());
        assert_eq!([a, b, c].into_iter().filter(|had| *had).count(), 1);
    }

    async fn an_audience_comes_in_order_and_without_those_who_opted_out(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (bot, _) = trigger(&mut tx).await;
        let mut ids = Vec::new();
        for (phone, tags, opted_in) in
            [("1650555001", &["vip", "a"][..], true), ("1650555002", &["a"], true), ("1650555003", &["vip"], false), ("1650555004", &[], true)]
        {
            let tags = tags.iter().map(|tag| (*tag).to_owned()).collect();
            let fields = ContactFields { phone: Some(phone.into()), tags, opted_in, ..ContactFields::default() };
            ids.push(tx.create_contact(bot, &fields, now()).await.unwrap().id);
        }
        let blank = Schedule::blank;
        let all = Schedule { all: true, ..blank() };
        assert_eq!(tx.audience(bot, &all, ContactId(0), 10).await.unwrap(), [ids[0], ids[1], ids[3]]);
        assert_eq!(tx.audience(bot, &all, ids[0], 1).await.unwrap(), [ids[1]]);
        assert!(tx.audience(BotId(bot.0 + 1), &all, ContactId(0), 10).await.unwrap().is_empty());
        let tags = Schedule { tags: vec!["vip".into(), "b".into()], ..blank() };
        assert_eq!(tx.audience(bot, &tags, ContactId(0), 10).await.unwrap(), [ids[0]]);
        let addresses: Vec<String> = ["1650555002", "1650555003", "1650555009", "US.1"].map(str::to_owned).into();
        tx.ensure_contacts(bot, &addresses, now()).await.unwrap();
        tx.ensure_contacts(bot, &addresses, now()).await.unwrap();
        let named = Schedule { contact_phones: addresses, ..blank() };
        let found = tx.audience(bot, &named, ContactId(0), 10).await.unwrap();
        assert_eq!((found.len(), found[0]), (3, ids[1]), "two of them were made, one opted out");
    }

    async fn a_bot_watches_events_while_an_event_trigger_is_on(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (bot, schedule) = trigger(&mut tx).await;
        assert!(!tx.watches_events(bot, ContactId(0)).await.unwrap());
        let row = tx.triggers_of_bot(bot).await.unwrap().remove(0);
        let conditions = JsonMap::from_iter([("source".to_owned(), "whatsapp".into())]);
        let fields = TriggerFields {
            flow_id: row.flow_id,
            name: "e".into(),
            priority: 0,
            is_active: true,
            interrupt: false,
            rule: TriggerRule::Event { event_type: EventType::OptIn, event_conditions: conditions },
        };
        let made = tx.update_trigger(schedule, &fields, now()).await.unwrap();
        assert_eq!(made.rule, fields.rule);
        assert!(tx.watches_events(bot, ContactId(0)).await.unwrap());
        tx.update_trigger(schedule, &TriggerFields { is_active: false, ..fields }, now()).await.unwrap();
        assert!(!tx.watches_events(bot, ContactId(0)).await.unwrap());
    }
}
