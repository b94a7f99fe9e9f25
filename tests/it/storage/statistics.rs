//! What is counted, and the logs of triggers.

use chrono::TimeDelta;
use domain::{
    BotId, ContactId, Execution, ExecutionId, ExecutionStatus, FlowId, JsonMap, MatchType, MessageId, Time, TriggerId,
    TriggerRule,
};
use storage::{
    ContactFields, Decision, FlowDay, FlowScope, NewExecution, NodeCount, Tally, TriggerFields, Tx, User, day_of,
};
use tests::{Migrated, each_database};

use super::{bot, flow, now, user};

/// An owner's bot with a flow and a trigger that starts it.
struct Scene {
    owner: User,
    bot: BotId,
    flow: FlowId,
    trigger: TriggerId,
    contact: ContactId,
}

async fn scene(tx: &mut Tx, name: &str) -> Scene {
    let owner = user(tx, name).await;
    let bot = bot(tx, &owner, "b").await;
    let flow = flow(tx, bot, "f").await;
    let rule =
        TriggerRule::Keyword { keywords: vec!["hi".into()], match_type: MatchType::Exact, case_sensitive: false };
    let fields =
        TriggerFields { flow_id: flow, name: "t".into(), priority: 0, is_active: true, interrupt: false, rule };
    let trigger = tx.create_trigger(bot, &fields, now()).await.unwrap().id;
    let contact = ContactFields { phone: Some("1234567".into()), ..ContactFields::default() };
    let contact = tx.create_contact(bot, &contact, now()).await.unwrap().id;
    Scene { owner, bot, flow, trigger, contact }
}

impl Scene {
    fn scope(&self) -> FlowScope {
        FlowScope { owner: self.owner.id, bot: None, flow: None }
    }

    fn decision(&self, execution: Option<i64>, at: Time) -> Decision {
        Decision {
            bot_id: self.bot,
            trigger_id: self.trigger,
            flow_id: self.flow,
            contact_id: Some(self.contact),
            execution_id: execution.map(ExecutionId),
            message_id: Some(MessageId(7)),
            reason: "ä 🦀".into(),
            at,
        }
    }
}

/// A day in the life of a flow, on a shard.
fn tally(scene: &Scene, shard: i64) -> Tally {
    let mut tally = Tally::of_shard(shard);
    let (flow, trigger) = (scene.flow, Some(scene.trigger));
    for (n, status) in
        [ExecutionStatus::Completed, ExecutionStatus::Failed, ExecutionStatus::Cancelled].iter().enumerate()
    {
        tally.started(flow, now());
        tally.decided(scene.decision(Some(i64::try_from(n).unwrap()), now()));
        tally.ended(flow, trigger, *status, now(), now() + TimeDelta::days(1) + TimeDelta::milliseconds(8));
    }
    tally.decided(scene.decision(None, now() + TimeDelta::days(1)));
    for exit in ["next", "next", "error_path"] {
        tally.entered(flow, 3);
        tally.left(flow, 3, exit);
    }
    tally.entered(flow, 3);
    tally.failed_at(flow, 3);
    tally
}

each_database! {
    async fn what_is_tallied_adds_up_over_shards_and_days(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (mine, theirs) = (scene(&mut tx, "ada").await, scene(&mut tx, "bob").await);
        for shard in [0, 3, 3] {
            tx.add_tally(&tally(&mine, shard)).await.unwrap();
        }
        tx.add_tally(&tally(&theirs, 0)).await.unwrap();
        tx.add_tally(&Tally::default()).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = db.read().await.unwrap();
        tx.hold_still().await.unwrap();
        let totals = tx.flow_totals(mine.scope()).await.unwrap();
        assert_eq!(totals.len(), 1);
        let of = &totals[0];
        assert_eq!((of.flow_id, of.started, of.completed, of.failed, of.cancelled), (mine.flow, 9, 3, 3, 3));
        assert_eq!(of.duration_ms, 3 * 86_400_008);
        let today = day_of(now());
        let days = tx.flow_days(mine.scope(), today).await.unwrap();
        let day = |day, started, ended| FlowDay { day, started, completed: ended, failed: ended, cancelled: ended };
        assert_eq!(days, [day(today, 9, 0), day(today + 1, 0, 3)]);
        assert_eq!(tx.flow_days(mine.scope(), today + 1).await.unwrap().len(), 1);
        let durations = tx.flow_durations(mine.scope()).await.unwrap();
        assert_eq!(durations.count(), 3);
        assert!((durations.percentile(50).unwrap() - 86_400_008).abs() < 8_640_000);
        let count = |event: &str, exit: &str, count| NodeCount { node: 3, event: event.into(), exit: exit.into(), count };
        assert_eq!(tx.node_counts(mine.flow).await.unwrap(), [
            count("entered", "", 12), count("failed", "", 3), count("left", "error_path", 3), count("left", "next", 6),
        ]);

        let triggers = tx.trigger_totals(mine.owner.id, Some(mine.bot)).await.unwrap();
        assert_eq!(triggers.len(), 1);
        assert_eq!((triggers[0].trigger_id, triggers[0].fires, triggers[0].starts, triggers[0].failures), (mine.trigger, 12, 9, 3));
        assert_eq!(triggers[0].last_fired_at, Some(now() + TimeDelta::days(1)));
        let days = tx.trigger_days(mine.owner.id, None, today).await.unwrap();
        let days: Vec<_> = days.iter().map(|day| (day.day, day.fires, day.starts, day.failures)).collect();
        assert_eq!(days, [(today, 9, 9, 0), (today + 1, 3, 0, 3)]);
        let other = FlowScope { bot: Some(theirs.bot), ..mine.scope() };
        assert!(tx.flow_totals(other).await.unwrap().is_empty());
        assert!(tx.trigger_totals(mine.owner.id, Some(theirs.bot)).await.unwrap().is_empty());
    }

    async fn an_earlier_fire_does_not_hide_a_later_one(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let scene = scene(&mut tx, "ada").await;
        for seconds in [5, 9, 2] {
            let mut tally = Tally::of_shard(0);
            tally.decided(scene.decision(None, now() + TimeDelta::seconds(seconds)));
            tx.add_tally(&tally).await.unwrap();
        }
        let mut failure = Tally::of_shard(0);
        failure.ended(scene.flow, Some(scene.trigger), ExecutionStatus::Failed, now(), now());
        tx.add_tally(&failure).await.unwrap();
        let totals = tx.trigger_totals(scene.owner.id, None).await.unwrap();
        assert_eq!((totals[0].fires, totals[0].failures), (3, 1));
        assert_eq!(totals[0].last_fired_at, Some(now() + TimeDelta::seconds(9)));
    }

    async fn logs_are_the_newest_first_and_go_with_their_contact_or_trigger(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let scene = scene(&mut tx, "ada").await;
        let mut tally = Tally::default();
        tally.decided(scene.decision(Some(11), now()));
        tally.decided(Decision { contact_id: None, message_id: None, ..scene.decision(None, now()) });
        tx.add_tally(&tally).await.unwrap();
        let page = tx.trigger_logs(scene.trigger, 10, 0).await.unwrap();
        assert_eq!(page.total, 2);
        let (refused, started) = (&page.items[0], &page.items[1]);
        assert_eq!((refused.decision.as_str(), refused.execution_id, refused.contact_id), ("refused", None, None));
        assert_eq!((started.decision.as_str(), started.execution_id), ("started", Some(ExecutionId(11))));
        assert_eq!((started.contact_address.as_deref(), started.reason.as_str(), started.at), (Some("1234567"), "ä 🦀", now()));
        assert_eq!(tx.trigger_logs(scene.trigger, 1, 1).await.unwrap().items[0], *started);
        assert!(tx.delete_contact(scene.owner.id, scene.contact).await.unwrap());
        assert_eq!(tx.trigger_logs(scene.trigger, 10, 0).await.unwrap().total, 1);
        tx.delete_trigger(scene.trigger).await.unwrap();
        assert_eq!(tx.trigger_logs(scene.trigger, 10, 0).await.unwrap().total, 0);
        assert!(tx.trigger_totals(scene.owner.id, None).await.unwrap().is_empty());
    }

    async fn nothing_is_counted_for_what_is_gone(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (gone, kept) = (scene(&mut tx, "ada").await, scene(&mut tx, "bob").await);
        tx.add_tally(&tally(&gone, 1)).await.unwrap();
        tx.delete_flow(gone.flow, now()).await.unwrap();
        assert!(tx.node_counts(gone.flow).await.unwrap().is_empty());
        assert_eq!(tx.trigger_logs(gone.trigger, 10, 0).await.unwrap().total, 0);
        // An execution ended late; what else was counted with it is kept.
        let mut late = tally(&gone, 1);
        late.started(kept.flow, now());
        tx.add_tally(&late).await.unwrap();
        assert!(tx.node_counts(gone.flow).await.unwrap().is_empty());
        assert_eq!(tx.trigger_logs(gone.trigger, 10, 0).await.unwrap().total, 0);
        assert_eq!(tx.flow_totals(kept.scope()).await.unwrap()[0].started, 1);
        assert!(tx.delete_bot(kept.owner.id, kept.bot).await.unwrap());
        while !tx.purge_bot(kept.bot, 1).await.unwrap() {}
        assert_eq!(tx.trigger_logs(kept.trigger, 10, 0).await.unwrap().total, 0);
        assert!(tx.flow_totals(kept.scope()).await.unwrap().is_empty());
    }

    async fn a_large_tally_is_written_whole(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let scene = scene(&mut tx, "ada").await;
        let mut tally = Tally::default();
        for n in 0..5_000 {
            tally.entered(scene.flow, n);
            tally.decided(scene.decision(Some(n), now()));
        }
        tx.add_tally(&tally).await.unwrap();
        assert_eq!(tx.node_counts(scene.flow).await.unwrap().len(), 5_000);
        assert_eq!(tx.trigger_logs(scene.trigger, 1, 0).await.unwrap().total, 5_000);
    }

    async fn what_waits_now_is_counted_where_it_waits(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let scene = scene(&mut tx, "ada").await;
        let mut save = async |status: ExecutionStatus, node| {
            let execution = Execution {
                id: ExecutionId(tx.reserve_execution_ids(1).await.unwrap()),
                bot_id: scene.bot,
                contact_id: scene.contact,
                flow_id: scene.flow,
                flow_version: 1,
                status,
                current_node: Some(node),
                state: JsonMap::new(),
                message: None,
                depth: 0,
                steps: 1,
                turn: 0,
                wake_at: None,
                effect: None,
            visit: None,
                error: None,
                started_at: now(),
                updated_at: now(),
                completed_at: status.is_final().then(now),
            };
            tx.save_executions(&[NewExecution { execution, trigger_id: None }]).await.unwrap();
        };
        save(ExecutionStatus::WaitingInput, 2).await;
        save(ExecutionStatus::WaitingInput, 2).await;
        save(ExecutionStatus::WaitingTimer, 2).await;
        save(ExecutionStatus::WaitingInput, 5).await;
        save(ExecutionStatus::Completed, 5).await;
        let counts = tx.live_counts(scene.scope()).await.unwrap();
        let counts: Vec<_> = counts.iter().map(|live| (live.status, live.node, live.count)).collect();
        assert_eq!(counts, [
            (ExecutionStatus::WaitingInput, Some(2), 2),
            (ExecutionStatus::WaitingInput, Some(5), 1),
            (ExecutionStatus::WaitingTimer, Some(2), 1),
        ]);
    }
}
