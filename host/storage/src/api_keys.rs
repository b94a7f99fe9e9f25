//! Long-lived credentials of users. Only a digest of a key is stored; the key itself is shown once.

use domain::{ApiKeyId, Time, UserId};
use sqlx::FromRow;

use crate::{Page, Result, Tx, User, db::on};

/// An API key as its owner sees it later: without the key.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct ApiKey {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: ApiKeyId,
    /// What the owner calls it.
    pub name: String,
    /// The key's first characters, to tell keys apart.
    pub prefix: String,
    /// When it was made.
    pub created_at: Time,
    /// When it stops working; never when empty.
    pub expires_at: Option<Time>,
}

impl Tx {
    /// Stores a key by its digest.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the user is gone.
    pub async fn create_api_key(
        &mut self,
        user: UserId,
        name: &str,
        prefix: &str,
        key_hash: &str,
        expires_at: Option<Time>,
        now: Time,
    ) -> Result<ApiKey> {
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO api_keys (user_id, name, prefix, key_hash, created_at, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             RETURNING id, name, prefix, created_at, expires_at",
        )
        .bind(user.0)
        .bind(name)
        .bind(prefix)
        .bind(key_hash)
        .bind(now)
        .bind(expires_at)
        .fetch_one(c)
        .await)?)
    }

    /// The user's keys by id, expired ones too.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn api_keys(&mut self, user: UserId, limit: i64, skip: i64) -> Result<Page<ApiKey>> {
        let total = on!(self, c => sqlx::query_scalar("SELECT COUNT(*) FROM api_keys WHERE user_id = $1")
            .bind(user.0)
            .fetch_one(c)
            .await)?;
        let items = on!(self, c => sqlx::query_as(
            "SELECT id, name, prefix, created_at, expires_at FROM api_keys WHERE user_id = $1
             ORDER BY id LIMIT $2 OFFSET $3",
        )
        .bind(user.0)
        .bind(limit)
        .bind(skip)
        .fetch_all(c)
        .await)?;
        Ok(Page { items, total })
    }

    /// The user whose key has this digest, unless it has expired.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_by_api_key(&mut self, key_hash: &str, now: Time) -> Result<Option<User>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT u.id, u.username, u.email, u.full_name, u.role, u.is_active, u.created_at
             FROM api_keys k JOIN users u ON u.id = k.user_id
             WHERE k.key_hash = $1 AND (k.expires_at IS NULL OR k.expires_at > $2)",
        )
        .bind(key_hash)
        .bind(now)
        .fetch_optional(c)
        .await)?)
    }

    /// Takes a key away; answers whether the user had it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_api_key(&mut self, user: UserId, id: ApiKeyId) -> Result<bool> {
        let done = on!(self, c => sqlx::query("DELETE FROM api_keys WHERE id = $1 AND user_id = $2")
            .bind(id.0)
            .bind(user.0)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }
}
