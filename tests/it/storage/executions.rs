//! Executions and their logs.

use domain::{
    ContactId, Effect, Execution, ExecutionId, ExecutionStatus, FlowId, HttpEffect, InboundMessage, MessageId,
    TriggerId,
};
use storage::{Json, NewExecution, Sighting, StepRow, Tx};
use tests::{Migrated, each_database};

use super::{bot, flow, now, object, odd_json, user};

async fn execution(tx: &mut Tx, name: &str) -> Execution {
    let owner = user(tx, name).await;
    let bot_id = bot(tx, &owner, "b").await;
    let flow_id = flow(tx, bot_id, "f").await;
    let phone = Some("16505550101".into());
    let seen = Sighting {
        bot_id,
        phone,
        bsuid: None,
        username: None,
        name: None,
        at: now(),
        announces: true,
        opens_window: true,
    };
    let contact_id: ContactId = tx.see_contacts(&[seen], now()).await.unwrap().contacts[0].id;
    let message = InboundMessage {
        id: MessageId(7),
        kind: "text".into(),
        text: Some("hi".into()),
        reply_id: None,
        content: odd_json(),
        context: Some(odd_json()),
        referral: None,
        error: None,
        timestamp: now(),
    };
    Execution {
        id: ExecutionId(tx.reserve_execution_ids(1).await.unwrap()),
        bot_id,
        contact_id,
        flow_id,
        flow_version: 1,
        status: ExecutionStatus::Running,
        current_node: None,
        state: object(odd_json()),
        message: Some(message),
        depth: 2,
        steps: 0,
        turn: 0,
        wake_at: None,
        effect: None,
        visit: None,
        error: None,
        started_at: now(),
        updated_at: now(),
        completed_at: None,
    }
}

fn new(execution: &Execution) -> NewExecution {
    NewExecution { execution: execution.clone(), trigger_id: Some(TriggerId(3)) }
}

each_database! {
    async fn what_is_saved_is_what_is_read_at_every_stage(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let mut execution = execution(&mut tx, "ada").await;
        tx.save_executions(&[new(&execution)]).await.unwrap();
        let row = tx.execution(execution.id).await.unwrap().unwrap();
        assert_eq!((&row.execution, row.contact_address.as_str(), row.trigger_id), (&execution, "16505550101", Some(TriggerId(3))));

        execution.status = ExecutionStatus::WaitingEffect;
        execution.current_node = Some(2);
        execution.wake_at = Some(now());
        execution.steps = 4;
        execution.message = None;
        execution.effect = Some(Effect::Http(HttpEffect {
            method: "GET".into(),
            url: "https://example.com".into(),
            headers: [("a".to_owned(), "b".to_owned())].into(),
            body: Some(odd_json()),
            timeout_seconds: 10,
            retries: 2,
            idempotency_key: "1-3".into(),
        }));
        tx.save_executions(&[new(&execution)]).await.unwrap();
        assert_eq!(tx.execution(execution.id).await.unwrap().unwrap().execution, execution);
        let live = tx.live_executions(&[execution.contact_id]).await.unwrap();
        assert_eq!(live[&execution.contact_id].len(), 1);

        execution.status = ExecutionStatus::Failed;
        execution.effect = None;
        execution.error = Some("why".into());
        execution.completed_at = Some(now());
        tx.save_executions(&[new(&execution)]).await.unwrap();
        assert!(tx.live_executions(&[execution.contact_id]).await.unwrap().is_empty());
        assert_eq!(tx.execution(execution.id).await.unwrap().unwrap().execution, execution);
        assert!(tx.execution(ExecutionId(99_999)).await.unwrap().is_none());
        assert!(tx.flow_has_executions(execution.flow_id).await.unwrap());
        assert!(!tx.flow_has_executions(FlowId(99_999)).await.unwrap());
    }

    async fn ids_are_never_handed_out_twice(db: Migrated) {
        let mut first = db.begin().await.unwrap();
        let a = first.reserve_execution_ids(10).await.unwrap();
        first.commit().await.unwrap();
        let mut second = db.begin().await.unwrap();
        assert_eq!(second.reserve_execution_ids(1).await.unwrap(), a + 10);
    }

    async fn lists_show_only_the_owners_and_the_newest_first(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let mine = execution(&mut tx, "ada").await;
        let second = Execution { id: ExecutionId(tx.reserve_execution_ids(1).await.unwrap()), ..mine.clone() };
        let theirs = execution(&mut tx, "bob").await;
        tx.save_executions(&[new(&mine), new(&second), new(&theirs)]).await.unwrap();
        let owner = domain::UserId(tx.bot_runtimes(&[mine.bot_id]).await.unwrap()[0].owner_id.unwrap());
        let page = tx.list_executions(owner, None, "16505550101", 10, 0).await.unwrap();
        assert_eq!(page.items.iter().map(|row| row.execution.id).collect::<Vec<_>>(), [second.id, mine.id]);
        assert_eq!(tx.list_executions(owner, Some(theirs.bot_id), "16505550101", 10, 0).await.unwrap().total, 0);
        assert_eq!(tx.list_executions(owner, Some(mine.bot_id), "16505550101", 1, 1).await.unwrap().items[0].execution.id, mine.id);
    }

    async fn logs_are_kept_in_order(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let execution = execution(&mut tx, "ada").await;
        tx.save_executions(&[new(&execution)]).await.unwrap();
        let steps: Vec<StepRow> = (0..5_000)
            .map(|seq| StepRow {
                execution_id: execution.id,
                seq,
                node: (seq % 2 == 0).then_some(seq),
                r#type: "end".into(),
                event: "completed".into(),
                detail: Json(odd_json()),
                duration_us: seq,
                at: now(),
            })
            .collect();
        tx.append_steps(&steps).await.unwrap();
        let page = tx.list_steps(execution.id, 3, 4_000).await.unwrap();
        assert_eq!((page.total, page.items.iter().map(|s| s.seq).collect::<Vec<_>>()), (5_000, vec![4_000, 4_001, 4_002]));
        assert_eq!((page.items[0].node, page.items[1].node, &page.items[0].detail.0), (Some(4_000), None, &odd_json()));
    }

    async fn what_happens_after_the_end_is_logged_after_it(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let live = execution(&mut tx, "ada").await;
        let id = ExecutionId(tx.reserve_execution_ids(1).await.unwrap());
        let ended = Execution { id, steps: 4, turn: 2, completed_at: Some(now()), ..live.clone() };
        tx.save_executions(&[new(&live), new(&ended)]).await.unwrap();
        for execution_id in [live.id, ended.id] {
            let (r#type, event) = ("flow".to_owned(), "message_failed".to_owned());
            let step =
                StepRow { execution_id, seq: 0, node: Some(1), r#type, event, detail: Json(odd_json()), duration_us: 0, at: now() };
            tx.log_after_end(&step).await.unwrap();
        }
        assert_eq!(tx.list_steps(live.id, 9, 0).await.unwrap().total, 0, "it can say so itself");
        let steps = tx.list_steps(ended.id, 9, 0).await.unwrap().items;
        assert_eq!((steps[0].seq, steps[0].node, steps[0].event.as_str()), (4, Some(1), "message_failed"));
        let kept = tx.execution(ended.id).await.unwrap().unwrap().execution;
        assert_eq!((kept.steps, kept.turn), (5, 2));
    }
}
