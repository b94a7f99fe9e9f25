//! Why the program ends, for people and for programs. docs/operations.md has the table.

use storage::{Error, MoveError, OpenError, SchemaError};

use crate::{config::ConfigError, running, work};

/// Exit statuses beside 0, and 2, which is clap's for a wrong command line; 70 is in `essential.rs`.
pub mod status {
    /// What no other status is for.
    pub const OTHER: u8 = 1;
    /// A variable is malformed or missing.
    pub const CONFIGURATION: u8 = 3;
    /// The database server does not answer.
    pub const UNREACHABLE: u8 = 10;
    /// It refuses the login.
    pub const LOGIN: u8 = 11;
    /// It has no such database.
    pub const NO_DATABASE: u8 = 12;
    /// The login may not do what has to be done.
    pub const DENIED: u8 = 13;
    /// The database is another program's.
    pub const FOREIGN: u8 = 14;
    /// A newer program has changed the database so that this one cannot work on it.
    pub const NEWER: u8 = 15;
    /// A migration that was applied differs from the one of this program.
    pub const CHANGED: u8 = 16;
    /// A migration fails.
    pub const MIGRATION: u8 = 17;
    /// `migrate-data` has not filled the database yet.
    pub const HALF_MOVED: u8 = 18;
    /// Another process has the SQLite database.
    pub const IN_USE: u8 = 20;
    /// A file or folder cannot be opened, made or written.
    pub const FILE: u8 = 21;
    /// The file is no SQLite database, or damaged.
    pub const NOT_A_DATABASE: u8 = 22;
    /// The address cannot be listened on.
    pub const LISTEN: u8 = 30;
    /// `migrate-data` does not begin.
    pub const MOVE_REFUSED: u8 = 40;
    /// What `migrate-data` has copied differs from the original.
    pub const MOVE_DIFFERS: u8 = 41;

    /// All of them, with what a table says of them.
    pub const ALL: [(u8, &str); 18] = [
        (OTHER, "anything else"),
        (CONFIGURATION, "the configuration is faulty, or a database URL is none"),
        (UNREACHABLE, "the database server cannot be reached, or does not answer"),
        (LOGIN, "the database server refuses the login"),
        (NO_DATABASE, "there is no such database"),
        (DENIED, "the database user lacks rights"),
        (FOREIGN, "the database is another program's"),
        (NEWER, "the database is newer than this program"),
        (CHANGED, "a migration differs from the one that was applied"),
        (MIGRATION, "a migration failed"),
        (HALF_MOVED, "`migrate-data` has not finished filling the database"),
        (IN_USE, "another process has the SQLite database"),
        (FILE, "a file or folder cannot be opened, made or written"),
        (NOT_A_DATABASE, "the file is no SQLite database, or it is damaged"),
        (LISTEN, "the address cannot be listened on"),
        (MOVE_REFUSED, "`migrate-data` does not begin: the source or the target is not as it must be"),
        (MOVE_DIFFERS, "`migrate-data`: the copy differs from the original"),
        (70, "a background task panicked"),
    ];
}

/// The sentence to end with, and the exit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) message: String,
    pub(super) status: u8,
}

impl From<String> for Ending {
    fn from(message: String) -> Self {
        Self { message, status: status::OTHER }
    }
}

impl From<ConfigError> for Ending {
    fn from(error: ConfigError) -> Self {
        Self { message: error.to_string(), status: status::CONFIGURATION }
    }
}

impl From<running::StartError> for Ending {
    fn from(error: running::StartError) -> Self {
        let message = error.to_string();
        let status = match &error {
            running::StartError::File(..) => status::FILE,
            running::StartError::InUse(_) => status::IN_USE,
            running::StartError::Listen(..) => status::LISTEN,
            running::StartError::Storage(error) | running::StartError::App(work::StartError::Storage(error)) => {
                of_storage(error)
            }
            running::StartError::App(work::StartError::SecretKey(_)) => status::FILE,
            running::StartError::App(_) => status::OTHER,
        };
        Self { message, status }
    }
}

impl From<Error> for Ending {
    fn from(error: Error) -> Self {
        Self { message: error.to_string(), status: of_storage(&error) }
    }
}

impl From<MoveError> for Ending {
    fn from(error: MoveError) -> Self {
        let status = match &error {
            MoveError::Storage(error) => of_storage(error),
            MoveError::Differs { .. } => status::MOVE_DIFFERS,
            _ => status::MOVE_REFUSED,
        };
        Self { message: error.to_string(), status }
    }
}

fn of_storage(error: &Error) -> u8 {
    match error {
        Error::Url(_) => status::CONFIGURATION,
        Error::Open(error) => match error {
            OpenError::Unreachable { .. } => status::UNREACHABLE,
            OpenError::Login(_) => status::LOGIN,
            OpenError::NoDatabase(_) => status::NO_DATABASE,
            OpenError::Denied(_) => status::DENIED,
            OpenError::File { .. } => status::FILE,
            OpenError::NotADatabase(_) => status::NOT_A_DATABASE,
        },
        Error::Schema(error) => match error {
            SchemaError::Newer(_) => status::NEWER,
            SchemaError::Changed(_) => status::CHANGED,
            SchemaError::Foreign(_) => status::FOREIGN,
            SchemaError::Moving(_) => status::HALF_MOVED,
            SchemaError::Failed(_) => status::MIGRATION,
        },
        error if error.is_transient() => status::UNREACHABLE,
        _ => status::OTHER,
    }
}
