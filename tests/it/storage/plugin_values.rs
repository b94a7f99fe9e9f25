//! What plugins keep for bots and contacts.

use chrono::TimeDelta;
use domain::PluginId;
use storage::{
    Error, HeldUsage, Holder, KeptOutcome, Tx, ValueCheck, ValueCommit, ValueExpiry, ValueLimits, ValueWrite,
};
use tests::{Migrated, each_database};

use super::{
    bot, now,
    plugins::{contact, scene},
};

const ROOM: ValueLimits = ValueLimits { keys: 3, bytes: 100 };

fn write(holder: Holder, key: &str, value: Option<&str>) -> ValueWrite {
    let value = value.map(|value| value.as_bytes().to_vec());
    ValueWrite { holder, key: key.into(), value, expiry: ValueExpiry::Never }
}

async fn version_of(tx: &mut Tx, holder: Holder, key: &str) -> Option<i64> {
    tx.held_value(holder, key, now()).await.unwrap().map(|value| value.version)
}

each_database! {
    async fn values_are_changed_if_what_they_depend_on_is_still_so(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, bot, plugin, contact) = scene(&mut tx).await;
        let of_bot = Holder { plugin, bot, contact: None };
        let of_contact = Holder { contact: Some(contact), ..of_bot };
        let none = ValueCheck { holder: of_bot, key: "n".into(), version: None };
        let one = [write(of_bot, "n", Some("1")), write(of_contact, "n", Some("c"))];
        assert_eq!(tx.change_values(std::slice::from_ref(&none), &one, ROOM, now()).await.unwrap(), ValueCommit::Done);
        assert_eq!(tx.change_values(&[none], &one, ROOM, now()).await.unwrap(), ValueCommit::Conflict);
        let first = version_of(&mut tx, of_bot, "n").await;
        assert_eq!(tx.held_value(of_contact, "n", now()).await.unwrap().unwrap().value, b"c");

        let check = ValueCheck { holder: of_bot, key: "n".into(), version: first };
        let two = [write(of_bot, "n", Some("2"))];
        assert_eq!(tx.change_values(std::slice::from_ref(&check), &two, ROOM, now()).await.unwrap(), ValueCommit::Done);
        let second = version_of(&mut tx, of_bot, "n").await;
        assert!(second > first, "also while the clock stands still");
        assert_eq!(tx.change_values(&[check], &two, ROOM, now()).await.unwrap(), ValueCommit::Conflict);
        assert_eq!(tx.change_values(&[], &[write(of_bot, "n", None)], ROOM, now()).await.unwrap(), ValueCommit::Done);
        assert_eq!(version_of(&mut tx, of_bot, "n").await, None);
        let later = now() + TimeDelta::seconds(1);
        tx.change_values(&[], &two, ROOM, later).await.unwrap();
        assert!(version_of(&mut tx, of_bot, "n").await > second, "what is made again is another value");
    }

    async fn values_are_bounded_per_holder(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, bot, plugin, contact) = scene(&mut tx).await;
        let of_bot = Holder { plugin, bot, contact: None };
        let of_contact = Holder { contact: Some(contact), ..of_bot };
        let fill = |holder| ["a", "b", "ä"].map(|key| write(holder, key, Some("xx")));
        assert_eq!(tx.change_values(&[], &fill(of_bot), ROOM, now()).await.unwrap(), ValueCommit::Done);
        assert_eq!(tx.change_values(&[], &fill(of_contact), ROOM, now()).await.unwrap(), ValueCommit::Done);
        assert_eq!(tx.held_usage(of_bot, now()).await.unwrap(), HeldUsage { keys: 3, bytes: 10 });
        tx.commit().await.unwrap();

        let refused = async |writes: &[ValueWrite], limits| {
            let mut tx = db.begin().await.unwrap();
            let done = tx.change_values(&[], writes, limits, now()).await.unwrap();
            tx.rollback().await.unwrap();
            done
        };
        assert_eq!(refused(&[write(of_bot, "d", Some(""))], ROOM).await, ValueCommit::OverQuota(of_bot));
        let long = "x".repeat(100);
        assert_eq!(refused(&[write(of_contact, "a", Some(&long))], ROOM).await, ValueCommit::OverQuota(of_contact));
        let tight = ValueLimits { keys: 1, bytes: 1 };
        assert_eq!(refused(&[write(of_bot, "a", None)], tight).await, ValueCommit::Done, "less is always allowed");
        let shorter = [write(of_bot, "a", Some("x")), write(of_bot, "b", Some("xxx"))];
        assert_eq!(refused(&shorter, tight).await, ValueCommit::Done, "what takes no more room is, too");
        let longer = [write(of_bot, "a", Some("xxx"))];
        assert_eq!(refused(&longer, tight).await, ValueCommit::OverQuota(of_bot));
        let swapped = [write(of_bot, "a", None), write(of_bot, "d", Some("xx"))];
        assert_eq!(refused(&swapped, tight).await, ValueCommit::Done);
        let more = [write(of_bot, "a", None), write(of_bot, "d", Some("x")), write(of_bot, "e", Some(""))];
        assert_eq!(refused(&more, ROOM).await, ValueCommit::OverQuota(of_bot), "one key more");
        let gone = Holder { plugin: PluginId(999), ..of_bot };
        assert_eq!(refused(&[write(gone, "a", None)], ROOM).await, ValueCommit::Gone);
    }

    async fn keys_are_listed_by_their_bytes(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, bot, plugin, _) = scene(&mut tx).await;
        let holder = Holder { plugin, bot, contact: None };
        let room = ValueLimits { keys: 100, bytes: 1_000 };
        for key in ["a:b", "a:B", "a", "b", "a:\u{10ffff}z", "a:ä", "A:b", "a%", "aXb"] {
            tx.change_values(&[], &[write(holder, key, Some(""))], room, now()).await.unwrap();
        }
        let keys = tx.held_keys(holder, "a:", "", 10, now()).await.unwrap();
        assert_eq!(keys, ["a:B", "a:b", "a:ä"]);
        assert_eq!(tx.held_keys(holder, "a:", "a:B", 1, now()).await.unwrap(), ["a:b"]);
        assert_eq!(tx.held_keys(holder, "", "aX", 10, now()).await.unwrap(), ["aXb", "b"]);
    }

    async fn values_expire_and_outcomes_are_kept_for_a_while(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, bot, plugin, contact) = scene(&mut tx).await;
        let holder = Holder { plugin, bot, contact: Some(contact) };
        let soon = now() + TimeDelta::seconds(60);
        let brief = ValueWrite { expiry: ValueExpiry::At(soon), ..write(holder, "brief", Some("x")) };
        tx.change_values(&[], &[brief.clone(), write(holder, "long", Some("x"))], ROOM, now()).await.unwrap();
        let kept = ValueWrite { expiry: ValueExpiry::Kept, ..brief };
        let kept_long = ValueWrite { key: "long".into(), ..kept.clone() };
        tx.change_values(&[], &[kept, kept_long], ROOM, now()).await.unwrap();
        let kept = KeptOutcome { plugin, bot, contact: Some(contact), call_id: "7-1", outcome: "{}" };
        tx.keep_outcome(kept, now()).await.unwrap();
        assert_eq!(tx.kept_outcome(bot, "7-1").await.unwrap().as_deref(), Some("{}"));
        assert_eq!(tx.kept_outcome(bot, "7-2").await.unwrap(), None);
        assert!(tx.held_value(holder, "brief", now()).await.unwrap().is_some());
        assert!(tx.held_value(holder, "brief", soon).await.unwrap().is_none());
        assert_eq!(tx.held_keys(holder, "", "", 10, soon).await.unwrap(), ["long"]);
        assert_eq!(tx.held_usage(holder, soon).await.unwrap().keys, 1);
        let gone = ValueCheck { holder, key: "brief".into(), version: None };
        assert_eq!(tx.change_values(&[gone], &[], ROOM, soon).await.unwrap(), ValueCommit::Done);

        let day = TimeDelta::days(1);
        assert_eq!(tx.purge_values(day, 10, now()).await.unwrap(), 0);
        assert_eq!(tx.purge_values(day, 10, soon).await.unwrap(), 1);
        assert_eq!(tx.purge_values(day, 10, now() + day + TimeDelta::seconds(1)).await.unwrap(), 1);
        assert_eq!(tx.kept_outcome(bot, "7-1").await.unwrap(), None);
        tx.keep_outcome(kept, now()).await.unwrap();
        assert!(matches!(tx.keep_outcome(kept, now()).await, Err(Error::Conflict(_))));
    }

    async fn what_a_plugin_keeps_goes_with_the_contact_the_bot_and_the_plugin(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bot_id, plugin, contact_id) = scene(&mut tx).await;
        let other = bot(&mut tx, &ada, "other").await;
        let of = |bot, contact| Holder { plugin, bot, contact };
        let second = contact(&mut tx, bot_id, "16505550102").await;
        let holders = [of(bot_id, Some(contact_id)), of(bot_id, Some(second)), of(bot_id, None), of(other, None)];
        for holder in holders {
            tx.change_values(&[], &[write(holder, "k", Some("v"))], ROOM, now()).await.unwrap();
        }
        let left = async |tx: &mut Tx| {
            let mut left = Vec::new();
            for holder in holders {
                left.push(tx.held_usage(holder, now()).await.unwrap().keys);
            }
            left
        };
        assert!(tx.delete_contact(ada.id, contact_id).await.unwrap());
        assert_eq!(left(&mut tx).await, [0, 1, 1, 1]);
        tx.delete_bot(ada.id, bot_id).await.unwrap();
        let late = tx.change_values(&[], &[write(holders[2], "late", Some("v"))], ROOM, now()).await.unwrap();
        assert_eq!(late, ValueCommit::Gone);
        while !tx.purge_bot(bot_id, 10).await.unwrap() {}
        assert_eq!(left(&mut tx).await, [0, 0, 0, 1]);
        tx.delete_plugin(plugin).await.unwrap();
        assert_eq!(left(&mut tx).await, [0, 0, 0, 0]);
    }
}
