//! Server processes that share the work, and what happens to the work of one that died.

use domain::{HostId, Time};

use crate::{Result, Tx, db::on};

/// A running server process.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Host {
    /// Row id: another one after every restart.
    #[sqlx(try_from = "i64")]
    pub id: HostId,
    /// Machine and process, for people.
    pub name: String,
    /// Until when its mailboxes are its own.
    pub lease_until: Time,
}

impl Tx {
    /// Announces a host and gives it its id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn register_host(&mut self, name: &str, now: Time, lease_until: Time) -> Result<HostId> {
        let id: i64 = on!(self, c => sqlx::query_scalar(
            "INSERT INTO hosts (name, started_at, lease_until) VALUES ($1, $2, $3) RETURNING id")
            .bind(name).bind(now).bind(lease_until).fetch_one(c).await)?;
        Ok(id.into())
    }

    /// Prolongs a host's lease. `false` when the host was declared dead meanwhile: it owns nothing any more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn renew_lease(&mut self, host: HostId, lease_until: Time) -> Result<bool> {
        let done = on!(self, c => sqlx::query("UPDATE hosts SET lease_until = $2 WHERE id = $1")
            .bind(host.0).bind(lease_until).execute(c).await.map(|done| done.rows_affected()))?;
        Ok(done == 1)
    }

    /// Declares hosts dead whose lease has run out, or all of them when `all` is set (a database that only one host
    /// can use has no other), and gives the mailboxes of every host that is gone back to be claimed: also those that a
    /// transaction of a dying host took just before it was declared dead. Returns how many mailboxes.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn bury_hosts(&mut self, now: Time, all: bool) -> Result<u64> {
        on!(self, c => sqlx::query("DELETE FROM hosts WHERE lease_until < $1 OR $2")
            .bind(now).bind(all).execute(c).await.map(|_| ()))?;
        let freed = on!(self, c => sqlx::query(
            "UPDATE mailboxes SET owner = NULL, ready_at = $1
             WHERE owner IS NOT NULL AND owner NOT IN (SELECT id FROM hosts)")
            .bind(now).execute(c).await.map(|done| done.rows_affected()))?;
        Ok(freed)
    }

    /// Signs a host off and gives its mailboxes back to be claimed. Returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn sign_off(&mut self, host: HostId, now: Time) -> Result<u64> {
        on!(self, c => sqlx::query("DELETE FROM hosts WHERE id = $1").bind(host.0).execute(c).await.map(|_| ()))?;
        let freed = on!(self, c => sqlx::query("UPDATE mailboxes SET owner = NULL, ready_at = $2 WHERE owner = $1")
            .bind(host.0).bind(now).execute(c).await.map(|done| done.rows_affected()))?;
        Ok(freed)
    }
}
