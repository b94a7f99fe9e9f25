//! Bots' health and what waits for it.

use chrono::TimeDelta;
use domain::{BotId, ContactId, DeliveryStatus, HostId, MessageId};
use serde_json::json;
use storage::{Arrival, ContactFields, NewOutbound, SendResult, Settled, Stops, Tx};
use tests::{Migrated, each_database};

use super::{bot, now, user};

/// A contact whose one message is held until later, with an error of this code.
async fn held(tx: &mut Tx, host: HostId, bot_id: BotId, phone: &str, code: i64) -> (ContactId, MessageId) {
    let later = now() + TimeDelta::hours(1);
    let fields = ContactFields { phone: Some(phone.into()), source: "api".into(), ..ContactFields::default() };
    let contact_id = tx.create_contact(bot_id, &fields, now()).await.unwrap().id;
    let message = NewOutbound {
        bot_id,
        contact_id,
        execution_id: None,
        node: None,
        turn: 0,
        phone_number_id: "1".into(),
        kind: "text".into(),
        content: json!({ "body": "x" }),
        text: None,
        fallback: None,
        status: DeliveryStatus::Sending,
        error: None,
    };
    let id = tx.insert_outbound(&[message], now()).await.unwrap()[0];
    let result = SendResult::Held { until: Some(later), code: Some(code), error: json!({ "code": code }) };
    tx.store_send_results(&[(id, result)], now()).await.unwrap();
    tx.note_arrivals(&[Arrival { contact_id, bot_id, count: 1, open: 1 }], Some(host), now()).await.unwrap();
    let locked = tx.lock_mailboxes(host, &[contact_id]).await.unwrap();
    let park = Settled { contact_id, handled: 1, open: Some(1), wake_at: None, held_until: Some(Some(later)) };
    tx.settle_mailboxes(&locked, &[park]).await.unwrap();
    (contact_id, id)
}

each_database! {
    async fn health_is_kept_with_its_beginning_and_each_change_is_a_new_revision(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let id = bot(&mut tx, &owner, "b").await;
        let born = tx.bot(owner.id, id).await.unwrap().unwrap();
        assert!(!born.health.is_ill() && born.health.since.is_none());
        let ill = tx.set_health(id, "payment", Stops::Templates, Some(131_042), Some("card"), now()).await.unwrap();
        assert_eq!(ill, Some(born.revision + 1));
        let later = now() + TimeDelta::hours(1);
        let same = tx.set_health(id, "payment", Stops::Templates, Some(131_042), Some("card"), later).await.unwrap();
        assert_eq!(same, ill, "nothing new");
        let health = tx.bot(owner.id, id).await.unwrap().unwrap().health;
        assert_eq!((health.since, health.checked_at), (Some(now()), Some(later)));
        assert_eq!((health.status.as_str(), health.stops, health.code), ("payment", Stops::Templates, Some(131_042)));
        assert_eq!(tx.ill_bots().await.unwrap(), [id]);
        let other = tx.set_health(id, "restricted", Stops::All, None, None, later).await.unwrap();
        assert_eq!(tx.bot(owner.id, id).await.unwrap().unwrap().health.since, Some(later), "another problem");
        assert_eq!(tx.clear_health(id).await.unwrap(), other.map(|revision| revision + 1));
        assert_eq!(tx.clear_health(id).await.unwrap(), None, "it is well");
        assert_eq!(tx.bot(owner.id, id).await.unwrap().unwrap().health, born.health);
        assert_eq!(tx.set_health(BotId(99), "payment", Stops::All, None, None, now()).await.unwrap(), None);
    }

    async fn held_mailboxes_are_released_by_bot_and_number(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let (mine, other) = (bot(&mut tx, &owner, "a").await, bot(&mut tx, &owner, "b").await);
        let host = tx.register_host("h", domain::HostRole::All, now(), now() + TimeDelta::seconds(15)).await.unwrap();
        let (first, a) = held(&mut tx, host, mine, "1", 190).await;
        let (second, b) = held(&mut tx, host, mine, "2", 131_049).await;
        held(&mut tx, host, other, "3", 190).await;
        assert!(tx.claim_mailboxes(host, now(), 10).await.unwrap().is_empty());
        assert_eq!(tx.release_held(mine, now(), 1).await.unwrap(), 1);
        assert_eq!(tx.claim_mailboxes(host, now(), 10).await.unwrap(), [first]);
        assert_eq!(tx.release_held(mine, now(), 10).await.unwrap(), 1, "one is in work");
        assert_eq!(tx.claim_mailboxes(host, now(), 10).await.unwrap(), [second]);

        assert_eq!(tx.lift_holds(mine, &[190, 10]).await.unwrap(), 1);
        assert_eq!(tx.lift_holds(mine, &[]).await.unwrap(), 0);
        assert_eq!(tx.move_queued(mine, "2").await.unwrap(), 2);
        let unsent = tx.unsent(&[first, second]).await.unwrap();
        let found: Vec<_> = unsent.iter().map(|m| (m.id, m.next_attempt_at.is_some(), m.phone_number_id.as_str())).collect();
        assert_eq!(found, [(a, false, "2"), (b, true, "2")]);
        assert_eq!((unsent[0].attempts, unsent[0].created_at), (1, now()));
    }
}
