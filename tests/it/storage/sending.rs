//! What sending remembers between processes.

use chrono::TimeDelta;
use domain::{DeliveryStatus, ExecutionId, MessageId, Time};
use serde_json::{Value, json};
use storage::{ContactFields, ItemKind, NewItem, NewOutbound, SendResult, Tx};
use tests::{Migrated, each_database};

use super::{bot, now, user};

async fn outbound(tx: &mut Tx, phone: &str) -> NewOutbound {
    let owner = user(tx, phone).await;
    let bot_id = bot(tx, &owner, "b").await;
    let fields = ContactFields { phone: Some(phone.into()), source: "api".into(), ..ContactFields::default() };
    NewOutbound {
        bot_id,
        contact_id: tx.create_contact(bot_id, &fields, now()).await.unwrap().id,
        execution_id: Some(ExecutionId(7)),
        node: Some(3),
        turn: 2,
        phone_number_id: "1".into(),
        kind: "text".into(),
        content: json!({ "body": "x" }),
        text: None,
        fallback: None,
        status: DeliveryStatus::Queued,
        error: None,
    }
}

fn after(minutes: i64) -> Time {
    now() + TimeDelta::minutes(minutes)
}

each_database! {
    async fn when_contacts_were_written_to_is_known(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (a, b) = (outbound(&mut tx, "1").await, outbound(&mut tx, "2").await);
        let at_once = NewOutbound { status: DeliveryStatus::Sending, ..a.clone() };
        tx.insert_outbound(&[at_once], now()).await.unwrap();
        let ids = tx.insert_outbound(&[a.clone(), b.clone(), a.clone()], after(1)).await.unwrap();
        tx.mark_sending(&ids[..2], after(2)).await.unwrap();
        let (x, y) = (a.contact_id, b.contact_id);
        assert_eq!(tx.recent_sends(&[x, y], after(-1)).await.unwrap().len(), 3);
        assert_eq!(tx.recent_sends(&[x], after(-1)).await.unwrap(), [(x, now()), (x, after(2))]);
        assert_eq!(tx.recent_sends(&[x], now()).await.unwrap(), [(x, after(2))]);
        assert_eq!(tx.recent_sends(&[], now()).await.unwrap(), []);
        let taken = SendResult::Accepted { wamid: None };
        tx.store_send_results(&[(ids[0], taken)], after(3)).await.unwrap();
        assert_eq!(tx.recent_sends(&[x], now()).await.unwrap(), [(x, after(3))], "the latest moment at which Meta may have counted it");
    }

    async fn a_message_that_was_spared_or_held_is_as_it_was(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let message = outbound(&mut tx, "1").await;
        let ids = tx.insert_outbound(&[message.clone(), message.clone()], now()).await.unwrap();
        tx.mark_sending(&ids, now()).await.unwrap();
        let held = SendResult::Held { until: None, code: Some(190), error: json!({ "code": 190 }) };
        let results = [(ids[0], SendResult::Spared { at: after(1) }), (ids[1], held)];
        tx.store_send_results(&results, now()).await.unwrap();
        let unsent = tx.unsent(&[message.contact_id]).await.unwrap();
        assert_eq!(unsent.iter().map(|m| m.status).collect::<Vec<_>>(), [DeliveryStatus::Queued; 2]);
        assert_eq!((unsent[0].attempts, unsent[0].next_attempt_at), (0, Some(after(1))));
        assert_eq!((unsent[1].attempts, unsent[1].next_attempt_at), (1, None));
        assert_eq!(tx.message(ids[1]).await.unwrap().unwrap().error.unwrap().0["code"], 190);
    }

    async fn a_failed_message_knows_who_said_it(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let message = outbound(&mut tx, "1").await;
        let ids = tx.insert_outbound(&[message.clone(), message.clone()], now()).await.unwrap();
        let failed = SendResult::Failed { error: json!({ "code": 131_026 }) };
        tx.store_send_results(&[(ids[0], failed)], now()).await.unwrap();
        let found = tx.failed_messages(&[ids[1], ids[0], MessageId(99)]).await.unwrap();
        assert_eq!(found.len(), 1, "only what failed");
        let told = &found[0];
        assert_eq!((told.contact_id, told.execution_id), (message.contact_id, Some(ExecutionId(7))));
        let heard = &told.message;
        assert_eq!((heard.id, heard.node, heard.turn, heard.depth), (ids[0], Some(3), 2, 0));
        assert_eq!(heard.error["code"], 131_026);
        assert!(tx.failed_messages(&[]).await.unwrap().is_empty());

        let item = NewItem {
            contact_id: message.contact_id,
            kind: ItemKind::MessageFailed,
            message_id: None,
            execution_id: told.execution_id,
            payload: Some(Value::Null),
        };
        tx.add_items(&[item], now()).await.unwrap();
        let items = tx.items(&[message.contact_id], 10).await.unwrap();
        assert_eq!(items[&message.contact_id][0].kind, ItemKind::MessageFailed);
    }

    async fn a_numbers_throughput_is_kept_until_it_changes(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.throughput("1").await.unwrap(), None);
        tx.set_throughput("1", "STANDARD", now()).await.unwrap();
        tx.set_throughput("1", "HIGH", after(1)).await.unwrap();
        assert_eq!(tx.throughput("1").await.unwrap(), Some(("HIGH".into(), after(1))));
        tx.forget_throughput("1").await.unwrap();
        assert_eq!(tx.throughput("1").await.unwrap(), None);
    }
}
