//! What hosts of one database tell each other at once, by `LISTEN` and `NOTIFY` of PostgreSQL. What is told may be lost
//! with a connection, so nothing may depend on it but how soon somebody looks.
//!
//! Signals are sent by a transaction of their own: PostgreSQL lets one transaction at a time commit that notifies, so one
//! that also writes would hold up all others while it waits for the disk (measured: 560 instead of 3,800 commits a
//! second with nine writers).

use std::time::Duration;

use sqlx::{
    PgPool,
    postgres::{PgListener, PgPoolOptions},
};
use tokio::time::timeout;

use crate::{Db, Error, Result, db::in_time};

/// The channel of all hosts.
const CHANNEL: &str = "chatboost";
/// How long a listener hears nothing before it asks whether the connection still stands.
const SILENCE: Duration = Duration::from_secs(20);
/// How long the database may take for that, and for a connection.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// A connection that hears what hosts tell each other.
#[derive(Debug)]
pub struct Listener(PgListener);

impl Db {
    /// Tells all hosts that listen, this one included. A text has at most 7,999 bytes. Nobody listens on SQLite.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn signal(&self, texts: &[String]) -> Result<()> {
        if let Self::Postgres(pool) = self {
            let sent = sqlx::query("SELECT pg_notify($1, text) FROM unnest($2::text[]) AS text")
                .bind(CHANNEL)
                .bind(texts)
                .execute(pool);
            in_time(sent).await?;
        }
        Ok(())
    }

    /// Begins to listen, on a connection of its own. None on SQLite, where there is nobody to listen to.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn listen(&self) -> Result<Option<Listener>> {
        let Self::Postgres(pool) = self else { return Ok(None) };
        let own: PgPool = PgPoolOptions::new()
            .max_connections(1)
            .max_lifetime(None)
            .idle_timeout(None)
            .acquire_timeout(ANSWERS_WITHIN)
            .connect_lazy_with((*pool.connect_options()).clone());
        let mut listener = PgListener::connect_with(&own).await?;
        listener.listen(CHANNEL).await?;
        Ok(Some(Listener(listener)))
    }
}

impl Listener {
    /// The next text. What was told before the listener began, or after this has failed, is lost.
    ///
    /// # Errors
    /// When the connection is lost: listen anew.
    pub async fn next(&mut self) -> Result<String> {
        loop {
            match timeout(SILENCE, self.0.try_recv()).await {
                Ok(Ok(Some(notification))) => return Ok(notification.payload().to_owned()),
                Ok(Ok(None)) => return Err(Error::Unavailable(sqlx::Error::PoolClosed)),
                Ok(Err(error)) => return Err(error.into()),
                Err(_silent) => {
                    let asked = timeout(ANSWERS_WITHIN, sqlx::query("SELECT 1").execute(&mut self.0)).await;
                    asked.map_err(|_| Error::Unavailable(sqlx::Error::PoolTimedOut))??;
                }
            }
        }
    }
}
