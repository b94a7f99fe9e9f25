//! What people do to messages after they were sent: react to them, edit them, delete them.

use domain::{ContactId, Direction, MessageId, Time};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Result, Tx, db::on};

/// Which message somebody changes.
#[derive(Debug, Clone)]
pub struct ChangedMessage<'a> {
    /// The number that it was written to or sent from.
    pub phone_number_id: &'a str,
    /// Meta's id of it.
    pub wamid: &'a str,
    /// Who changes it.
    pub contact_id: ContactId,
    /// When, by Meta's clock. What was done before something that is known already changes nothing.
    pub at: Time,
}

/// A reaction that stands.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Reaction {
    /// The message.
    #[sqlx(try_from = "i64")]
    pub message_id: MessageId,
    /// Who reacted.
    #[sqlx(try_from = "i64")]
    pub contact_id: ContactId,
    /// With what.
    pub emoji: String,
    /// When, by Meta's clock.
    pub at: Time,
}

impl Tx {
    /// Notes somebody's reaction to a message of either direction; an empty emoji takes it back. `false` when the message
    /// is not stored.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn react(&mut self, message: &ChangedMessage<'_>, emoji: &str) -> Result<bool> {
        let id: Option<i64> = on!(self, c => sqlx::query_scalar(
            "SELECT id FROM messages WHERE phone_number_id = $1 AND wamid = $2")
            .bind(message.phone_number_id).bind(message.wamid).fetch_optional(c).await)?;
        let Some(id) = id else { return Ok(false) };
        on!(self, c => sqlx::query(
            "INSERT INTO message_reactions (message_id, contact_id, emoji, at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (message_id, contact_id) DO UPDATE SET emoji = excluded.emoji, at = excluded.at
             WHERE excluded.at >= message_reactions.at")
            .bind(id).bind(message.contact_id.0).bind(emoji).bind(message.at).execute(c).await.map(|_| ()))?;
        Ok(true)
    }

    /// Writes what a message says after its writer edited it; what it said first stays in its raw form. `false` when the
    /// writer has no such message, or edited it later once more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn edit_message(
        &mut self,
        message: &ChangedMessage<'_>,
        by: Direction,
        text: Option<&str>,
        content: &Value,
    ) -> Result<bool> {
        let done = on!(self, c => sqlx::query(
            "UPDATE messages SET text = $5, content = $6, edited_at = $7
             WHERE phone_number_id = $1 AND wamid = $2 AND contact_id = $3 AND direction = $4
               AND (edited_at IS NULL OR edited_at <= $7)")
            .bind(message.phone_number_id)
            .bind(message.wamid)
            .bind(message.contact_id.0)
            .bind(by.as_str())
            .bind(text)
            .bind(Json(content))
            .bind(message.at)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// Notes that the writer of a message deleted it. `false` when the writer has no such message.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn revoke_message(&mut self, message: &ChangedMessage<'_>, by: Direction) -> Result<bool> {
        let done = on!(self, c => sqlx::query(
            "UPDATE messages SET deleted_at = COALESCE(deleted_at, $5)
             WHERE phone_number_id = $1 AND wamid = $2 AND contact_id = $3 AND direction = $4")
            .bind(message.phone_number_id)
            .bind(message.wamid)
            .bind(message.contact_id.0)
            .bind(by.as_str())
            .bind(message.at)
            .execute(c).await.map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// The reactions to these messages that were not taken back, by message.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn reactions(&mut self, messages: &[MessageId]) -> Result<Vec<Reaction>> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT message_id, contact_id, emoji, at FROM message_reactions WHERE emoji <> '' AND message_id IN (");
            let mut list = query.separated(", ");
            for id in messages {
                list.push_bind(id.0);
            }
            query.push(") ORDER BY message_id, at, contact_id");
            query.build_query_as().persistent(false).fetch_all(c).await
        })?)
    }

    /// Which of these messages, given by number and Meta's id, are stored.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn stored_messages(&mut self, messages: &[(&str, &str)]) -> Result<Vec<(String, String)>> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new("SELECT phone_number_id, wamid FROM messages WHERE ");
            for (n, (number, wamid)) in messages.iter().enumerate() {
                query.push(if n == 0 { "(phone_number_id = " } else { " OR (phone_number_id = " });
                query.push_bind(*number).push(" AND wamid = ").push_bind(*wamid).push(")");
            }
            query.build_query_as().persistent(false).fetch_all(c).await
        })?)
    }
}
