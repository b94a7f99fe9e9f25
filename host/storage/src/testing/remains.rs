//! What a database holds when all hosts have ended, for drills that ill-treat them and databases.

use std::str::FromStr;

use sqlx::{ConnectOptions, Connection, postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use crate::{Db, Error, Result, db::on};

/// What nobody has finished. Nothing of it may be there when everything has come to rest and all hosts have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Unfinished {
    /// Things in mailboxes.
    pub items: i64,
    /// Mailboxes with an owner, or with something unhandled or unsettled.
    pub mailboxes: i64,
    /// Messages that were not handed to Meta, or of which it is not known whether they were.
    pub messages: i64,
}

impl Unfinished {
    /// Whether everything is finished.
    pub fn is_nothing(&self) -> bool {
        *self == Self { items: 0, mailboxes: 0, messages: 0 }
    }
}

/// What is unfinished.
///
/// # Errors
/// When the database refuses.
pub async fn unfinished(db: &Db) -> Result<Unfinished> {
    let mut tx = db.read().await?;
    let unfinished = on!(&mut tx, c => sqlx::query_as(
        "SELECT (SELECT COUNT(*) FROM mailbox_items) AS items,
                (SELECT COUNT(*) FROM mailboxes WHERE owner IS NOT NULL OR arrivals <> handled OR open > 0) AS mailboxes,
                (SELECT COUNT(*) FROM messages WHERE status IN ('queued', 'sending')) AS messages")
        .fetch_one(c).await)?;
    tx.commit().await?;
    Ok(unfinished)
}

/// How many executions each contact has in each status: phone, status, count, ordered by these.
///
/// # Errors
/// When the database refuses.
pub async fn executions_of_contacts(db: &Db) -> Result<Vec<(String, String, i64)>> {
    let mut tx = db.read().await?;
    let counts = on!(&mut tx, c => sqlx::query_as(
        "SELECT COALESCE(c.phone, c.bsuid), e.status, COUNT(*) FROM executions e JOIN contacts c ON c.id = e.contact_id
         GROUP BY 1, 2 ORDER BY 1, 2").fetch_all(c).await)?;
    tx.commit().await?;
    Ok(counts)
}

/// What SQLite finds when it reads a whole database and checks it: `ok`, or the first damage.
///
/// # Errors
/// When it cannot be opened, or is no SQLite database.
pub async fn check_sqlite(url: &str) -> Result<String> {
    let options = SqliteConnectOptions::from_str(url).map_err(|error| Error::Url(error.to_string()))?;
    let mut connection = options.connect().await?;
    let found = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(found)
}

/// Cuts all other connections to a PostgreSQL database, and answers how many there were.
///
/// # Errors
/// When it cannot be reached.
pub async fn cut_connections(url: &str) -> Result<i64> {
    let options = PgConnectOptions::from_str(url).map_err(|error| Error::Url(error.to_string()))?;
    let mut connection = options.connect().await?;
    let cut = sqlx::query_scalar(
        "SELECT COUNT(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    Ok(cut)
}
