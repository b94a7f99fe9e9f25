//! Counting what happens: a [`Tally`] is filled in memory and written in the transaction of what it counts, in a handful
//! of statements whatever its size.

use std::collections::BTreeMap;

use domain::{BotId, ContactId, ExecutionId, ExecutionStatus, FlowId, MessageId, Time, TriggerId};

use crate::{Result, Tx, db::on, histogram::bucket_of, rows::statement};

/// Most rows of one statement; SQLite takes 32,766 parameters, PostgreSQL 65,535.
const ROWS_PER_STATEMENT: usize = 2_000;

/// What happened to executions and triggers, added up.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Which of its rows' twins to add to. Workers with different ones do not wait for each other.
    shard: i64,
    flows: BTreeMap<(FlowId, i64), FlowCounts>,
    durations: BTreeMap<(FlowId, i64), i64>,
    nodes: BTreeMap<(FlowId, i64, &'static str, String), i64>,
    triggers: BTreeMap<(TriggerId, i64), TriggerCounts>,
    decisions: Vec<Decision>,
    failures: Vec<Decision>,
}

#[derive(Debug, Clone, Default)]
struct FlowCounts {
    started: i64,
    completed: i64,
    failed: i64,
    cancelled: i64,
    duration_ms: i64,
}

#[derive(Debug, Clone, Default)]
struct TriggerCounts {
    fires: i64,
    starts: i64,
    failures: i64,
    last_fired_at: Option<Time>,
}

/// A trigger fired, and a flow was started or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The trigger's bot.
    pub bot_id: BotId,
    /// The trigger.
    pub trigger_id: TriggerId,
    /// The flow it was to start.
    pub flow_id: FlowId,
    /// With whom; none when it was refused before anybody was chosen.
    pub contact_id: Option<ContactId>,
    /// What it started; none when it was refused.
    pub execution_id: Option<ExecutionId>,
    /// The message that fired it.
    pub message_id: Option<MessageId>,
    /// Why it fired, or why it was refused, for people.
    pub reason: String,
    /// When.
    pub at: Time,
}

/// The day of an instant: days since 1970-01-01 UTC.
pub fn day_of(at: Time) -> i64 {
    at.timestamp().div_euclid(86_400)
}

impl Tally {
    /// An empty one for a shard: any number, which costs readers as many rows as there are different ones.
    pub fn of_shard(shard: i64) -> Self {
        Self { shard, ..Self::default() }
    }

    /// An execution was taken up for the first time.
    pub fn started(&mut self, flow: FlowId, at: Time) {
        self.flows.entry((flow, day_of(at))).or_default().started += 1;
    }

    /// An execution ended. The trigger is the one that started it.
    pub fn ended(
        &mut self,
        flow: FlowId,
        trigger: Option<TriggerId>,
        status: ExecutionStatus,
        started_at: Time,
        at: Time,
    ) {
        let day = day_of(at);
        let counts = self.flows.entry((flow, day)).or_default();
        match status {
            ExecutionStatus::Completed => {
                let ms = (at - started_at).num_milliseconds().max(0);
                counts.completed += 1;
                counts.duration_ms += ms;
                *self.durations.entry((flow, bucket_of(ms))).or_default() += 1;
            }
            ExecutionStatus::Failed => {
                counts.failed += 1;
                if let Some(trigger) = trigger {
                    self.triggers.entry((trigger, day)).or_default().failures += 1;
                }
            }
            ExecutionStatus::Cancelled => counts.cancelled += 1,
            ExecutionStatus::Running
            | ExecutionStatus::WaitingInput
            | ExecutionStatus::WaitingTimer
            | ExecutionStatus::WaitingEvent
            | ExecutionStatus::WaitingEffect => {}
        }
    }

    /// An execution came to a node.
    pub fn entered(&mut self, flow: FlowId, node: i64) {
        self.at_node(flow, node, "entered", "");
    }

    /// An execution left a node by an exit.
    pub fn left(&mut self, flow: FlowId, node: i64, exit: &str) {
        self.at_node(flow, node, "left", exit);
    }

    /// An execution failed at a node.
    pub fn failed_at(&mut self, flow: FlowId, node: i64) {
        self.at_node(flow, node, "failed", "");
    }

    fn at_node(&mut self, flow: FlowId, node: i64, event: &'static str, exit: &str) {
        *self.nodes.entry((flow, node, event, exit.to_owned())).or_default() += 1;
    }

    /// A trigger fired.
    pub fn decided(&mut self, decision: Decision) {
        let counts = self.triggers.entry((decision.trigger_id, day_of(decision.at))).or_default();
        counts.fires += 1;
        counts.starts += i64::from(decision.execution_id.is_some());
        counts.last_fired_at = counts.last_fired_at.max(Some(decision.at));
        self.decisions.push(decision);
    }
}

impl Tally {
    /// A trigger could not say whether it fires: only its log learns of it.
    pub fn failed_to_say(&mut self, failure: Decision) {
        self.failures.push(failure);
    }
}

/// Adds rows to what is there. Counts of flows and triggers that are gone are dropped, and rows are locked in the order
/// of their keys by everybody.
macro_rules! add {
    ($tx:expr, $counts:expr, $insert:literal, $exists:literal, |$row:ident, $item:ident| $push:expr, $conflict:literal) => {{
        let items: Vec<_> = $counts.iter().collect();
        for chunk in items.chunks(ROWS_PER_STATEMENT) {
            on!(&mut *$tx, c => {
                let mut query = statement!(chunk.len(), concat!($insert, " SELECT * FROM "));
                query.push_table(chunk, |mut $row, $item| { $push; });
                query.push(concat!(" AS v WHERE EXISTS (SELECT 1 FROM ", $exists, " WHERE id = v.column1)
                    ORDER BY 1, 2, 3, 4 ", $conflict));
                query.build().execute(c).await.map(|_| ())
            })?;
        }
    }};
}

impl Tx {
    /// Adds what was counted to what is stored. Best done last in a transaction: other writers of the shard wait.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_tally(&mut self, tally: &Tally) -> Result<()> {
        let shard = tally.shard;
        self.append_decisions(&tally.failures, "failed").await?;
        self.append_decisions(&tally.decisions, "refused").await?;
        add!(
            self,
            tally.flows,
            "INSERT INTO flow_stats (flow_id, day, shard, started, completed, failed, cancelled, duration_ms)",
            "flows",
            |row, item| {
                let ((flow, day), n) = item;
                row.push_bind(flow.0).push_bind(*day).push_bind(shard).push_bind(n.started).push_bind(n.completed);
                row.push_bind(n.failed).push_bind(n.cancelled).push_bind(n.duration_ms)
            },
            "ON CONFLICT (flow_id, day, shard) DO UPDATE SET
                started = flow_stats.started + excluded.started,
                completed = flow_stats.completed + excluded.completed,
                failed = flow_stats.failed + excluded.failed,
                cancelled = flow_stats.cancelled + excluded.cancelled,
                duration_ms = flow_stats.duration_ms + excluded.duration_ms"
        );
        add!(
            self,
            tally.durations,
            "INSERT INTO flow_durations (flow_id, bucket, shard, count)",
            "flows",
            |row, item| {
                let ((flow, bucket), count) = item;
                row.push_bind(flow.0).push_bind(*bucket).push_bind(shard).push_bind(**count)
            },
            "ON CONFLICT (flow_id, bucket, shard) DO UPDATE SET count = flow_durations.count + excluded.count"
        );
        add!(
            self,
            tally.nodes,
            "INSERT INTO node_stats (flow_id, node, event, exit, shard, count)",
            "flows",
            |row, item| {
                let ((flow, node, event, exit), count) = item;
                row.push_bind(flow.0).push_bind(*node).push_bind(*event).push_bind(exit.as_str());
                row.push_bind(shard).push_bind(**count)
            },
            "ON CONFLICT (flow_id, node, event, exit, shard) DO UPDATE SET count = node_stats.count + excluded.count"
        );
        add!(
            self,
            tally.triggers,
            "INSERT INTO trigger_stats (trigger_id, day, shard, fires, starts, failures, last_fired_at)",
            "triggers",
            |row, item| {
                let ((trigger, day), n) = item;
                row.push_bind(trigger.0).push_bind(*day).push_bind(shard).push_bind(n.fires).push_bind(n.starts);
                row.push_bind(n.failures).push_bind(n.last_fired_at)
            },
            "ON CONFLICT (trigger_id, day, shard) DO UPDATE SET
                fires = trigger_stats.fires + excluded.fires,
                starts = trigger_stats.starts + excluded.starts,
                failures = trigger_stats.failures + excluded.failures,
                last_fired_at = CASE
                    WHEN excluded.last_fired_at IS NULL THEN trigger_stats.last_fired_at
                    WHEN trigger_stats.last_fired_at > excluded.last_fired_at THEN trigger_stats.last_fired_at
                    ELSE excluded.last_fired_at END"
        );
        Ok(())
    }

    /// `otherwise`: the word for those that started nothing.
    async fn append_decisions(&mut self, decisions: &[Decision], otherwise: &str) -> Result<()> {
        for chunk in decisions.chunks(ROWS_PER_STATEMENT) {
            on!(&mut *self, c => {
                let mut query = statement!(chunk.len(),
                    "INSERT INTO trigger_logs
                        (trigger_id, bot_id, flow_id, contact_id, execution_id, message_id, decision, reason, at)
                     SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9 FROM ");
                query.push_table(&Vec::from_iter(chunk.iter().zip(0_i64..)), |mut row, (d, place)| {
                    row.push_bind(d.trigger_id.0)
                        .push_bind(d.bot_id.0)
                        .push_bind(d.flow_id.0)
                        .push_bind(d.contact_id.map(|id| id.0))
                        .push_bind(d.execution_id.map(|id| id.0))
                        .push_bind(d.message_id.map(|id| id.0))
                        .push_bind(if d.execution_id.is_some() { "started" } else { otherwise })
                        .push_bind(&d.reason)
                        .push_bind(d.at)
                        .push_bind(*place);
                });
                query.push(" AS v WHERE EXISTS (SELECT 1 FROM triggers WHERE id = v.column1) ORDER BY column10");
                query.build().execute(c).await.map(|_| ())
            })?;
        }
        Ok(())
    }
}
