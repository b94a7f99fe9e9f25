//! Server processes that share the work, and what happens to the work of one that died.

use domain::{HostId, Time};
use sqlx::QueryBuilder;

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
    /// can use has no other), and gives their mailboxes back to be claimed. Returns how many mailboxes.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn bury_hosts(&mut self, now: Time, all: bool) -> Result<u64> {
        let dead: Vec<i64> = on!(self, c => sqlx::query_scalar("DELETE FROM hosts WHERE lease_until < $1 OR $2 RETURNING id")
            .bind(now).bind(all).fetch_all(c).await)?;
        self.release_of(&dead, now).await
    }

    /// Signs a host off and gives its mailboxes back to be claimed. Returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn sign_off(&mut self, host: HostId, now: Time) -> Result<u64> {
        on!(self, c => sqlx::query("DELETE FROM hosts WHERE id = $1").bind(host.0).execute(c).await.map(|_| ()))?;
        self.release_of(&[host.0], now).await
    }

    async fn release_of(&mut self, hosts: &[i64], now: Time) -> Result<u64> {
        if hosts.is_empty() {
            return Ok(0);
        }
        let released = on!(self, c => {
            let mut query = QueryBuilder::new("UPDATE mailboxes SET owner = NULL, ready_at = ");
            query.push_bind(now).push(" WHERE owner IN (");
            let mut list = query.separated(", ");
            for id in hosts {
                list.push_bind(*id);
            }
            query.push(")");
            query.build().persistent(false).execute(c).await.map(|done| done.rows_affected())
        })?;
        Ok(released)
    }
}
