//! How a database file is opened.

use std::{path::PathBuf, str::FromStr, sync::Arc, time::Duration};

use rusqlite::{Connection, OpenFlags};
use sqlx::{ConnectOptions, Error, Result};
use sqlx_core::connection::LogSettings;

use super::{EmbeddedConnection, Log, failure::told};

/// What a connection is for.
#[derive(Debug, Clone)]
pub(crate) enum Access {
    /// It writes, one at a time, to the log.
    Write(Arc<Log>),
    /// It only reads, perhaps for long.
    Read,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct EmbeddedOptions {
    /// The file.
    pub(crate) path: PathBuf,
    pub(crate) access: Access,
    /// Statements that are kept prepared.
    pub(crate) statements_kept: usize,
    /// How long another process's lock is waited for.
    pub(crate) busy_timeout: Duration,
    /// Statements by which a connection begins.
    pub(crate) pragmas: &'static str,
    pub(super) log: LogSettings,
}

impl EmbeddedOptions {
    pub(crate) fn new(
        path: PathBuf,
        access: Access,
        statements_kept: usize,
        busy_timeout: Duration,
        pragmas: &'static str,
    ) -> Self {
        Self { path, access, statements_kept, busy_timeout, pragmas, log: LogSettings::default() }
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let access = match &self.access {
            Access::Write(_) => OpenFlags::SQLITE_OPEN_READ_WRITE,
            Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        };
        let connection = Connection::open_with_flags(&self.path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
        connection.busy_timeout(self.busy_timeout)?;
        connection.execute_batch(self.pragmas)?;
        if matches!(self.access, Access::Write(_)) {
            Log::watch(&connection);
            // Whoever begins a transaction waits without holding up the thread.
            connection.busy_timeout(Duration::ZERO)?;
        }
        connection.set_prepared_statement_cache_capacity(self.statements_kept);
        Ok(connection)
    }
}

impl FromStr for EmbeddedOptions {
    type Err = Error;

    fn from_str(_: &str) -> Result<Self> {
        Err(Error::Configuration("a database file is opened by its options".into()))
    }
}

impl ConnectOptions for EmbeddedOptions {
    type Connection = EmbeddedConnection;

    fn from_url(url: &url::Url) -> Result<Self> {
        url.as_str().parse()
    }

    async fn connect(&self) -> Result<EmbeddedConnection> {
        Ok(EmbeddedConnection::new(self.open().map_err(told)?, self))
    }

    fn log_statements(mut self, level: log::LevelFilter) -> Self {
        self.log.log_statements(level);
        self
    }

    fn log_slow_statements(mut self, level: log::LevelFilter, duration: Duration) -> Self {
        self.log.log_slow_statements(level, duration);
        self
    }
}
