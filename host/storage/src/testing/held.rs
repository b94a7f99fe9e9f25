//! Standing in the way of migrations.

use std::str::FromStr;

use sqlx::{ConnectOptions, Connection, PgConnection, migrate::Migrate, postgres::PgConnectOptions};

use crate::{Error, Result};

/// The lock that a host has on a PostgreSQL database while it migrates.
#[derive(Debug)]
pub struct HeldMigrations(PgConnection);

/// Takes the lock: until it is released nobody migrates.
///
/// # Errors
/// When the server cannot be reached.
pub async fn hold_migrations(url: &str) -> Result<HeldMigrations> {
    let options = PgConnectOptions::from_str(url).map_err(|error| Error::Url(error.to_string()))?;
    let mut connection = options.connect().await?;
    connection.lock().await.map_err(|error| Error::Corrupt(error.to_string()))?;
    Ok(HeldMigrations(connection))
}

impl HeldMigrations {
    /// Lets others migrate.
    ///
    /// # Errors
    /// When the connection is gone, and the lock with it.
    pub async fn release(self) -> Result<()> {
        Ok(self.0.close().await?)
    }
}
