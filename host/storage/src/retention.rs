//! Removing what is older than it has to be kept, a stride at a time.
//!
//! A stride looks at some hundred rows by their primary key and removes those of them that are old and needed no more.
//! It ends where rows begin that are too young: ids grow with time. Rows that others have locked are passed over, and so
//! are those that something under way still needs; the next round finds them.

use domain::Time;
use sqlx::QueryBuilder;

use crate::{Result, Tx, db::on};

/// Rows that a stride looks at.
const ROWS: i64 = 500;
/// Rows of step logs that go with executions in one stride.
const STEPS_MAX: u64 = 2_000;

/// What grows with time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Aging {
    /// Messages of both directions, with their reactions; their files are left to be removed.
    Messages,
    /// Logs of what nodes did.
    Steps,
    /// Executions that have ended, with their step logs.
    Executions,
    /// What triggers started and were refused.
    TriggerLogs,
    /// What webhooks told of accounts.
    AccountEvents,
    /// What plugins logged.
    PluginLogs,
    /// Requests with an `Idempotency-Key`, and what they were answered.
    Requests,
}

impl Aging {
    /// All of them, in the order in which they are best removed: steps before their executions.
    pub const ALL: [Self; 7] = [
        Self::Steps,
        Self::Executions,
        Self::Messages,
        Self::TriggerLogs,
        Self::AccountEvents,
        Self::PluginLogs,
        Self::Requests,
    ];

    /// Name of the table.
    pub fn table(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Steps => "execution_steps",
            Self::Executions => "executions",
            Self::TriggerLogs => "trigger_logs",
            Self::AccountEvents => "account_events",
            Self::PluginLogs => "plugin_logs",
            Self::Requests => "idempotency_keys",
        }
    }

    /// The column that tells when a row was made, which is in the order of the ids.
    fn made_at(self) -> &'static str {
        match self {
            Self::Executions => "started_at",
            Self::TriggerLogs | Self::PluginLogs | Self::Steps => "at",
            Self::Messages | Self::AccountEvents | Self::Requests => "created_at",
        }
    }

    /// What a row `r` must fulfil besides having been made long ago.
    fn is_needed_no_more(self) -> &'static str {
        match self {
            // Those on their way, those of an execution that may still hear that they failed, those that wait to be handled.
            Self::Messages => {
                " AND r.status NOT IN ('queued', 'sending')
                  AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = r.execution_id AND e.completed_at IS NULL)
                  AND NOT EXISTS (SELECT 1 FROM mailbox_items i WHERE i.contact_id = r.contact_id AND i.message_id = r.id)"
            }
            // Those that are under way, those whose messages are, those that something waiting to be handled speaks of.
            Self::Executions => {
                " AND r.completed_at < $before
                  AND NOT EXISTS (SELECT 1 FROM messages m WHERE m.contact_id = r.contact_id AND m.execution_id = r.id
                                  AND m.status IN ('queued', 'sending'))
                  AND NOT EXISTS (SELECT 1 FROM mailbox_items i
                                  WHERE i.contact_id = r.contact_id AND i.execution_id = r.id)"
            }
            _ => "",
        }
    }
}

/// What a stride came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stride {
    /// Rows removed, without those that went with them.
    pub removed: u64,
    /// Where the next stride begins; none where all that is left is too young.
    pub next: Option<(i64, i64)>,
}

impl Stride {
    const END: Self = Self { removed: 0, next: None };
}

impl Tx {
    /// Removes what is older than `before`, of the next rows behind `after`; a round begins at `(0, 0)`. `None` when another
    /// host is at it at this moment.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn purge(&mut self, what: Aging, after: (i64, i64), before: Time) -> Result<Option<Stride>> {
        if !self.try_lock_purging().await? {
            return Ok(None);
        }
        Ok(Some(match what {
            Aging::Steps => self.purge_steps(after, before).await?,
            Aging::Requests => self.purge_requests(before).await?,
            Aging::Executions => self.purge_executions(after.0, before).await?,
            Aging::Messages => {
                let Some(last) = self.last_of_page(what, after.0, before).await? else { return Ok(Some(Stride::END)) };
                let old = self.old_rows(what, after.0, last, before).await?;
                self.leave_files(&old).await?;
                self.delete_rows("messages", &old).await?;
                Stride { removed: old.len() as u64, next: Some((last, 0)) }
            }
            Aging::TriggerLogs | Aging::AccountEvents | Aging::PluginLogs => {
                let Some(last) = self.last_of_page(what, after.0, before).await? else { return Ok(Some(Stride::END)) };
                let old = self.old_rows(what, after.0, last, before).await?;
                self.delete_rows(what.table(), &old).await?;
                Stride { removed: old.len() as u64, next: Some((last, 0)) }
            }
        }))
    }

    /// The last id of the next rows, if any of them was made before.
    async fn last_of_page(&mut self, what: Aging, after: i64, before: Time) -> Result<Option<i64>> {
        let (last, old): (Option<i64>, i64) = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT MAX(id), COUNT(CASE WHEN made_at < ");
            query.push_bind(before).push(" THEN 1 END) FROM (SELECT id, ").push(what.made_at());
            query.push(" AS made_at FROM ").push(what.table()).push(" WHERE id > ").push_bind(after);
            query.push(" ORDER BY id LIMIT ").push_bind(ROWS).push(") AS page");
            query.build_query_as().fetch_one(c).await
        })?;
        Ok(last.filter(|_| old > 0))
    }

    /// Which rows of a page can go. Locks them.
    async fn old_rows(&mut self, what: Aging, after: i64, last: i64, before: Time) -> Result<Vec<i64>> {
        let passing_over = self.for_update_skip_locked();
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new("SELECT r.id FROM ");
            query.push(what.table()).push(" r WHERE r.id > ").push_bind(after).push(" AND r.id <= ").push_bind(last);
            query.push(" AND r.").push(what.made_at()).push(" < ").push_bind(before);
            let mut conditions = what.is_needed_no_more().split("$before");
            query.push(conditions.next().unwrap_or_default());
            for condition in conditions {
                query.push_bind(before).push(condition);
            }
            query.push(" ORDER BY r.id").push(passing_over).build_query_scalar().fetch_all(c).await
        })?)
    }

    async fn delete_rows(&mut self, table: &'static str, ids: &[i64]) -> Result<u64> {
        if ids.is_empty() {
            return Ok(0);
        }
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new("DELETE FROM ");
            query.push(table).push(" WHERE id IN (");
            let mut list = query.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            query.push(")").build().persistent(false).execute(c).await.map(|done| done.rows_affected())
        })?)
    }

    /// Leaves the files of messages to be removed, like those of contacts that are gone.
    async fn leave_files(&mut self, messages: &[i64]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = QueryBuilder::new("UPDATE media SET contact_id = NULL WHERE message_id IN (");
            let mut list = query.separated(", ");
            for id in messages {
                list.push_bind(*id);
            }
            query.push(")").build().persistent(false).execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    /// Their step logs first, which may be long.
    async fn purge_executions(&mut self, after: i64, before: Time) -> Result<Stride> {
        let Some(last) = self.last_of_page(Aging::Executions, after, before).await? else { return Ok(Stride::END) };
        let old = self.old_rows(Aging::Executions, after, last, before).await?;
        if old.is_empty() {
            return Ok(Stride { removed: 0, next: Some((last, 0)) });
        }
        let steps = on!(self, c => {
            let mut query = QueryBuilder::new(
                "DELETE FROM execution_steps WHERE (execution_id, seq) IN (
                     SELECT execution_id, seq FROM execution_steps WHERE execution_id IN (");
            let mut list = query.separated(", ");
            for id in &old {
                list.push_bind(*id);
            }
            query.push(") LIMIT ").push_bind(i64::try_from(STEPS_MAX).unwrap_or(i64::MAX)).push(")");
            query.build().persistent(false).execute(c).await.map(|done| done.rows_affected())
        })?;
        if steps == STEPS_MAX {
            return Ok(Stride { removed: 0, next: Some((after, 0)) });
        }
        let removed = self.delete_rows("executions", &old).await?;
        Ok(Stride { removed, next: Some((last, 0)) })
    }

    /// Also steps of executions that are still under way: nothing but people reads them.
    async fn purge_steps(&mut self, after: (i64, i64), before: Time) -> Result<Stride> {
        // An execution that goes on for years has young steps under an old id: what counts is when it began. The page is
        // taken first: SQLite would join all that follows and sort it.
        let page: Vec<(i64, i64, bool, bool)> = on!(self, c => sqlx::query_as(
            "SELECT s.execution_id, s.seq, s.at < $3, e.started_at < $3
             FROM (SELECT execution_id, seq, at FROM execution_steps WHERE (execution_id, seq) > ($1, $2)
                   ORDER BY execution_id, seq LIMIT $4) AS s
             JOIN executions e ON e.id = s.execution_id ORDER BY s.execution_id, s.seq")
            .bind(after.0)
            .bind(after.1)
            .bind(before)
            .bind(ROWS)
            .fetch_all(c)
            .await)?;
        let Some(last) = page.last().map(|(execution, seq, ..)| (*execution, *seq)) else { return Ok(Stride::END) };
        if page.iter().all(|(.., began_before)| !began_before) {
            return Ok(Stride::END);
        }
        let old: Vec<(i64, i64)> = page.iter().filter(|row| row.2).map(|row| (row.0, row.1)).collect();
        if !old.is_empty() {
            on!(self, c => {
                let mut query = QueryBuilder::new("DELETE FROM execution_steps WHERE (execution_id, seq) IN (");
                query.push_values(&old, |mut row, (execution, seq)| {
                    row.push_bind(*execution).push_bind(*seq);
                });
                query.push(")").build().persistent(false).execute(c).await.map(|_| ())
            })?;
        }
        Ok(Stride { removed: old.len() as u64, next: Some(last) })
    }

    async fn purge_requests(&mut self, before: Time) -> Result<Stride> {
        let passing_over = self.for_update_skip_locked();
        let removed = on!(self, c => {
            let mut query = QueryBuilder::new(
                "DELETE FROM idempotency_keys WHERE (user_id, path, key) IN (
                     SELECT user_id, path, key FROM idempotency_keys WHERE created_at < ");
            query.push_bind(before).push(" ORDER BY created_at LIMIT ").push_bind(ROWS).push(passing_over).push(")");
            query.build().execute(c).await.map(|done| done.rows_affected())
        })?;
        let next = (removed >= ROWS.unsigned_abs()).then_some((0, 0));
        Ok(Stride { removed, next })
    }
}
