//! What is too old goes, in strides; what is needed and what is young stays.

use chrono::TimeDelta;
use domain::{
    BotId, ContactId, DeliveryStatus, Direction, Execution, ExecutionId, ExecutionStatus, FlowId, JsonMap, MessageId,
    Time, TriggerId,
};
use serde_json::json;
use storage::{
    Aging, ChangedMessage, ItemKind, Json, MessageFilter, NewAccountEvent, NewExecution, NewItem, NewMedia,
    NewOutbound, StepRow, Tx,
    testing::{History, fill},
};
use tests::{Migrated, each_database};

use super::{
    flow,
    messages::{contact, inbound, outbound},
    now,
};

/// How much there is of what is old; more than several strides.
const OLD: i64 = 1_700;

/// When it was.
fn long_ago() -> Time {
    now() - TimeDelta::days(100)
}

/// From here on things are young.
fn before() -> Time {
    now() - TimeDelta::days(30)
}

/// Removes all that can be removed; answers how many rows and strides that took.
async fn purge(db: &Migrated, what: Aging) -> (u64, usize) {
    let (mut after, mut removed, mut strides) = ((0, 0), 0, 0);
    loop {
        let mut tx = db.begin().await.unwrap();
        let stride = tx.purge(what, after, before()).await.unwrap().expect("nobody else is at it");
        tx.commit().await.unwrap();
        removed += stride.removed;
        strides += 1;
        match stride.next {
            Some(next) => after = next,
            None => return (removed, strides),
        }
    }
}

async fn messages(tx: &mut Tx, bot: BotId) -> i64 {
    tx.list_messages(bot, &MessageFilter::default(), 1, 0).await.unwrap().total
}

fn execution(id: i64, (bot_id, contact_id): (BotId, ContactId), flow_id: FlowId, began: Time) -> Execution {
    Execution {
        id: ExecutionId(id),
        bot_id,
        contact_id,
        flow_id,
        flow_version: 1,
        status: ExecutionStatus::WaitingInput,
        current_node: None,
        state: JsonMap::new(),
        message: None,
        depth: 0,
        steps: 0,
        turn: 0,
        wake_at: None,
        effect: None,
        visit: None,
        error: None,
        started_at: began,
        updated_at: began,
        completed_at: None,
    }
}

fn step(execution_id: ExecutionId, seq: i64, at: Time) -> StepRow {
    let (r#type, event) = ("end".into(), "completed".into());
    StepRow { execution_id, seq, node: None, r#type, event, detail: Json(json!({})), duration_us: 1, at }
}

/// A bot with a long past.
struct Past {
    to: (BotId, ContactId),
    flow: FlowId,
}

async fn past(tx: &mut Tx) -> Past {
    let to = contact(tx).await;
    let flow = flow(tx, to.0, "f").await;
    let history = History { bot: to.0, flow, trigger: TriggerId(5), first_contact: to.1, contacts: 1, at: long_ago() };
    fill(tx, &history, 0, OLD).await.unwrap();
    Past { to, flow }
}

each_database! {
    async fn old_messages_go_but_those_that_are_needed(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let Past { to, flow } = past(&mut tx).await;
        let id = tx.reserve_execution_ids(1).await.unwrap();
        let waiting = NewExecution { execution: execution(id, to, flow, long_ago()), trigger_id: None };
        tx.save_executions(&[waiting]).await.unwrap();
        let said = |status, execution_id| NewOutbound { execution_id, ..outbound(to, "x", status) };
        let kept = tx.insert_outbound(&[
            said(DeliveryStatus::Queued, None),
            said(DeliveryStatus::Sending, None),
            said(DeliveryStatus::Failed, Some(ExecutionId(id))),
        ], long_ago()).await.unwrap();
        let gone = tx.insert_outbound(&[said(DeliveryStatus::Failed, None)], long_ago()).await.unwrap();
        let heard: Vec<MessageId> = tx.insert_inbound(&[inbound(to, Some("heard")), inbound(to, Some("with a file"))], long_ago())
            .await.unwrap().into_iter().flatten().collect();
        let waits = NewItem { contact_id: to.1, kind: ItemKind::Message, message_id: Some(heard[0]), execution_id: None, payload: None };
        tx.add_items(&[waits], long_ago()).await.unwrap();
        let file = NewMedia { message_id: heard[1], bot_id: to.0, contact_id: to.1, media_id: "1".into(), sha256: None };
        tx.add_media(&[file], long_ago()).await.unwrap();
        let young = tx.insert_inbound(&[inbound(to, Some("young"))], now()).await.unwrap()[0].unwrap();
        assert_eq!(messages(&mut tx, to.0).await, OLD + 7);
        tx.commit().await.unwrap();

        let (removed, strides) = purge(&db, Aging::Messages).await;
        assert_eq!(removed, OLD.unsigned_abs() + 2);
        assert!(strides >= 4, "{strides} strides");
        let mut tx = db.begin().await.unwrap();
        assert_eq!(messages(&mut tx, to.0).await, 5);
        for id in kept.iter().chain([&heard[0], &young]) {
            assert!(tx.message(*id).await.unwrap().is_some(), "{id} is needed");
        }
        assert!(tx.message(gone[0]).await.unwrap().is_none());
        assert_eq!(tx.orphaned_media(9).await.unwrap(), [(heard[1], to.0)], "its file is left to be removed");
        tx.commit().await.unwrap();
        assert_eq!(purge(&db, Aging::Messages).await.0, 0, "once more finds nothing");

        // Meta repeats a message of today: it is still known.
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.insert_inbound(&[inbound(to, Some("young"))], now()).await.unwrap(), [None]);
    }

    async fn old_executions_go_with_their_steps_but_those_under_way(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let Past { to, flow } = past(&mut tx).await;
        let first = tx.reserve_execution_ids(5).await.unwrap();
        let id = |nth: i64| ExecutionId(first + nth);
        let ended = |nth, at| Execution {
            status: ExecutionStatus::Completed,
            completed_at: Some(at),
            ..execution(first + nth, to, flow, long_ago())
        };
        // Waits; ended yesterday; ended long ago but still owes a message; ended long ago but is spoken of; began today.
        let executions = [
            execution(first, to, flow, long_ago()),
            ended(1, now() - TimeDelta::days(1)),
            ended(2, long_ago()),
            ended(3, long_ago()),
            execution(first + 4, to, flow, now()),
        ];
        let rows: Vec<NewExecution> =
            executions.iter().map(|execution| NewExecution { execution: execution.clone(), trigger_id: None }).collect();
        tx.save_executions(&rows).await.unwrap();
        let owed = NewOutbound { execution_id: Some(id(2)), ..outbound(to, "x", DeliveryStatus::Queued) };
        tx.insert_outbound(&[owed], now()).await.unwrap();
        let spoken_of = NewItem { contact_id: to.1, kind: ItemKind::Resume, message_id: None, execution_id: Some(id(3)), payload: None };
        tx.add_items(&[spoken_of], now()).await.unwrap();
        // One with a log longer than what goes at once.
        let long: Vec<StepRow> = (5..4_500).map(|seq| step(ExecutionId(first - 1), seq, long_ago())).collect();
        tx.append_steps(&long).await.unwrap();
        tx.commit().await.unwrap();

        let (removed, strides) = purge(&db, Aging::Executions).await;
        assert_eq!(removed, OLD.unsigned_abs() / 10);
        assert!(strides >= 4, "a long log is removed bit by bit: {strides}");
        let mut tx = db.begin().await.unwrap();
        for nth in 0..5 {
            assert!(tx.execution(id(nth)).await.unwrap().is_some(), "{nth} is needed");
        }
        assert!(tx.execution(ExecutionId(first - 1)).await.unwrap().is_none());
        assert_eq!(tx.list_steps(ExecutionId(first - 1), 1, 0).await.unwrap().total, 0);
        assert!(tx.trigger_logs(TriggerId(5), 1, 0).await.unwrap().total > 0, "logs of triggers have a time of their own");
    }

    async fn old_steps_go_also_of_executions_that_go_on(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let Past { to, flow } = past(&mut tx).await;
        let first = tx.reserve_execution_ids(2).await.unwrap();
        let rows = [execution(first, to, flow, long_ago()), execution(first + 1, to, flow, long_ago())]
            .map(|execution| NewExecution { execution, trigger_id: None });
        tx.save_executions(&rows).await.unwrap();
        // Young steps of an old execution, more than a stride, before old ones of the next.
        let young: Vec<StepRow> = (0..700).map(|seq| step(ExecutionId(first), seq, now())).collect();
        tx.append_steps(&young).await.unwrap();
        tx.append_steps(&[step(ExecutionId(first + 1), 0, long_ago()), step(ExecutionId(first + 1), 1, now())]).await.unwrap();
        tx.commit().await.unwrap();

        let (removed, strides) = purge(&db, Aging::Steps).await;
        assert_eq!(removed, OLD.unsigned_abs() / 2 + 1);
        assert!(strides >= 3, "{strides}");
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.list_steps(ExecutionId(first), 1, 0).await.unwrap().total, 700);
        let left = tx.list_steps(ExecutionId(first + 1), 9, 0).await.unwrap().items;
        assert_eq!(left.iter().map(|step| step.seq).collect::<Vec<_>>(), [1]);
    }

    async fn old_logs_and_events_go_and_numbers_stay(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let Past { to, .. } = past(&mut tx).await;
        let event = |digest: &str| NewAccountEvent {
            bot_id: to.0,
            phone_number_id: None,
            waba_id: None,
            field: "account_alerts".into(),
            payload: "{}".into(),
            digest: Some(digest.into()),
            sent_at: None,
        };
        tx.insert_account_event(&event("old"), long_ago()).await.unwrap().unwrap();
        tx.insert_account_event(&event("young"), now()).await.unwrap().unwrap();
        tx.commit().await.unwrap();

        assert_eq!(purge(&db, Aging::TriggerLogs).await.0, OLD.unsigned_abs() / 10);
        assert_eq!(purge(&db, Aging::AccountEvents).await.0, 1);
        for what in [Aging::PluginLogs, Aging::Requests] {
            assert_eq!(purge(&db, what).await, (0, 1));
        }
        let mut tx = db.begin().await.unwrap();
        assert_eq!(tx.trigger_logs(TriggerId(5), 1, 0).await.unwrap().total, 0);
        assert_eq!(tx.account_events(to.0, None, 9, 0).await.unwrap().total, 1);
        assert_eq!(messages(&mut tx, to.0).await, OLD);
    }
}

/// Only one host at a time removes; the others need not wait for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_host_at_a_time_removes_and_passes_over_what_others_hold() {
    let database = tests::TestDatabase::postgres().await;
    let db = <Migrated as tests::OnDatabase>::on(database).await;
    let mut tx = db.begin().await.unwrap();
    let Past { to, .. } = past(&mut tx).await;
    tx.commit().await.unwrap();
    let mut busy = db.begin().await.unwrap();
    assert!(busy.purge(Aging::TriggerLogs, (0, 0), before()).await.unwrap().is_some());
    let mut other = db.begin().await.unwrap();
    assert_eq!(other.purge(Aging::Messages, (0, 0), before()).await.unwrap(), None);
    other.rollback().await.unwrap();
    busy.rollback().await.unwrap();

    let mut holder = db.begin().await.unwrap();
    let held =
        ChangedMessage { phone_number_id: "106540352242922", wamid: "wamid.made-up.0", contact_id: to.1, at: now() };
    assert!(holder.revoke_message(&held, Direction::Inbound).await.unwrap());
    let mut tx = db.begin().await.unwrap();
    let stride = tx.purge(Aging::Messages, (0, 0), before()).await.unwrap().unwrap();
    assert_eq!(stride.removed, 499, "the row that another transaction holds is passed over");
}
