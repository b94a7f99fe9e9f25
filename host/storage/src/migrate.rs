//! Bringing a database to the schema of this program, and reading the schema back.

use sqlx::{
    ConnectOptions, Connection,
    migrate::{MigrateError, Migrator},
    sqlite::SqliteConnectOptions,
};

use crate::{
    Db, Error, Result,
    schema::{Standing, newest},
};

/// What a connection to PostgreSQL is told that migrates.
const POSTGRES_PATIENCE: &str = "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0";

static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Why the schema does not fit.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer program was here, and this one cannot work with what it made.
    #[error("the database has migration {0}, which this version of chatboost does not know: run the newer version")]
    Newer(i64),
    /// Another program's tables are there.
    #[error("the database is another program's: {0}; give chatboost a database or a schema of its own")]
    Foreign(String),
    /// `migrate-data` has not filled it yet.
    #[error("the database is half moved from {0}: run `chatboost migrate-data` again, to its end")]
    Moving(String),
    /// A migration that was applied is not the one this program carries.
    #[error("migration {0} differs from the one that was applied to this database")]
    Changed(i64),
    /// A migration failed; it was rolled back.
    #[error("migration failed: {0}")]
    Failed(String),
}

/// Applies migrations by a connection of its own, which may take long.
async fn migrate_file(file: &SqliteConnectOptions) -> std::result::Result<(), MigrateError> {
    let mut connection = file.connect().await?;
    SQLITE.run_direct(None, &mut connection, false).await?;
    Ok(connection.close().await?)
}

/// A column as the database has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Table name.
    pub table: String,
    /// Column name.
    pub column: String,
    /// Whether it may be empty.
    pub nullable: bool,
}

/// The number of the newest migration that this program knows.
pub fn newest_schema() -> i64 {
    newest(&SQLITE)
}

impl Db {
    /// Applies the migrations that are missing. On PostgreSQL an advisory lock keeps several hosts from doing it at
    /// once. A database that a newer program has brought further is taken as it is, if that program allows it.
    ///
    /// # Errors
    /// [`SchemaError`] when this program must not work on the database, or a migration fails.
    pub async fn migrate(&self) -> Result<()> {
        if let Standing::Ahead(version) = self.bring_up().await? {
            tracing::warn!(version, "a newer chatboost has extended the database; this one still fits");
        }
        let mut tx = self.read().await?;
        match tx.moving_from().await? {
            Some(from) => Err(SchemaError::Moving(from).into()),
            None => Ok(()),
        }
    }

    /// Applies the migrations that are missing, whether or not the database is complete otherwise.
    pub(crate) async fn bring_up(&self) -> Result<Standing> {
        let standing = self.standing(self.migrator()).await?;
        if standing == Standing::Ours {
            let done = match self {
                Self::Sqlite { writer, .. } => {
                    let file = SqliteConnectOptions::new().filename(&writer.connect_options().path);
                    migrate_file(&file).await
                }
                Self::Postgres(pool) => {
                    // A large table may take long, and so may another host that is at it. Nobody else is to get a
                    // connection that may.
                    let mut patient = pool.acquire().await?;
                    patient.close_on_drop();
                    sqlx::raw_sql(POSTGRES_PATIENCE).execute(&mut *patient).await?;
                    POSTGRES.run_direct(None, &mut *patient, false).await
                }
            };
            done.map_err(refused)?;
        }
        Ok(standing)
    }

    /// The migrations for this kind of database.
    pub(crate) fn migrator(&self) -> &'static Migrator {
        match self {
            Self::Sqlite { .. } => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }

    /// All columns of all tables, sorted, for comparing the two databases.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn columns(&self) -> Result<Vec<Column>> {
        let rows: Vec<(String, String, i64)> = match self {
            Self::Sqlite { readers, .. } => {
                sqlx::query_as(
                    r#"SELECT m.name, c.name, CASE WHEN c."notnull" = 1 OR c.pk > 0 THEN 0 ELSE 1 END
                       FROM sqlite_schema m JOIN pragma_table_info(m.name) c
                       WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '_sqlx%'"#,
                )
                .fetch_all(readers)
                .await?
            }
            Self::Postgres(pool) => sqlx::query_as(
                "SELECT table_name::text, column_name::text, CASE WHEN is_nullable = 'YES' THEN 1::bigint ELSE 0 END
                     FROM information_schema.columns
                     WHERE table_schema = current_schema() AND table_name NOT LIKE '\\_sqlx%'",
            )
            .fetch_all(pool)
            .await?,
        };
        let mut columns: Vec<Column> =
            rows.into_iter().map(|(table, column, n)| Column { table, column, nullable: n == 1 }).collect();
        columns.sort();
        Ok(columns)
    }
}

/// Why the migrations were not applied.
fn refused(error: MigrateError) -> Error {
    match error {
        MigrateError::VersionMissing(version) => SchemaError::Newer(version).into(),
        MigrateError::VersionMismatch(version) => SchemaError::Changed(version).into(),
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => match Error::from(error) {
            error @ (Error::Unavailable(_) | Error::Open(_)) => error,
            error => SchemaError::Failed(error.to_string()).into(),
        },
        error => SchemaError::Failed(error.to_string()).into(),
    }
}
