//! The few places where the two databases want different words.

use domain::Time;

use crate::{Result, Tx};

impl Tx {
    /// What a `SELECT` adds to lock its rows. SQLite needs nothing: a transaction that writes has the whole file.
    pub(crate) fn for_update(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE",
        }
    }

    /// What a `SELECT` adds to lock its rows and pass over those that another host has locked.
    pub(crate) fn for_update_skip_locked(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR UPDATE SKIP LOCKED",
        }
    }

    /// What a `SELECT` adds to lock its rows and let others refer to them, e.g. by a message of a contact.
    pub(crate) fn for_no_key_update(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " FOR NO KEY UPDATE",
        }
    }

    /// What stands before and after a bound tag to ask whether the contact `c` has it.
    pub(crate) fn has_tag(&self) -> (&'static str, &'static str) {
        match self {
            Self::Sqlite(_) => ("EXISTS (SELECT 1 FROM json_each(c.tags) WHERE value = ", ")"),
            Self::Postgres(_) => ("c.tags @> to_jsonb(CAST(", " AS TEXT))"),
        }
    }

    /// What stands after a text to compare it by its bytes. SQLite does so anyway.
    pub(crate) fn by_bytes(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "",
            Self::Postgres(_) => " COLLATE \"C\"",
        }
    }

    /// Lets one change of the values that a plugin keeps for a holder happen at a time. SQLite does so anyway.
    pub(crate) async fn lock_values(&mut self, plugin: i64, bot: i64, holder: i64) -> Result<()> {
        if let Self::Postgres(t) = self {
            sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
                .bind(format!("plugin values {plugin} {bot} {holder}"))
                .execute(&mut **t)
                .await?;
        }
        Ok(())
    }

    /// Makes all that this transaction reads from now on be of one moment. On SQLite it is anyway. To be called first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn hold_still(&mut self) -> Result<()> {
        if let Self::Postgres(t) = self {
            sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut **t).await?;
        }
        Ok(())
    }

    /// The time by which hosts compare leases and share rates: the database's where several hosts have it, whose own
    /// clocks may differ; else `clock`, which is the host's own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lease_clock(&mut self, clock: Time) -> Result<Time> {
        Ok(match self {
            Self::Sqlite(_) => clock,
            // Hosts of a simulation have one clock, which is moved; the server's is not.
            #[cfg(feature = "testing")]
            Self::Postgres(t) if t.is_simulated() => clock,
            Self::Postgres(t) => sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(&mut **t).await?,
        })
    }

    /// Lets the commit of this transaction not wait for the disk: what it wrote may be lost if the database crashes a
    /// moment later. On SQLite it waits all the same.
    pub(crate) async fn commit_lazily(&mut self) -> Result<()> {
        if let Self::Postgres(t) = self {
            sqlx::query("SET LOCAL synchronous_commit = off").execute(&mut **t).await?;
        }
        Ok(())
    }

    /// Whether this transaction is the only one that removes what is old. On SQLite it is anyway.
    pub(crate) async fn try_lock_purging(&mut self) -> Result<bool> {
        Ok(match self {
            Self::Sqlite(_) => true,
            Self::Postgres(t) => {
                sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended('chatboost retention', 0))")
                    .fetch_one(&mut **t)
                    .await?
            }
        })
    }

    /// Lets one registration happen at a time, so that only one can find no user before it. SQLite does so anyway.
    pub(crate) async fn lock_users(&mut self) -> Result<()> {
        if let Self::Postgres(t) = self {
            sqlx::query("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE").execute(&mut **t).await?;
        }
        Ok(())
    }

    /// Lets one transaction at a time deal with Meta's ids of messages that are not stored. On SQLite it is so anyway.
    pub(crate) async fn lock_wamids(&mut self, wamids: Vec<String>) -> Result<()> {
        if let Self::Postgres(t) = self {
            sqlx::query(
                "SELECT pg_advisory_xact_lock(key) FROM (
                     SELECT DISTINCT hashtextextended(wamid, 0) AS key FROM unnest($1::text[]) AS wamid ORDER BY key
                 ) AS keys",
            )
            .bind(wamids)
            .execute(&mut **t)
            .await?;
        }
        Ok(())
    }
}
