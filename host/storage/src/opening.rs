//! Reaching a database, and saying precisely why it cannot be reached.

use std::{str::FromStr, time::Duration};

use sqlx::{ConnectOptions, Connection, postgres::PgConnectOptions};

use crate::{Error, Result};

/// How long a server that is starting up is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a database cannot be opened, for the person who has to mend it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nobody answers there, or nobody who speaks PostgreSQL.
    #[error("the database server at {at} cannot be reached: {why}")]
    Unreachable {
        /// Host and port.
        at: String,
        /// What the network says.
        why: String,
    },
    /// Wrong name or password, or the server does not let this machine in.
    #[error("the database server refuses the login: {0}")]
    Login(String),
    /// The server has no database of this name.
    #[error("there is no such database: {0}; create it first, chatboost makes its tables by itself")]
    NoDatabase(String),
    /// The login may not do what has to be done.
    #[error("the database user lacks rights: {0}; it must own the database, or have CREATE on its schema")]
    Denied(String),
    /// The file of an SQLite database cannot be opened, or not be written.
    #[error("the database file {path} cannot be used: {why}")]
    File {
        /// The file.
        path: String,
        /// What SQLite says.
        why: String,
    },
    /// The file holds something else.
    #[error("{0} is no SQLite database, or it is damaged")]
    NotADatabase(String),
}

/// Reads the URL of a PostgreSQL database, and connects once to see whether it can be reached at all. A pool would only
/// tell that it waited in vain.
pub(crate) async fn reach(url: &str) -> Result<PgConnectOptions> {
    let options = PgConnectOptions::from_str(url).map_err(|error| Error::Url(error.to_string()))?;
    let options = options.application_name("chatboost");
    let at = format!("{}:{}", options.get_host(), options.get_port());
    let mut last = format!("no answer within {} seconds", PATIENCE.as_secs());
    let tries = async {
        loop {
            match options.connect().await {
                Ok(connection) => return connection.close().await.map_err(Error::from),
                Err(error) => last = try_again(error, &at)?,
            }
            tokio::time::sleep(PAUSE).await;
        }
    };
    match tokio::time::timeout(PATIENCE, tries).await {
        Ok(done) => done.map(|()| options),
        Err(_) => Err(OpenError::Unreachable { at, why: last }.into()),
    }
}

/// What to say in the end of a server that may be starting up at this moment; any other error is final.
fn try_again(error: sqlx::Error, at: &str) -> Result<String> {
    let final_error = match error {
        sqlx::Error::Io(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => return Ok(error.to_string()),
        sqlx::Error::Database(error) => {
            let said = error.message().to_owned();
            match error.code().as_deref().unwrap_or_default() {
                // Starting up, recovering, too many connections: it may let this one in yet.
                "57P03" | "53300" => return Ok(said),
                "3D000" => OpenError::NoDatabase(said),
                "42501" => OpenError::Denied(said),
                code if code.starts_with("28") => OpenError::Login(said),
                _ => OpenError::Unreachable { at: at.to_owned(), why: said },
            }
        }
        error => OpenError::Unreachable { at: at.to_owned(), why: error.to_string() },
    };
    Err(final_error.into())
}

/// What SQLite has against a file.
pub(crate) fn file_error(error: &sqlx::Error, path: &str) -> Error {
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    let path = path.to_owned();
    match code.map(|code| code & 0xff) {
        Some(11 | 26) => OpenError::NotADatabase(path).into(),
        _ => {
            let why = error.as_database_error().map_or_else(|| error.to_string(), |error| error.message().to_owned());
            OpenError::File { path, why }.into()
        }
    }
}
