//! Delivery reports: whatever the order in which they come, how often, and in which batches, the end is the same.

use chrono::TimeDelta;
use domain::{ContactId, DeliveryStatus, MessageId, Time};
use serde_json::{Value, json};
use storage::{Folded, MessageRow, SendResult, StatusReport, Tx};
use tests::{Migrated, each_database};

use super::{
    messages::{contact, inbound, outbound, status},
    now,
};
use DeliveryStatus::{Delivered, Failed, Played, Read, Sent};

fn minute(n: i64) -> Time {
    now() + TimeDelta::minutes(n)
}

fn report(wamid: &str, id: Option<MessageId>, status: DeliveryStatus, at: i64) -> StatusReport {
    StatusReport {
        phone_number_id: "1".into(),
        wamid: wamid.into(),
        message_id: id,
        status,
        at: minute(at),
        participant: None,
        error: (status == Failed).then(|| json!({ "code": at })),
    }
}

fn of(member: &str, report: StatusReport) -> StatusReport {
    StatusReport { participant: Some(member.into()), ..report }
}

fn known(known: usize) -> Folded {
    Folded { known, ..Folded::default() }
}

fn early(early: usize) -> Folded {
    Folded { early, ..Folded::default() }
}

async fn message(tx: &mut Tx, to: (domain::BotId, ContactId)) -> MessageId {
    tx.insert_outbound(&[outbound(to, "a", DeliveryStatus::Sending)], now()).await.unwrap()[0]
}

async fn accept(tx: &mut Tx, id: MessageId, wamid: &str) -> Folded {
    let accepted = SendResult::Accepted { wamid: Some(wamid.into()) };
    tx.store_send_results(&[(id, accepted)], minute(0)).await.unwrap()
}

/// Everything about a message that reports decide.
fn end(row: &MessageRow) -> (String, Option<String>, [Option<Time>; 5], Option<Value>) {
    let times = [row.sent_at, row.delivered_at, row.read_at, row.played_at, row.failed_at];
    (row.status.clone(), row.wamid.clone(), times, row.error.clone().map(|error| error.0))
}

/// What happens to a message.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    /// Meta's answer to the send is stored.
    Answer,
    /// A report comes; with our row id in it or without.
    Report(DeliveryStatus, i64, bool),
}

/// All orders of a few things.
fn permutations<T: Copy>(things: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = things.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for order in permutations(rest) {
        for at in 0..=order.len() {
            let mut order = order.clone();
            order.insert(at, *first);
            all.push(order);
        }
    }
    all
}

/// Lets events happen to a fresh message, those between two answers in one batch if `batched`, and tells its end.
async fn play(tx: &mut Tx, to: (domain::BotId, ContactId), wamid: &str, events: &[Event], batched: bool) -> MessageRow {
    let id = message(tx, to).await;
    let mut batch = Vec::new();
    for event in events {
        match *event {
            Event::Report(status, at, has_id) => {
                batch.push(report(wamid, has_id.then_some(id), status, at));
                if !batched {
                    tx.fold_statuses(&std::mem::take(&mut batch), now()).await.unwrap();
                }
            }
            Event::Answer => {
                tx.fold_statuses(&std::mem::take(&mut batch), now()).await.unwrap();
                accept(tx, id, wamid).await;
            }
        }
    }
    tx.fold_statuses(&batch, now()).await.unwrap();
    tx.message(id).await.unwrap().unwrap()
}

/// Plays all orders of the events and compares the ends with the one that is right.
async fn all_orders_end_alike(tx: &mut Tx, events: &[Event], right: (&str, [Option<i64>; 5], Option<i64>)) {
    let to = contact(tx).await;
    let (word, minutes, code) = right;
    let times = minutes.map(|at| at.map(minute));
    let mut n = 0;
    for order in permutations(events) {
        for batched in [false, true] {
            n += 1;
            let wamid = format!("wamid.{n}");
            let row = play(tx, to, &wamid, &order, batched).await;
            let right = (word.to_owned(), Some(wamid), times, code.map(|code| json!({ "code": code })));
            assert_eq!(end(&row), right, "batched: {batched}, {order:?}");
            assert_eq!(row.accepted_at, Some(minute(0)), "{order:?}");
        }
    }
    // Nothing that was held is left over.
    let id = message(tx, to).await;
    assert_eq!(accept(tx, id, "wamid.last").await, Folded::default());
}

each_database! {
    async fn every_order_of_a_delivery_ends_as_read_or_played(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        // Doubled ones, and ones that tell another time: the earliest counts.
        let events = [
            Event::Answer,
            Event::Report(Sent, 1, false),
            Event::Report(Delivered, 3, true),
            Event::Report(Delivered, 2, false),
            Event::Report(Read, 4, false),
            Event::Report(Played, 5, false),
        ];
        all_orders_end_alike(&mut tx, &events, ("played", [Some(1), Some(2), Some(4), Some(5), None], None)).await;
    }

    async fn every_order_of_a_failure_ends_as_failed_for_its_first_reason(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let events = [
            Event::Answer,
            Event::Report(Sent, 1, true),
            Event::Report(Failed, 7, false),
            Event::Report(Failed, 6, false),
            Event::Report(Sent, 1, false),
        ];
        all_orders_end_alike(&mut tx, &events, ("failed", [Some(1), None, None, None, Some(6)], Some(6))).await;
    }

    async fn every_order_of_a_failure_that_was_none_ends_as_delivered(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let events = [
            Event::Answer,
            Event::Report(Failed, 2, false),
            Event::Report(Sent, 1, false),
            Event::Report(Delivered, 3, false),
            Event::Report(Failed, 2, true),
        ];
        all_orders_end_alike(&mut tx, &events, ("delivered", [Some(1), Some(3), None, None, Some(2)], None)).await;
    }

    async fn every_order_of_reports_without_an_answer_settles_the_send_by_our_own_id(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let events = [
            Event::Report(Sent, 1, false),
            Event::Report(Delivered, 2, true),
            Event::Report(Read, 3, false),
            Event::Report(Delivered, 2, true),
        ];
        for (n, order) in permutations(&events).into_iter().enumerate() {
            let wamid = format!("wamid.{n}");
            let row = play(&mut tx, to, &wamid, &order, n % 2 == 0).await;
            let times = [Some(minute(1)), Some(minute(2)), Some(minute(3)), None, None];
            assert_eq!(end(&row), ("read".into(), Some(wamid), times, None), "{order:?}");
            assert!(tx.mark_sending(&[row.id], now()).await.unwrap().is_empty(), "it is not sent again");
            assert!(tx.unsent(&[to.1]).await.unwrap().is_empty());
        }
    }

    async fn a_report_finds_its_message_and_no_other(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let id = message(&mut tx, to).await;
        assert_eq!(accept(&mut tx, id, "wa").await, Folded::default());
        tx.insert_inbound(&[inbound(to, Some("theirs"))], now()).await.unwrap();
        let fold = async |tx: &mut Tx, report: StatusReport| tx.fold_statuses(&[report], now()).await.unwrap();
        assert_eq!(fold(&mut tx, report("wa", None, Sent, 1)).await, known(1));
        assert_eq!(fold(&mut tx, report("other", None, Read, 1)).await, early(1));
        let again = "another id of Meta's is another try of it";
        assert_eq!(fold(&mut tx, report("second", Some(id), Read, 1)).await, Folded::default(), "{again}");
        assert_eq!(fold(&mut tx, report("theirs", None, Read, 1)).await, Folded::default(), "not of ours");
        assert_eq!(fold(&mut tx, report("theirs", Some(id), Read, 1)).await, Folded::default());
        let elsewhere = StatusReport { phone_number_id: "2".into(), ..report("wa", Some(id), Read, 1) };
        assert_eq!(fold(&mut tx, elsewhere).await, early(1));
        assert_eq!(status(&mut tx, id).await, "sent");
    }

    async fn who_failed_is_told_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let (one, two, three) = (message(&mut tx, to).await, message(&mut tx, to).await, message(&mut tx, to).await);
        let failed = |failed: Vec<MessageId>| Folded { known: 2, early: 0, failed };
        let reports = [report("1", Some(one), Failed, 1), report("2", Some(two), Failed, 1)];
        assert_eq!(tx.fold_statuses(&reports, now()).await.unwrap(), failed(vec![one, two]));
        assert_eq!(tx.fold_statuses(&reports, now()).await.unwrap(), failed(Vec::new()), "again");
        let reports = [report("3", Some(three), Delivered, 1), report("3", Some(three), Failed, 1)];
        assert_eq!(tx.fold_statuses(&reports, now()).await.unwrap(), failed(Vec::new()), "it was delivered");
        let four = message(&mut tx, to).await;
        assert_eq!(tx.fold_statuses(&[report("4", None, Failed, 1)], now()).await.unwrap(), early(1));
        assert_eq!(accept(&mut tx, four, "4").await, Folded { known: 1, early: 0, failed: vec![four] });
    }

    async fn a_group_message_gets_further_with_each_member_by_itself(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let events = [
            of("16505550101", report("g", None, Sent, 1)),
            of("US.7", report("g", None, Failed, 2)),
            of("16505550101", report("g", None, Read, 3)),
            of("16505550303", report("g", None, Delivered, 4)),
            of("16505550303", report("g", None, Delivered, 4)),
        ];
        let mut ends = Vec::new();
        for (n, order) in permutations(&[0, 1, 2, 3, 4]).into_iter().enumerate() {
            let id = message(&mut tx, to).await;
            let wamid = format!("g{n}");
            let reports: Vec<_> =
                order.iter().map(|at| StatusReport { wamid: wamid.clone(), ..events[*at].clone() }).collect();
            // Some come before Meta's answer, one by one or together.
            let (before, after) = reports.split_at(n % 6);
            tx.fold_statuses(before, now()).await.unwrap();
            accept(&mut tx, id, &wamid).await;
            for report in after {
                assert!(tx.fold_statuses(std::slice::from_ref(report), now()).await.unwrap().failed.is_empty());
            }
            let row = tx.message(id).await.unwrap().unwrap();
            assert_eq!((row.status.as_str(), row.sent_at, row.read_at), ("read", Some(minute(1)), Some(minute(3))));
            assert_eq!((row.failed_at, row.error.is_none()), (None, true), "one member's failure is theirs alone");
            let members = tx.participations(&[id]).await.unwrap();
            ends.push(members.into_iter().map(|m| (m.participant, m.status, m.sent_at, m.failed_at, m.error.map(|e| e.0))).collect::<Vec<_>>());
        }
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(ends[0], [
            ("16505550101".into(), "read".into(), Some(minute(1)), None, None),
            ("16505550303".into(), "delivered".into(), None, None, None),
            ("US.7".into(), "failed".into(), None, Some(minute(2)), Some(json!({ "code": 2 }))),
        ]);
    }

    async fn reports_that_nobody_comes_for_are_forgotten_after_a_day(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        tx.fold_statuses(&[report("old", None, Read, 1), report("old", None, Sent, 1)], now()).await.unwrap();
        tx.fold_statuses(&[report("young", None, Read, 1)], now() + TimeDelta::hours(1)).await.unwrap();
        tx.fold_statuses(&[report("new", None, Read, 1)], now() + TimeDelta::hours(24) + TimeDelta::minutes(1)).await.unwrap();
        for (wamid, status_word, known) in [("old", "accepted", 0), ("young", "read", 1), ("new", "read", 1)] {
            let id = message(&mut tx, to).await;
            assert_eq!(accept(&mut tx, id, wamid).await.known, known);
            assert_eq!(status(&mut tx, id).await, status_word);
        }
    }

    async fn a_batch_of_any_size_is_folded(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let rows: Vec<_> = (0..1_100).map(|_| outbound(to, "a", DeliveryStatus::Sending)).collect();
        let ids = tx.insert_outbound(&rows, now()).await.unwrap();
        let mut reports = Vec::new();
        for (n, id) in ids.iter().enumerate() {
            reports.push(report(&format!("w{n}"), Some(*id), Sent, 1));
            reports.push(report(&format!("w{n}"), None, Read, 2));
        }
        reports.push(report("unknown", None, Read, 2));
        assert_eq!(tx.fold_statuses(&reports, now()).await.unwrap(), Folded { known: 2_200, early: 1, failed: Vec::new() });
        for id in [ids[0], ids[1_099]] {
            assert_eq!(status(&mut tx, id).await, "read");
        }
    }

    async fn a_report_and_metas_answer_that_come_at_once_find_each_other(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let to = contact(&mut tx).await;
        let rows: Vec<_> = (0..20).map(|_| outbound(to, "a", DeliveryStatus::Sending)).collect();
        let ids = tx.insert_outbound(&rows, now()).await.unwrap();
        tx.commit().await.unwrap();
        for (n, id) in ids.into_iter().enumerate() {
            let wamid = format!("w{n}");
            let telling = async {
                let mut tx = db.begin().await.unwrap();
                tx.fold_statuses(&[report(&wamid, None, Read, 2)], now()).await.unwrap();
                tx.commit().await.unwrap();
            };
            let answering = async {
                let mut tx = db.begin().await.unwrap();
                accept(&mut tx, id, &wamid).await;
                tx.commit().await.unwrap();
            };
            tokio::join!(telling, answering);
            assert_eq!(status(&mut db.read().await.unwrap(), id).await, "read");
        }
    }
}
