//! Files that people sent: what is to be fetched from Meta, and what is kept.
//!
//! A row is `pending` until the file is `stored`, or given up as `failed`. Whoever claims a pending one has it for a
//! while; if they die, it is due again.

use domain::{BotId, ContactId, MessageId, Time};
use sqlx::{FromRow, QueryBuilder};

use crate::{Result, Tx, db::on};

/// A file to be fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewMedia {
    /// The message that it came with.
    pub message_id: MessageId,
    /// The bot it was sent to.
    pub bot_id: BotId,
    /// Who sent it. When the contact goes, so does the file.
    pub contact_id: ContactId,
    /// Meta's id of the file.
    pub media_id: String,
    /// Its hash, as Meta writes it.
    pub sha256: Option<String>,
}

/// A file that somebody has taken on to fetch.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PendingMedia {
    /// The message that it came with.
    #[sqlx(try_from = "i64")]
    pub message_id: MessageId,
    /// The bot it was sent to.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// Meta's id of the file.
    pub media_id: String,
    /// Its hash, as Meta writes it.
    pub sha256: Option<String>,
    /// How often it was taken on, this time included.
    pub attempts: i64,
}

/// A file that is kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct StoredMedia {
    /// The bot it was sent to.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// Media type.
    pub mime_type: Option<String>,
    /// Size in bytes.
    pub size: Option<i64>,
}

/// Rows in one statement.
const ROWS_MAX: usize = 1_000;

impl Tx {
    /// Takes note of files that are to be fetched.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_media(&mut self, media: &[NewMedia], now: Time) -> Result<()> {
        for part in media.chunks(ROWS_MAX) {
            on!(self, c => {
                let mut query = QueryBuilder::new(
                    "INSERT INTO media (message_id, bot_id, contact_id, media_id, sha256, state, attempts,
                        next_attempt_at, created_at) ");
                query.push_values(part, |mut row, m| {
                    row.push_bind(m.message_id.0)
                        .push_bind(m.bot_id.0)
                        .push_bind(m.contact_id.0)
                        .push_bind(&m.media_id)
                        .push_bind(&m.sha256)
                        .push_bind("pending")
                        .push_bind(0_i64)
                        .push_bind(now)
                        .push_bind(now);
                });
                query.push(" ON CONFLICT (message_id) DO NOTHING");
                query.build().persistent(false).execute(c).await.map(|_| ())
            })?;
        }
        Ok(())
    }

    /// Takes on up to `limit` files that are due; nobody else gets them before `until`.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim_media(&mut self, limit: i64, now: Time, until: Time) -> Result<Vec<PendingMedia>> {
        let lock = self.for_update_skip_locked();
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new("UPDATE media SET attempts = attempts + 1, next_attempt_at = ");
            query.push_bind(until);
            query.push(" WHERE message_id IN (SELECT message_id FROM media WHERE next_attempt_at <= ").push_bind(now);
            query.push(" ORDER BY next_attempt_at, message_id LIMIT ").push_bind(limit).push(lock);
            query.push(") RETURNING message_id, bot_id, media_id, sha256, attempts");
            query.build_query_as().fetch_all(c).await
        })?)
    }

    /// When the next file is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_media_at(&mut self) -> Result<Option<Time>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT next_attempt_at FROM media WHERE next_attempt_at IS NOT NULL ORDER BY next_attempt_at LIMIT 1")
            .fetch_optional(c).await)?)
    }

    /// A file is kept now. `false` when its row is gone, so that nothing would ever remove it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn media_is_stored(&mut self, message: MessageId, mime_type: Option<&str>, size: i64) -> Result<bool> {
        let done = on!(self, c => sqlx::query(
            "UPDATE media SET state = 'stored', next_attempt_at = NULL, error = NULL, mime_type = $2, size = $3
             WHERE message_id = $1")
            .bind(message.0).bind(mime_type).bind(size).execute(c).await.map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// A file could not be fetched: it is due again at `again_at`, or given up.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn media_failed(&mut self, message: MessageId, error: &str, again_at: Option<Time>) -> Result<()> {
        let state = if again_at.is_some() { "pending" } else { "failed" };
        on!(self, c => sqlx::query("UPDATE media SET state = $2, next_attempt_at = $3, error = $4 WHERE message_id = $1")
            .bind(message.0).bind(state).bind(again_at).bind(error).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// The file of a message, if it is kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stored_media(&mut self, message: MessageId) -> Result<Option<StoredMedia>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT bot_id, mime_type, size FROM media WHERE message_id = $1 AND state = 'stored'")
            .bind(message.0).fetch_optional(c).await)?)
    }

    /// Up to `limit` files that came before an instant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn media_before(&mut self, before: Time, limit: i64) -> Result<Vec<(MessageId, BotId)>> {
        let rows: Vec<(i64, i64)> = on!(self, c => sqlx::query_as(
            "SELECT message_id, bot_id FROM media WHERE created_at < $1 ORDER BY created_at, message_id LIMIT $2")
            .bind(before).bind(limit).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(message, bot)| (message.into(), bot.into())).collect())
    }

    /// Up to `limit` files whose contact is gone. Those whose message went over to another contact are given to that one
    /// and left out.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn orphaned_media(&mut self, limit: i64) -> Result<Vec<(MessageId, BotId)>> {
        on!(self, c => sqlx::query(
            "UPDATE media SET contact_id = (SELECT m.contact_id FROM messages m WHERE m.id = media.message_id)
             WHERE message_id IN (SELECT message_id FROM media WHERE contact_id IS NULL ORDER BY message_id LIMIT $1)
               AND EXISTS (SELECT 1 FROM messages m WHERE m.id = media.message_id)")
            .bind(limit).execute(c).await.map(|_| ()))?;
        let rows: Vec<(i64, i64)> = on!(self, c => sqlx::query_as(
            "SELECT message_id, bot_id FROM media WHERE contact_id IS NULL ORDER BY message_id LIMIT $1")
            .bind(limit).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(message, bot)| (message.into(), bot.into())).collect())
    }

    /// Forgets files, once they are removed from where they were kept.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_media(&mut self, messages: &[MessageId]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = QueryBuilder::new("DELETE FROM media WHERE message_id IN (");
            let mut list = query.separated(", ");
            for id in messages {
                list.push_bind(id.0);
            }
            query.push(")").build().persistent(false).execute(c).await.map(|_| ())
        })?;
        Ok(())
    }
}
