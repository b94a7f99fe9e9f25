//! Bringing a database to the schema of this program, and reading the schema back.

use sqlx::migrate::{MigrateError, Migrator};

use crate::{Db, Error, Result};

static SQLITE: Migrator = sqlx::migrate!("../../migrations/sqlite");
static POSTGRES: Migrator = sqlx::migrate!("../../migrations/postgres");

/// Why the schema does not fit.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A newer program was here.
    #[error("the database has migration {0}, which this version of chatboost does not know: run the newer version")]
    Newer(i64),
    /// A migration that was applied is not the one this program carries.
    #[error("migration {0} differs from the one that was applied to this database")]
    Changed(i64),
    /// A migration failed; it was rolled back.
    #[error("migration failed: {0}")]
    Failed(String),
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

impl Db {
    /// Applies the migrations that are missing. On PostgreSQL an advisory lock keeps several hosts from doing it at
    /// once.
    ///
    /// # Errors
    /// [`SchemaError`] when the database is newer than the program, or a migration fails.
    pub async fn migrate(&self) -> Result<()> {
        let done = match self {
            Self::Sqlite { writer, .. } => SQLITE.run(writer).await,
            Self::Postgres(pool) => POSTGRES.run(pool).await,
        };
        done.map_err(|error| match error {
            MigrateError::VersionMissing(version) => SchemaError::Newer(version).into(),
            MigrateError::VersionMismatch(version) => SchemaError::Changed(version).into(),
            MigrateError::Execute(error) => match Error::from(error) {
                Error::Unavailable(error) => Error::Unavailable(error),
                error => SchemaError::Failed(error.to_string()).into(),
            },
            error => SchemaError::Failed(error.to_string()).into(),
        })
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
