//! Messages: deduplicated on the way in, settled on the way out, and statuses that only climb.

use chrono::TimeDelta;
use domain::{Address, BotId, ContactId, DeliveryStatus, Direction, MessageId};
use serde_json::json;
use storage::{MessageFilter, NewInbound, NewOutbound, Seen, SendResult, Sighting, Tx};
use tests::{Migrated, each_database};

use super::{bot, now, odd_json, user};

pub(super) async fn contact(tx: &mut Tx) -> (BotId, ContactId) {
    let owner = user(tx, "ada").await;
    let bot_id = bot(tx, &owner, "b").await;
    let seen = tx.see_contacts(&[sighting(bot_id, Some("16505550101"), None)], now()).await.unwrap().contacts;
    (bot_id, seen[0].id)
}

pub(super) fn sighting(bot_id: BotId, phone: Option<&str>, bsuid: Option<&str>) -> Sighting {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Sighting {
        bot_id,
        phone: text(phone),
        bsuid: text(bsuid),
        username: None,
        name: Some("Ada".into()),
        at: now(),
        announces: true,
        opens_window: true,
    }
}

pub(super) fn inbound((bot_id, contact_id): (BotId, ContactId), wamid: Option<&str>) -> NewInbound {
    NewInbound {
        bot_id,
        contact_id,
        phone_number_id: "1".into(),
        wamid: wamid.map(str::to_owned),
        context_wamid: None,
        kind: "text".into(),
        text: Some("hi".into()),
        reply_id: None,
        content: odd_json(),
        context: None,
        referral: None,
        error: None,
        group_id: None,
        is_echo: false,
        raw: Some("{}".into()),
        timestamp: now(),
    }
}

pub(super) fn outbound((bot_id, contact_id): (BotId, ContactId), body: &str, status: DeliveryStatus) -> NewOutbound {
    NewOutbound {
        bot_id,
        contact_id,
        execution_id: None,
        node: None,
        turn: 0,
        phone_number_id: "1".into(),
        kind: "text".into(),
        content: json!({ "body": body }),
        text: Some(body.into()),
        fallback: None,
        status,
        error: None,
    }
}

pub(super) async fn status(tx: &mut Tx, id: MessageId) -> String {
    tx.message(id).await.unwrap().unwrap().status
}

each_database! {
    async fn a_message_is_stored_once_per_number_and_id(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let first = tx.insert_inbound(&[inbound(to, Some("a")), inbound(to, Some("b"))], now()).await.unwrap();
        assert!(first.iter().all(Option::is_some));
        let other_number = NewInbound { phone_number_id: "2".into(), ..inbound(to, Some("a")) };
        let again = tx.insert_inbound(&[inbound(to, Some("b")), inbound(to, Some("c")), other_number], now()).await.unwrap();
        assert_eq!(again.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true, true]);
        let unnamed = tx.insert_inbound(&[inbound(to, None), inbound(to, None)], now()).await.unwrap();
        assert!(unnamed.iter().all(Option::is_some), "messages without an id are all new");
        let row = tx.message(first[0].unwrap()).await.unwrap().unwrap();
        assert_eq!((row.content.0, row.direction.as_str(), row.message_timestamp), (odd_json(), "inbound", Some(now())));
    }

    async fn ids_of_outbound_messages_come_in_the_order_given(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let rows: Vec<_> = (0..50).map(|n| outbound(to, &n.to_string(), DeliveryStatus::Queued)).collect();
        let ids = tx.insert_outbound(&rows, now()).await.unwrap();
        for (n, id) in ids.iter().enumerate() {
            assert_eq!(tx.message(*id).await.unwrap().unwrap().text, Some(n.to_string()));
        }
        let unsent = tx.unsent(&[to.1]).await.unwrap();
        assert_eq!(unsent.iter().map(|m| m.id).collect::<Vec<_>>(), ids);
        assert_eq!(unsent[0].to, Address::Phone("16505550101".into()));
    }

    async fn a_send_goes_from_queued_to_accepted_and_leaves_the_outbox(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let rows = [outbound(to, "a", DeliveryStatus::Queued), outbound(to, "b", DeliveryStatus::Sending), outbound(to, "c", DeliveryStatus::Queued)];
        let ids = tx.insert_outbound(&rows, now()).await.unwrap();
        assert_eq!(tx.mark_sending(&[ids[0]], now()).await.unwrap(), [ids[0]]);
        let later = now() + TimeDelta::seconds(5);
        tx.store_send_results(&[
            (ids[0], SendResult::Accepted { wamid: Some("wa".into()) }),
            (ids[1], SendResult::Again { at: later, error: json!({ "code": 2 }), ambiguous: true }),
            (ids[2], SendResult::Failed { error: json!({ "code": 3 }) }),
        ], now()).await.unwrap();
        let row = tx.message(ids[0]).await.unwrap().unwrap();
        assert_eq!((row.status.as_str(), row.wamid.as_deref(), row.attempts), ("accepted", Some("wa"), 1));
        let unsent = tx.unsent(&[to.1]).await.unwrap();
        assert_eq!(unsent.len(), 1);
        assert_eq!((unsent[0].id, unsent[0].status, unsent[0].next_attempt_at), (ids[1], DeliveryStatus::Sending, Some(later)));
        assert_eq!(tx.count_ambiguous().await.unwrap(), 0);
        assert_eq!(tx.mark_sending(&ids, now()).await.unwrap(), [ids[1]], "only what is still to be sent");
        assert_eq!(tx.count_ambiguous().await.unwrap(), 1, "sending again what may have gone out is counted");
        assert_eq!(status(&mut tx, ids[2]).await, "failed");
    }

    async fn a_message_in_doubt_is_held_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let rows = [outbound(to, "a", DeliveryStatus::Sending), outbound(to, "b", DeliveryStatus::Queued)];
        let ids = tx.insert_outbound(&rows, now()).await.unwrap();
        let (until, later) = (now() + TimeDelta::seconds(90), now() + TimeDelta::seconds(180));
        tx.hold_in_doubt(&[(ids[0], until), (ids[1], until)]).await.unwrap();
        tx.hold_in_doubt(&[(ids[0], later)]).await.unwrap();
        let unsent = tx.unsent(&[to.1]).await.unwrap();
        let held: Vec<_> = unsent.iter().map(|message| message.next_attempt_at).collect();
        assert_eq!(held, [Some(until), None], "until when was said before, and the other one is not in doubt");
    }

    async fn history_is_filtered_and_paged_newest_first(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        tx.insert_inbound(&[inbound(to, Some("a"))], now()).await.unwrap();
        let ids = tx.insert_outbound(&[outbound(to, "b", DeliveryStatus::Queued), outbound(to, "c", DeliveryStatus::Queued)], now()).await.unwrap();
        let page = tx.list_messages(to.0, &MessageFilter::default(), 2, 0).await.unwrap();
        assert_eq!((page.total, page.items.len(), page.items[0].id), (3, 2, ids[1]));
        let filter = MessageFilter { contact: Some("16505550101".into()), direction: Some(Direction::Inbound) };
        assert_eq!(tx.list_messages(to.0, &filter, 10, 0).await.unwrap().total, 1);
        let nobody = MessageFilter { contact: Some("999".into()), direction: None };
        assert_eq!(tx.list_messages(to.0, &nobody, 10, 0).await.unwrap().total, 0);
    }

    async fn contacts_are_found_by_phone_or_id_and_learn_the_other(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &owner, "b").await;
        let seen = tx.see_contacts(&[
            sighting(bot, Some("16505550101"), None),
            sighting(bot, Some("16505550101"), Some("US.1")),
            sighting(bot, None, Some("US.1")),
            sighting(bot, None, Some("US.2")),
        ], now()).await.unwrap().contacts;
        assert_eq!(seen.iter().map(|seen| seen.is_new).collect::<Vec<_>>(), [true, false, false, true]);
        let seen: Vec<ContactId> = seen.into_iter().map(|seen| seen.id).collect();
        assert_eq!((seen[0], seen[1], seen[2]), (seen[0], seen[0], seen[0]), "all the same person");
        assert_ne!(seen[0], seen[3]);
        let later = Sighting { name: Some("Ada L.".into()), at: now() + TimeDelta::minutes(1), ..sighting(bot, Some("16505550202"), Some("US.2")) };
        let earlier = Sighting { at: now() - TimeDelta::minutes(1), ..later.clone() };
        let again = Seen { id: seen[3], is_new: false };
        assert_eq!(tx.see_contacts(&[later.clone(), earlier], now()).await.unwrap().contacts, [again, again]);
        let contact = &tx.contacts_by_ids(&[seen[3]]).await.unwrap()[0];
        assert_eq!((contact.phone.as_deref(), contact.bsuid.as_deref(), contact.name.as_deref()), (Some("16505550202"), Some("US.2"), Some("Ada L.")));
        assert_eq!(contact.last_inbound_at, Some(later.at), "the newest, whichever came last");
        assert!(tx.see_contacts(&[], now()).await.unwrap().contacts.is_empty());
    }

    async fn contacts_seen_by_two_hosts_at_once_are_one(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &owner, "b").await;
        tx.commit().await.unwrap();
        let see = async || {
            let mut tx = db.begin().await.unwrap();
            let ids = tx.see_contacts(&[sighting(bot, Some("16505550101"), None)], now()).await.unwrap().contacts;
            tx.commit().await.unwrap();
            ids[0]
        };
        let (a, b, c) = tokio::join!(see(), see(), see());
        assert_eq!((a.id, a.id), (b.id, c.id));
        assert_eq!([a, b, c].into_iter().filter(|seen| seen.is_new).count(), 1, "new to one of them");
    }

    async fn a_contact_is_new_with_the_first_message_that_announces_it(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &owner, "b").await;
        let message = sighting(bot, Some("16505550101"), None);
        let reaction = Sighting { announces: false, ..message.clone() };
        let mut is_new = async |sightings: &[Sighting]| -> Vec<bool> {
            tx.see_contacts(sightings, now()).await.unwrap().contacts.iter().map(|seen| seen.is_new).collect()
        };
        assert_eq!(is_new(std::slice::from_ref(&reaction)).await, [false]);
        assert_eq!(is_new(&[reaction, message.clone(), message.clone()]).await, [false, true, false]);
        assert_eq!(is_new(&[message]).await, [false]);
    }
}
