//! Mailboxes, hosts and items: who owns a contact, and that no arrival is overlooked.

use chrono::TimeDelta;
use domain::{ContactId, ExecutionId, HostId};
use storage::{Arrival, ContactFields, ItemKind, NewItem, Settled, Tx};
use tests::{Migrated, each_database};

use super::{bot, now, user};

async fn contacts(tx: &mut Tx, n: usize) -> Vec<ContactId> {
    let owner = user(tx, "ada").await;
    let bot = bot(tx, &owner, "b").await;
    let mut ids = Vec::new();
    for n in 0..n {
        let fields =
            ContactFields { phone: Some(format!("1650555{n:04}")), source: "api".into(), ..ContactFields::default() };
        ids.push(tx.create_contact(bot, &fields, now()).await.unwrap().id);
    }
    ids
}

async fn host(tx: &mut Tx, name: &str) -> HostId {
    tx.register_host(name, domain::HostRole::All, now(), now() + TimeDelta::seconds(15)).await.unwrap()
}

fn arrival(contact_id: ContactId) -> Arrival {
    Arrival { contact_id, bot_id: domain::BotId(1), count: 1, open: 0 }
}

fn settled(contact_id: ContactId, handled: i64) -> Settled {
    Settled { contact_id, handled, open: None, wake_at: Some(None), held_until: None }
}

each_database! {
    async fn the_first_host_to_see_an_arrival_owns_the_mailbox(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 2).await;
        let (a, b) = (host(&mut tx, "a").await, host(&mut tx, "b").await);
        assert_ne!(a, b);
        let owners = tx.note_arrivals(&[arrival(c[0])], Some(a), now()).await.unwrap();
        assert_eq!(owners, [(c[0], Some(a))]);
        let owners = tx.note_arrivals(&[arrival(c[1]), arrival(c[0])], Some(b), now()).await.unwrap();
        assert_eq!(owners.iter().find(|(id, _)| *id == c[0]).unwrap().1, Some(a));
        assert_eq!(owners.iter().find(|(id, _)| *id == c[1]).unwrap().1, Some(b));
        let locked = tx.lock_mailboxes(a, &c).await.unwrap();
        assert_eq!(locked.keys().collect::<Vec<_>>(), [&c[0]], "only its own");
        assert_eq!((locked[&c[0]].arrivals, locked[&c[0]].handled), (2, 0));
    }

    async fn a_mailbox_is_removed_parked_or_kept_by_what_is_left(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 4).await;
        let a = host(&mut tx, "a").await;
        let arrivals: Vec<Arrival> = c.iter().map(|c| arrival(*c)).collect();
        tx.note_arrivals(&arrivals, Some(a), now()).await.unwrap();
        let later = now() + TimeDelta::minutes(5);
        let locked = tx.lock_mailboxes(a, &c).await.unwrap();
        let kept = tx.settle_mailboxes(&locked, &[
            settled(c[0], 1),
            Settled { wake_at: Some(Some(later)), ..settled(c[1], 1) },
            Settled { open: Some(2), ..settled(c[2], 1) },
            settled(c[3], 0),
        ]).await.unwrap();
        assert_eq!(kept.iter().map(|m| m.contact_id).collect::<Vec<_>>(), [c[2], c[3]]);
        assert_eq!(tx.count_mailboxes().await.unwrap(), (3, 2));
        assert_eq!(tx.next_ready_at().await.unwrap(), Some(later));
        let mut busy = tx.busy_mailboxes(a).await.unwrap();
        busy.sort();
        assert_eq!(busy, [(c[2], false), (c[3], true)]);

        assert!(tx.claim_mailboxes(a, now(), 10).await.unwrap().is_empty(), "nothing is due yet");
        assert_eq!(tx.claim_mailboxes(a, later, 10).await.unwrap(), [c[1]]);
        let locked = tx.lock_mailboxes(a, &[c[1]]).await.unwrap();
        assert_eq!((locked[&c[1]].arrivals, locked[&c[1]].handled), (2, 1), "a claim is an arrival");

        let settle = Settled { contact_id: c[2], handled: 0, open: Some(0), wake_at: None, held_until: None };
        let locked = tx.lock_mailboxes(a, &[c[2]]).await.unwrap();
        tx.settle_mailboxes(&locked, &[settle]).await.unwrap();
        assert_eq!(tx.count_mailboxes().await.unwrap(), (2, 2));
    }

    async fn a_mailbox_whose_first_message_waits_for_long_needs_no_owner(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 2).await;
        let a = host(&mut tx, "a").await;
        tx.note_arrivals(&[arrival(c[0]), arrival(c[1])], Some(a), now()).await.unwrap();
        let (soon, later) = (now() + TimeDelta::minutes(5), now() + TimeDelta::hours(1));
        let locked = tx.lock_mailboxes(a, &c).await.unwrap();
        let held = Settled { open: Some(2), held_until: Some(Some(later)), ..settled(c[0], 1) };
        let timed = Settled { contact_id: c[1], wake_at: Some(Some(soon)), ..held.clone() };
        assert!(tx.settle_mailboxes(&locked, &[held, timed]).await.unwrap().is_empty());
        assert_eq!(tx.claim_mailboxes(a, soon, 10).await.unwrap(), [c[1]], "a timer does not wait for the message");
        assert_eq!(tx.next_ready_at().await.unwrap(), Some(later));
        assert_eq!(tx.claim_mailboxes(a, later, 10).await.unwrap(), [c[0]]);
        let locked = tx.lock_mailboxes(a, &c).await.unwrap();
        assert_eq!((locked[&c[0]].open, locked[&c[0]].held_until), (2, Some(later)));

        let parked = Settled { handled: 1, wake_at: None, ..settled(c[0], 1) };
        assert!(tx.settle_mailboxes(&locked, &[parked]).await.unwrap().is_empty(), "nothing has changed");
        let locked = tx.lock_mailboxes(a, &[c[1]]).await.unwrap();
        let done = Settled { open: Some(0), ..settled(c[1], 1) };
        tx.settle_mailboxes(&locked, &[done]).await.unwrap();
        assert_eq!(tx.count_mailboxes().await.unwrap(), (1, 1), "without messages there is nothing to hold");
    }

    async fn an_arrival_during_the_work_keeps_the_mailbox(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 1).await;
        let a = host(&mut tx, "a").await;
        tx.note_arrivals(&[arrival(c[0])], Some(a), now()).await.unwrap();
        let seen = tx.mailboxes(a, &c).await.unwrap()[&c[0]].arrivals;
        tx.note_arrivals(&[arrival(c[0])], Some(a), now()).await.unwrap();
        let locked = tx.lock_mailboxes(a, &c).await.unwrap();
        let kept = tx.settle_mailboxes(&locked, &[settled(c[0], seen)]).await.unwrap();
        assert_eq!((kept.len(), kept[0].arrivals - kept[0].handled), (1, 1));
    }

    async fn a_row_that_was_removed_and_made_again_is_not_taken_for_the_old_one(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 1).await;
        let a = host(&mut tx, "a").await;
        tx.note_arrivals(&[arrival(c[0])], Some(a), now()).await.unwrap();
        let locked = tx.lock_mailboxes(a, &c).await.unwrap();
        tx.settle_mailboxes(&locked, &[settled(c[0], 1)]).await.unwrap();
        tx.note_arrivals(&[arrival(c[0])], Some(a), now()).await.unwrap();
        // A round that had seen everything handled in the old row handles nothing of the new one.
        let locked = tx.lock_mailboxes(a, &c).await.unwrap();
        let kept = tx.settle_mailboxes(&locked, &[settled(c[0], 0)]).await.unwrap();
        assert_eq!(kept.len(), 1);
    }

    async fn mailboxes_of_a_host_that_nobody_knows_are_freed(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 1).await;
        let a = host(&mut tx, "a").await;
        tx.sign_off(a, now()).await.unwrap();
        // A transaction of the host that was still open when it signed off.
        tx.note_arrivals(&[arrival(c[0])], Some(a), now()).await.unwrap();
        let b = host(&mut tx, "b").await;
        assert_eq!(tx.bury_hosts(now(), now(), false).await.unwrap(), 1);
        assert_eq!(tx.claim_mailboxes(b, now(), 10).await.unwrap(), c);
    }

    async fn a_dead_host_loses_its_mailboxes_and_writes_nothing_any_more(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 2).await;
        let (a, b) = (host(&mut tx, "a").await, host(&mut tx, "b").await);
        tx.note_arrivals(&[arrival(c[0]), arrival(c[1])], Some(a), now()).await.unwrap();
        assert!(tx.renew_lease(b, now() + TimeDelta::seconds(60)).await.unwrap());
        let late = now() + TimeDelta::seconds(30);
        assert_eq!(tx.bury_hosts(late, late, false).await.unwrap(), 2);
        assert!(!tx.renew_lease(a, late).await.unwrap(), "it is told so");
        assert!(tx.lock_mailboxes(a, &c).await.unwrap().is_empty());
        let mut claimed = tx.claim_mailboxes(b, late, 10).await.unwrap();
        claimed.sort();
        assert_eq!(claimed, c);
        assert_eq!(tx.sign_off(b, late).await.unwrap(), 2);
        assert_eq!(tx.next_ready_at().await.unwrap(), Some(late));
    }

    async fn two_hosts_that_claim_at_once_get_different_mailboxes(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 20).await;
        let (a, b) = (host(&mut tx, "a").await, host(&mut tx, "b").await);
        let arrivals: Vec<Arrival> = c.iter().map(|c| arrival(*c)).collect();
        tx.note_arrivals(&arrivals, None, now()).await.unwrap();
        tx.commit().await.unwrap();
        let claim = async |host| {
            let mut tx = db.begin().await.unwrap();
            let claimed = tx.claim_mailboxes(host, now(), 10).await.unwrap();
            // Long enough for the other one to run into the locks.
            tokio::task::yield_now().await;
            tx.commit().await.unwrap();
            claimed
        };
        let (mut all, others) = tokio::join!(claim(a), claim(b));
        all.extend(others);
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 20);
    }

    async fn items_come_back_in_order_and_go_when_handled(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let c = contacts(&mut tx, 2).await;
        let item = |contact_id, n| NewItem {
            contact_id,
            kind: ItemKind::Resume,
            message_id: None,
            execution_id: Some(ExecutionId(n)),
            payload: Some(serde_json::json!({ "n": n })),
        };
        tx.add_items(&[item(c[0], 1), item(c[1], 2), item(c[0], 3), item(c[0], 4)], now()).await.unwrap();
        let items = tx.items(&c, 2).await.unwrap();
        let executions = |contact: &ContactId| items[contact].iter().map(|i| i.execution_id.unwrap().0).collect::<Vec<_>>();
        assert_eq!((executions(&c[0]), executions(&c[1])), (vec![1, 3], vec![2]), "at most two of each");
        assert_eq!(items[&c[1]][0].payload, Some(serde_json::json!({ "n": 2 })));
        assert!(tx.item_waits(c[0], ExecutionId(3)).await.unwrap());
        let handled: Vec<_> = items[&c[0]].iter().map(|i| i.id).collect();
        tx.remove_items(&handled).await.unwrap();
        assert!(!tx.item_waits(c[0], ExecutionId(3)).await.unwrap());
        assert_eq!(tx.items(&c, 50).await.unwrap()[&c[0]].len(), 1);
        tx.add_items(&[], now()).await.unwrap();
        assert!(tx.items(&[], 1).await.unwrap().is_empty());
    }
}
