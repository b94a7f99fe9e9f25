//! Requests that are done once, however often they are sent.

use domain::{HostId, Time, UserId};
use sqlx::FromRow;

use crate::{Result, Tx, db::on};

/// Which request is meant: a client's key, on one path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RequestKey {
    /// Whose request it is.
    pub user: UserId,
    /// Where it was sent.
    pub path: String,
    /// What the client calls it.
    pub key: String,
}

/// A request that was taken on before.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct KeptRequest {
    /// Digest of what was asked.
    pub digest: String,
    /// The host that took it on.
    #[sqlx(try_from = "i64")]
    pub host_id: HostId,
    /// Whether that host still lives.
    pub host_is_alive: bool,
    /// What it made.
    pub resource_id: Option<i64>,
    /// The answer's HTTP status; none when nobody is known to have got an answer.
    pub status: Option<i64>,
    /// The answer's body.
    pub answer: Option<String>,
}

impl Tx {
    /// Takes a request on, unless it was taken on since `kept_since`: then it answers `false`. Forgets up to 100
    /// requests that are older.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_request(
        &mut self,
        request: &RequestKey,
        digest: &str,
        host: HostId,
        kept_since: Time,
        now: Time,
    ) -> Result<bool> {
        // The request itself first: it may be too old and yet not among the oldest.
        on!(self, c => sqlx::query(
            "DELETE FROM idempotency_keys WHERE user_id = $1 AND path = $2 AND key = $3 AND created_at < $4",
        )
        .bind(request.user.0)
        .bind(&request.path)
        .bind(&request.key)
        .bind(kept_since)
        .execute(c)
        .await
        .map(|_| ()))?;
        let passing_over = self.for_update_skip_locked();
        on!(self, c => {
            let mut query = sqlx::QueryBuilder::new(
                "DELETE FROM idempotency_keys WHERE (user_id, path, key) IN (
                     SELECT user_id, path, key FROM idempotency_keys WHERE created_at < ",
            );
            query.push_bind(kept_since).push(" ORDER BY created_at LIMIT 100").push(passing_over).push(")");
            query.build().execute(c).await.map(|_| ())
        })?;
        let claimed = on!(self, c => sqlx::query(
            "INSERT INTO idempotency_keys (user_id, path, key, digest, host_id, created_at)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id, path, key) DO NOTHING",
        )
        .bind(request.user.0)
        .bind(&request.path)
        .bind(&request.key)
        .bind(digest)
        .bind(host.0)
        .bind(now)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(claimed == 1)
    }

    /// A request that was taken on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kept_request(&mut self, request: &RequestKey) -> Result<Option<KeptRequest>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT digest, host_id, EXISTS (SELECT 1 FROM hosts WHERE id = host_id) AS host_is_alive, resource_id,
                    status, answer
             FROM idempotency_keys WHERE user_id = $1 AND path = $2 AND key = $3",
        )
        .bind(request.user.0)
        .bind(&request.path)
        .bind(&request.key)
        .fetch_optional(c)
        .await)?)
    }

    /// Notes what a request made, in the transaction that makes it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_resource(&mut self, request: &RequestKey, id: i64) -> Result<()> {
        Ok(on!(self, c => sqlx::query(
            "UPDATE idempotency_keys SET resource_id = $4 WHERE user_id = $1 AND path = $2 AND key = $3",
        )
        .bind(request.user.0)
        .bind(&request.path)
        .bind(&request.key)
        .bind(id)
        .execute(c)
        .await
        .map(|_| ()))?)
    }

    /// Keeps the answer to a request, unless there is one already.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keep_answer(&mut self, request: &RequestKey, status: u16, answer: &str) -> Result<()> {
        Ok(on!(self, c => sqlx::query(
            "UPDATE idempotency_keys SET status = $4, answer = $5
             WHERE user_id = $1 AND path = $2 AND key = $3 AND status IS NULL",
        )
        .bind(request.user.0)
        .bind(&request.path)
        .bind(&request.key)
        .bind(i64::from(status))
        .bind(answer)
        .execute(c)
        .await
        .map(|_| ()))?)
    }
}
