//! Pollers: triggers that look for what is new, when they look next and how far they have come.
//!
//! A look is a call to the outside, so it is made between two transactions: one claims the poller until a time, the other
//! ends the look if the claim still stands. A host that dies while it looks loses the claim by time.

use domain::{Time, TriggerId};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Result, TriggerRow, Tx, db::on};

/// A poller whose time has come.
#[derive(Debug, Clone)]
pub struct DuePoller {
    /// The trigger.
    pub trigger: TriggerRow,
    /// Whether its bot is switched on.
    pub bot_is_active: bool,
    /// When it was due.
    pub due_at: Time,
    /// What the last look returned.
    pub cursor: Option<Value>,
    /// Looks that failed since the last one that did not.
    pub failures: i64,
}

#[derive(FromRow)]
struct DueRow {
    trigger_id: i64,
    next_at: Time,
    cursor: Option<Json<Value>>,
    failures: i64,
}

/// How a look ended.
#[derive(Debug, Clone)]
pub struct Looked {
    /// When to look next.
    pub next_at: Time,
    /// What to hand to that look.
    pub cursor: Option<Value>,
    /// Looks that failed in a row.
    pub failures: i64,
}

impl Tx {
    /// Lets a trigger look from a time on, keeping what it has if it looks already; no more, for none.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the trigger is gone.
    pub async fn set_poller(&mut self, trigger: TriggerId, next_at: Option<Time>) -> Result<()> {
        match next_at {
            Some(at) => on!(self, c => sqlx::query(
                "INSERT INTO pollers (trigger_id, next_at, failures) VALUES ($1, $2, 0)
                 ON CONFLICT (trigger_id) DO UPDATE SET next_at = excluded.next_at, failures = 0")
                .bind(trigger.0).bind(at).execute(c).await.map(|_| ()))?,
            None => on!(self, c => sqlx::query("DELETE FROM pollers WHERE trigger_id = $1")
                .bind(trigger.0).execute(c).await.map(|_| ()))?,
        }
        Ok(())
    }

    /// When a poller looks next, and what it will be handed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn poller(&mut self, trigger: TriggerId) -> Result<Option<Looked>> {
        let row: Option<DueRow> = on!(self, c => sqlx::query_as(
            "SELECT trigger_id, next_at, cursor, failures FROM pollers WHERE trigger_id = $1")
            .bind(trigger.0).fetch_optional(c).await)?;
        Ok(row.map(|row| Looked { next_at: row.next_at, cursor: row.cursor.map(|c| c.0), failures: row.failures }))
    }

    /// When the next poller that is switched on is due, or a claim of it ends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_poll_at(&mut self) -> Result<Option<Time>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT CASE WHEN claim IS NOT NULL AND claimed_until > next_at THEN claimed_until ELSE next_at END AS at
             FROM pollers WHERE trigger_id IN (SELECT id FROM triggers WHERE is_active = $1) ORDER BY at LIMIT 1")
            .bind(true).fetch_optional(c).await)?)
    }

    /// Claims a poller that is switched on and due, until a time: nobody else gets it before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_poller(&mut self, now: Time, claim: &str, until: Time) -> Result<Option<DuePoller>> {
        let lock = self.for_update_skip_locked();
        let row: Option<DueRow> = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT trigger_id, next_at, cursor, failures FROM pollers WHERE next_at <= ");
            query.push_bind(now).push(" AND (claim IS NULL OR claimed_until <= ").push_bind(now);
            query.push(") AND trigger_id IN (SELECT id FROM triggers WHERE is_active = ").push_bind(true);
            query.push(") ORDER BY next_at LIMIT 1").push(lock);
            query.build_query_as().fetch_optional(c).await
        })?;
        let Some(row) = row else { return Ok(None) };
        on!(self, c => sqlx::query("UPDATE pollers SET claim = $2, claimed_until = $3 WHERE trigger_id = $1")
            .bind(row.trigger_id).bind(claim).bind(until).execute(c).await.map(|_| ()))?;
        let trigger: TriggerRow = on!(self, c => sqlx::query_as("SELECT * FROM triggers WHERE id = $1")
            .bind(row.trigger_id).fetch_one(c).await)?;
        let bot_is_active: bool = on!(self, c => sqlx::query_scalar("SELECT is_active FROM bots WHERE id = $1")
            .bind(trigger.bot_id.0).fetch_one(c).await)?;
        Ok(Some(DuePoller {
            trigger,
            bot_is_active,
            due_at: row.next_at,
            cursor: row.cursor.map(|cursor| cursor.0),
            failures: row.failures,
        }))
    }

    /// Ends a look. `false` when the claim was lost meanwhile: then nothing of the look may be stored.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn end_look(&mut self, trigger: TriggerId, claim: &str, looked: &Looked) -> Result<bool> {
        let done = on!(self, c => sqlx::query(
            "UPDATE pollers SET next_at = $3, cursor = $4, failures = $5, claim = NULL, claimed_until = NULL
             WHERE trigger_id = $1 AND claim = $2")
            .bind(trigger.0).bind(claim).bind(looked.next_at).bind(looked.cursor.as_ref().map(Json)).bind(looked.failures)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }
}
