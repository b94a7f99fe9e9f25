//! What sending remembers between processes: when contacts were last written to, how fast numbers are, and which
//! messages failed.

use domain::{BotId, ContactId, ExecutionId, FailedMessage, MessageId, Time};
use serde_json::Value;
use sqlx::{FromRow, types::Json};

use crate::{Result, Tx, db::on, rows::statement};

/// A message that failed, with what hears of it.
#[derive(Debug, Clone)]
pub struct Failed {
    /// The bot that sent it.
    pub bot_id: BotId,
    /// To whom.
    pub contact_id: ContactId,
    /// The execution that said it.
    pub execution_id: Option<ExecutionId>,
    /// What it hears.
    pub message: FailedMessage,
}

#[derive(FromRow)]
struct FailedRow {
    id: i64,
    bot_id: i64,
    contact_id: i64,
    execution_id: Option<i64>,
    node: Option<i64>,
    turn: i64,
    depth: Option<i64>,
    error: Option<Json<Value>>,
}

impl Tx {
    /// Of these messages those that have failed, in order.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn failed_messages(&mut self, ids: &[MessageId]) -> Result<Vec<Failed>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<FailedRow> = on!(self, c => {
            let mut query = statement!(ids.len(),
                "SELECT m.id, m.bot_id, m.contact_id, m.execution_id, m.node, m.turn, e.depth, m.error
                 FROM messages m LEFT JOIN executions e ON e.id = m.execution_id
                 WHERE m.status = 'failed' AND m.direction = 'outbound' AND m.id IN ");
            query.push_list(ids.iter().map(|id| id.0));
            query.push(" ORDER BY m.id");
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(rows
            .into_iter()
            .map(|row| Failed {
                bot_id: row.bot_id.into(),
                contact_id: row.contact_id.into(),
                execution_id: row.execution_id.map(Into::into),
                message: FailedMessage {
                    id: row.id.into(),
                    node: row.node,
                    turn: row.turn,
                    depth: row.depth.unwrap_or(0),
                    error: row.error.map(|error| error.0).unwrap_or_default(),
                },
            })
            .collect())
    }

    /// When messages to these contacts that were handed to HTTP since `since` were taken by Meta, or else handed over; in
    /// order of time.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn recent_sends(&mut self, contacts: &[ContactId], since: Time) -> Result<Vec<(ContactId, Time)>> {
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, Time)> = on!(self, c => {
            let mut query = statement!(contacts.len(), "SELECT contact_id, COALESCE(accepted_at, attempted_at) FROM messages WHERE attempted_at > ");
            query.push_bind(since).push(" AND contact_id IN ");
            query.push_list(contacts.iter().map(|id| id.0));
            query.push(" ORDER BY 2");
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|(contact, at)| (contact.into(), at)).collect())
    }

    /// What Meta said of a number's throughput, and when it was asked.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn throughput(&mut self, phone_number_id: &str) -> Result<Option<(String, Time)>> {
        Ok(on!(self, c => sqlx::query_as("SELECT throughput, checked_at FROM numbers WHERE phone_number_id = $1")
            .bind(phone_number_id).fetch_optional(c).await)?)
    }

    /// Forgets what Meta said of a number's throughput.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_throughput(&mut self, phone_number_id: &str) -> Result<()> {
        on!(self, c => sqlx::query("DELETE FROM numbers WHERE phone_number_id = $1")
            .bind(phone_number_id).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Notes what Meta says of a number's throughput.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_throughput(&mut self, phone_number_id: &str, throughput: &str, now: Time) -> Result<()> {
        on!(self, c => sqlx::query(
            "INSERT INTO numbers (phone_number_id, throughput, checked_at) VALUES ($1, $2, $3)
             ON CONFLICT (phone_number_id) DO UPDATE SET throughput = excluded.throughput, checked_at = excluded.checked_at")
            .bind(phone_number_id).bind(throughput).bind(now).execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
