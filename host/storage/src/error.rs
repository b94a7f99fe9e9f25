//! What can go wrong, by what a caller can do about it.

/// A result of storage.
pub type Result<T> = std::result::Result<T, Error>;

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database URL is of no kind we know.
    #[error("database URL {0}")]
    Url(String),
    /// The database cannot be opened.
    #[error(transparent)]
    Open(#[from] crate::OpenError),
    /// A unique constraint stands against it; tells which.
    #[error("conflicts with what is stored ({0})")]
    Conflict(String),
    /// A row that it refers to is gone.
    #[error("refers to something that is not there ({0})")]
    Dangling(String),
    /// Two transactions stood in each other's way; running this one again helps.
    #[error("the database asked to try again: {0}")]
    Retry(sqlx::Error),
    /// The database does not answer, is full, or is shutting down; later it may.
    #[error("the database is not available: {0}")]
    Unavailable(sqlx::Error),
    /// The transaction was shared with others, and it failed for all of them.
    #[error("the database is not available: {0}")]
    Shared(String),
    /// This process is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// The schema is not one this program can work with.
    #[error(transparent)]
    Schema(#[from] crate::SchemaError),
    /// A stored value is not what it should be.
    #[error("stored data is damaged: {0}")]
    Corrupt(String),
    /// A fault of ours.
    #[error("database: {0}")]
    Other(sqlx::Error),
}

impl Error {
    /// Whether the same call may succeed when made again.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Retry(_) | Self::Unavailable(_) | Self::Shared(_) | Self::Stopping)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::error::ErrorKind;
        let code =
            error.as_database_error().and_then(|e| e.code().map(std::borrow::Cow::into_owned)).unwrap_or_default();
        match &error {
            sqlx::Error::Database(e) => match e.kind() {
                ErrorKind::UniqueViolation => {
                    Self::Conflict(e.constraint().map_or_else(|| e.message().to_owned(), str::to_owned))
                }
                ErrorKind::ForeignKeyViolation => Self::Dangling(e.message().to_owned()),
                _ => match code.as_str() {
                    "42501" => crate::OpenError::Denied(e.message().to_owned()).into(),
                    // PostgreSQL: serialization failure, deadlock. SQLite: a snapshot that another process overtook.
                    "40001" | "40P01" | "517" => Self::Retry(error),
                    // PostgreSQL classes 08 connection, 53 resources, 57 operator intervention, 58 system; 25006 a
                    // primary that became a replica; 25P03 a transaction that did nothing for too long. SQLite: busy, locked, I/O error, full disk, cannot open,
                    // read-only.
                    code if ["08", "53", "57", "58", "25006", "25P03"]
                        .iter()
                        .any(|class| code.len() == 5 && code.starts_with(class)) =>
                    {
                        Self::Unavailable(error)
                    }
                    code if code
                        .parse::<u32>()
                        .is_ok_and(|n| code.len() < 5 && matches!(n & 0xff, 5 | 6 | 8 | 10 | 13 | 14)) =>
                    {
                        Self::Unavailable(error)
                    }
                    _ => Self::Other(error),
                },
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => Self::Corrupt(error.to_string()),
            _ => Self::Other(error),
        }
    }
}
