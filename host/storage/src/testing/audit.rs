//! What a database holds, for simulations that compare it with what should have come of it.

use sqlx::FromRow;

use crate::{Result, Tx, db::on};

/// A message of either direction.
#[derive(Debug, Clone, FromRow)]
pub struct AuditedMessage {
    /// Row id.
    pub id: i64,
    /// The contact's number.
    pub phone: String,
    /// Whether it goes to the contact.
    pub is_outbound: bool,
    /// Meta's id.
    pub wamid: Option<String>,
    /// The text.
    pub text: String,
    /// Delivery status.
    pub status: String,
    /// How often it was sent again in doubt.
    pub ambiguous: i64,
    /// When it was stored.
    pub created_at: domain::Time,
}

/// A mailbox.
#[derive(Debug, Clone, FromRow)]
pub struct AuditedMailbox {
    /// Whose.
    pub contact_id: i64,
    /// The host that works on it.
    pub owner: Option<i64>,
    /// Reasons to look at it that were not dealt with.
    pub unhandled: i64,
    /// Messages that are not settled.
    pub open: i64,
    /// Whether it waits for a point in time.
    pub is_parked: bool,
}

/// Rows counted: what must be none at rest, and what the statistics say beside what they count.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Counts {
    /// Items in mailboxes.
    pub items: i64,
    /// Delivery reports held for messages that are not known.
    pub early: i64,
    /// Executions.
    pub executions: i64,
    /// Executions that a trigger started.
    pub triggered: i64,
    /// Executions that wait for an answer.
    pub waiting_input: i64,
    /// Executions that completed.
    pub completed: i64,
    /// Executions that ended otherwise.
    pub broken: i64,
    /// Statistics: executions that began.
    pub counted_started: i64,
    /// Statistics: executions that completed.
    pub counted_completed: i64,
    /// Statistics: executions in the buckets of durations.
    pub counted_durations: i64,
    /// Statistics: flows that triggers started.
    pub counted_starts: i64,
    /// Entries in the triggers' logs.
    pub trigger_logs: i64,
    /// Statistics: how often nodes were entered.
    pub counted_entered: i64,
    /// Statistics: how often nodes were left.
    pub counted_left: i64,
    /// Steps in the executions' logs that leave a node.
    pub steps_left: i64,
}

impl Tx {
    /// All messages, in the order of their ids.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn audit_messages(&mut self) -> Result<Vec<AuditedMessage>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT m.id, COALESCE(c.phone, '') AS phone, m.direction = 'outbound' AS is_outbound, m.wamid,
                    COALESCE(m.text, '') AS text, m.status, m.ambiguous, m.created_at
             FROM messages m JOIN contacts c ON c.id = m.contact_id ORDER BY m.id").fetch_all(c).await)?)
    }

    /// All mailboxes.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn audit_mailboxes(&mut self) -> Result<Vec<AuditedMailbox>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT contact_id, owner, arrivals - handled AS unhandled, open,
                    (wake_at IS NOT NULL OR held_until IS NOT NULL) AS is_parked
             FROM mailboxes ORDER BY contact_id").fetch_all(c).await)?)
    }

    /// What there is, counted.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn audit_counts(&mut self) -> Result<Counts> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT
                (SELECT COUNT(*) FROM mailbox_items) AS items,
                (SELECT COUNT(*) FROM early_statuses) AS early,
                (SELECT COUNT(*) FROM executions) AS executions,
                (SELECT COUNT(*) FROM executions WHERE trigger_id IS NOT NULL) AS triggered,
                (SELECT COUNT(*) FROM executions WHERE status = 'waiting_input') AS waiting_input,
                (SELECT COUNT(*) FROM executions WHERE status = 'completed') AS completed,
                (SELECT COUNT(*) FROM executions WHERE status NOT IN ('waiting_input', 'completed')) AS broken,
                (SELECT CAST(COALESCE(SUM(started), 0) AS BIGINT) FROM flow_stats) AS counted_started,
                (SELECT CAST(COALESCE(SUM(completed), 0) AS BIGINT) FROM flow_stats) AS counted_completed,
                (SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM flow_durations) AS counted_durations,
                (SELECT CAST(COALESCE(SUM(starts), 0) AS BIGINT) FROM trigger_stats) AS counted_starts,
                (SELECT COUNT(*) FROM trigger_logs) AS trigger_logs,
                (SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM node_stats WHERE event = 'entered') AS counted_entered,
                (SELECT CAST(COALESCE(SUM(count), 0) AS BIGINT) FROM node_stats WHERE event = 'left') AS counted_left,
                (SELECT COUNT(*) FROM execution_steps WHERE CAST(detail AS TEXT) LIKE '%\"exit\"%') AS steps_left")
            .fetch_one(c).await)?)
    }
}
