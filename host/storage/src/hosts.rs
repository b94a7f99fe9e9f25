//! Server processes that share the work, and what happens to the work of one that died.
//!
//! Leases are compared by one clock: [`Tx::lease_clock`], which is the database's where several hosts share it.

use domain::{HostId, HostRole, Time};
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
    /// What it does.
    #[sqlx(try_from = "String")]
    pub role: HostRole,
    /// Until when its mailboxes are its own.
    pub lease_until: Time,
}

impl Tx {
    /// Announces a host and gives it its id.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn register_host(&mut self, name: &str, role: HostRole, now: Time, lease_until: Time) -> Result<HostId> {
        let id: i64 = on!(self, c => sqlx::query_scalar(
            "INSERT INTO hosts (name, role, started_at, lease_until) VALUES ($1, $2, $3, $4) RETURNING id")
            .bind(name).bind(role.as_str()).bind(now).bind(lease_until).fetch_one(c).await)?;
        Ok(id.into())
    }

    /// The hosts that are announced, also those whose lease has run out, in order.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn hosts(&mut self) -> Result<Vec<Host>> {
        Ok(
            on!(self, c => sqlx::query_as("SELECT id, name, role, lease_until FROM hosts ORDER BY id").fetch_all(c).await)?,
        )
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

    /// Declares hosts dead whose lease has run out by `now`, or all of them when `all` is set (a database that only one
    /// host can use has no other), and gives the mailboxes of every host that is gone back to be claimed from `ready_at`
    /// on: also those that a transaction of a dying host took just before it was declared dead. A mailbox that such a
    /// transaction still has locked is passed over, so that a host which hangs holds up no other; the next burial frees
    /// it. Returns how many mailboxes.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn bury_hosts(&mut self, now: Time, ready_at: Time, all: bool) -> Result<u64> {
        on!(self, c => sqlx::query("DELETE FROM hosts WHERE lease_until < $1 OR $2")
            .bind(now).bind(all).execute(c).await.map(|_| ()))?;
        // From one owner to the next by the index: a host may own tens of thousands of mailboxes.
        let gone: Vec<i64> = on!(self, c => sqlx::query_scalar(
            "WITH RECURSIVE owners AS (
                 SELECT (SELECT MIN(owner) FROM mailboxes WHERE owner IS NOT NULL) AS id
                 UNION ALL
                 SELECT (SELECT MIN(owner) FROM mailboxes WHERE owner > owners.id) FROM owners WHERE owners.id IS NOT NULL
             )
             SELECT id FROM owners WHERE id IS NOT NULL AND id NOT IN (SELECT id FROM hosts)").fetch_all(c).await)?;
        let mut freed = 0;
        for host in gone {
            freed += self.free_mailboxes(host.into(), ready_at).await?;
        }
        Ok(freed)
    }

    /// Signs a host off and gives its mailboxes back to be claimed from `ready_at` on. Returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn sign_off(&mut self, host: HostId, ready_at: Time) -> Result<u64> {
        on!(self, c => sqlx::query("DELETE FROM hosts WHERE id = $1").bind(host.0).execute(c).await.map(|_| ()))?;
        self.free_mailboxes(host, ready_at).await
    }

    async fn free_mailboxes(&mut self, host: HostId, ready_at: Time) -> Result<u64> {
        let lock = self.for_update_skip_locked();
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new("UPDATE mailboxes SET owner = NULL, ready_at = ");
            query.push_bind(ready_at).push(" WHERE contact_id IN (SELECT contact_id FROM mailboxes WHERE owner = ");
            query.push_bind(host.0).push(" ORDER BY contact_id").push(lock).push(")");
            query.build().execute(c).await.map(|done| done.rows_affected())
        })?)
    }
}
