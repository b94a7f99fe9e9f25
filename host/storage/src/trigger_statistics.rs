//! Logs and statistics of triggers, as [`Tally`](crate::Tally) keeps them.

use domain::{BotId, ContactId, ExecutionId, FlowId, MessageId, Time, TriggerId, UserId};
use sqlx::{FromRow, QueryBuilder};

use crate::{Page, Result, Tx, db::on};

/// A trigger started a flow, or was refused it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TriggerLog {
    /// Row id.
    pub id: i64,
    /// The trigger.
    pub trigger_id: TriggerId,
    /// Its bot.
    pub bot_id: BotId,
    /// The flow it was to start.
    pub flow_id: FlowId,
    /// With whom.
    pub contact_id: Option<ContactId>,
    /// Their phone number or business-scoped user id.
    pub contact_address: Option<String>,
    /// What it started.
    pub execution_id: Option<ExecutionId>,
    /// The message that fired it.
    pub message_id: Option<MessageId>,
    /// `started` or `refused`.
    pub decision: String,
    /// Why it fired, or why it was refused.
    pub reason: String,
    /// When.
    pub at: Time,
}

#[derive(FromRow)]
struct LogRow {
    id: i64,
    trigger_id: i64,
    bot_id: i64,
    flow_id: i64,
    contact_id: Option<i64>,
    contact_address: Option<String>,
    execution_id: Option<i64>,
    message_id: Option<i64>,
    decision: String,
    reason: String,
    at: Time,
}

impl From<LogRow> for TriggerLog {
    fn from(row: LogRow) -> Self {
        Self {
            id: row.id,
            trigger_id: row.trigger_id.into(),
            bot_id: row.bot_id.into(),
            flow_id: row.flow_id.into(),
            contact_id: row.contact_id.map(ContactId),
            contact_address: row.contact_address,
            execution_id: row.execution_id.map(ExecutionId),
            message_id: row.message_id.map(MessageId),
            decision: row.decision,
            reason: row.reason,
            at: row.at,
        }
    }
}

/// How often a trigger fired, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TriggerTotals {
    /// The trigger.
    #[sqlx(try_from = "i64")]
    pub trigger_id: TriggerId,
    /// Times it won.
    pub fires: i64,
    /// Times it started its flow.
    pub starts: i64,
    /// Executions it started that failed.
    pub failures: i64,
    /// When it last fired.
    pub last_fired_at: Option<Time>,
}

/// What triggers did in one day.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TriggerDay {
    /// The trigger.
    #[sqlx(try_from = "i64")]
    pub trigger_id: TriggerId,
    /// Days since 1970-01-01 UTC.
    pub day: i64,
    /// Times it won.
    pub fires: i64,
    /// Times it started its flow.
    pub starts: i64,
    /// Executions it started that failed.
    pub failures: i64,
}

/// A query over the stats `s` of the owner's triggers, of one bot or of all.
macro_rules! scoped {
    ($owner:expr, $bot:expr, $select:literal) => {{
        let mut query = QueryBuilder::new(concat!(
            $select,
            " FROM triggers t JOIN bots b ON b.id = t.bot_id JOIN trigger_stats s ON s.trigger_id = t.id"
        ));
        query.push(" WHERE b.owner_id = ").push_bind($owner.0);
        if let Some(bot) = $bot {
            query.push(" AND t.bot_id = ").push_bind(bot.0);
        }
        query
    }};
}

impl Tx {
    /// What a trigger started or was refused, newest first, whoever owns it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trigger_logs(&mut self, trigger: TriggerId, limit: i64, skip: i64) -> Result<Page<TriggerLog>> {
        let total = on!(self, c => sqlx::query_scalar("SELECT COUNT(*) FROM trigger_logs WHERE trigger_id = $1")
            .bind(trigger.0)
            .fetch_one(c)
            .await)?;
        let rows: Vec<LogRow> = on!(self, c => sqlx::query_as(
            "SELECT l.id, l.trigger_id, l.bot_id, l.flow_id, l.contact_id, COALESCE(c.phone, c.bsuid) AS contact_address,
                l.execution_id, l.message_id, l.decision, l.reason, l.at
             FROM trigger_logs l LEFT JOIN contacts c ON c.id = l.contact_id
             WHERE l.trigger_id = $1 ORDER BY l.id DESC LIMIT $2 OFFSET $3",
        )
        .bind(trigger.0)
        .bind(limit)
        .bind(skip)
        .fetch_all(c)
        .await)?;
        Ok(Page { items: rows.into_iter().map(TriggerLog::from).collect(), total })
    }

    /// How often the owner's triggers fired, of one bot or of all, by id; those that never did are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trigger_totals(&mut self, owner: UserId, bot: Option<BotId>) -> Result<Vec<TriggerTotals>> {
        Ok(on!(self, c => {
            let mut query = scoped!(owner, bot,
                "SELECT s.trigger_id, CAST(SUM(s.fires) AS BIGINT) AS fires, CAST(SUM(s.starts) AS BIGINT) AS starts,
                    CAST(SUM(s.failures) AS BIGINT) AS failures, MAX(s.last_fired_at) AS last_fired_at");
            query.push(" GROUP BY s.trigger_id ORDER BY s.trigger_id").build_query_as().fetch_all(c).await
        })?)
    }

    /// What the owner's triggers did on each day since `day`, of one bot or of all; by trigger and day.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trigger_days(&mut self, owner: UserId, bot: Option<BotId>, day: i64) -> Result<Vec<TriggerDay>> {
        Ok(on!(self, c => {
            let mut query = scoped!(owner, bot,
                "SELECT s.trigger_id, s.day, CAST(SUM(s.fires) AS BIGINT) AS fires,
                    CAST(SUM(s.starts) AS BIGINT) AS starts, CAST(SUM(s.failures) AS BIGINT) AS failures");
            query.push(" AND s.day >= ").push_bind(day);
            query.push(" GROUP BY s.trigger_id, s.day ORDER BY s.trigger_id, s.day").build_query_as().fetch_all(c).await
        })?)
    }
}
