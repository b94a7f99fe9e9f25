//! Everything from an SQLite database to one on PostgreSQL, for `chatboost migrate-data`.
//!
//! Rows go over in the order of their keys, some hundred a transaction, so that what has arrived is always the beginning
//! of each table: whoever is interrupted goes on behind it. Until everything has arrived and was compared, the target
//! says `installation.moving_from`, and no server starts on it.

mod table;
mod value;

use domain::Time;
use sqlx::{Postgres, QueryBuilder, pool::PoolConnection};

use crate::{Db, Error, Result, Tx, schema::newest};
use table::Table;

/// Why nothing is moved, or why what was moved must not be used.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// Only this direction is possible.
    #[error("--from must be sqlite:… and --to postgres://…")]
    Direction,
    /// The source was made by another version of the program.
    #[error(
        "the source has migration {found}, this version of chatboost has {expected}: start this version once on the source"
    )]
    SourceSchema {
        /// What it has.
        found: i64,
        /// What this program has.
        expected: i64,
    },
    /// The target belongs to a newer version of the program.
    #[error("the target has migration {0}, which this version of chatboost does not know")]
    TargetSchema(i64),
    /// Somebody has used the target.
    #[error("the target is not empty: it has {0}; give an empty database")]
    NotEmpty(String),
    /// A server works on the target.
    #[error("a server is running on the target ({0}); stop it first")]
    Live(String),
    /// Somebody else moves to this target at this moment.
    #[error("another migrate-data is filling the target")]
    Busy,
    /// The copy is not equal to the original.
    #[error(
        "the table {table} differs after the move: {source_rows} rows in the source, {target_rows} in the target{same}; \
         make the target anew and begin again",
        same = if source_rows == target_rows { ", with other contents" } else { "" }
    )]
    Differs {
        /// The table.
        table: String,
        /// Rows in the source.
        source_rows: u64,
        /// Rows in the target.
        target_rows: u64,
    },
    /// A database refused.
    #[error(transparent)]
    Storage(#[from] Error),
}

/// How far it is.
#[derive(Debug, Clone, Copy)]
pub struct Progress<'a> {
    /// The table that is being dealt with.
    pub table: &'a str,
    /// Whether rows are compared; else they are copied.
    pub compares: bool,
    /// Rows of this table that are done.
    pub done: u64,
    /// Rows that it has.
    pub total: u64,
}

/// A table that was moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its name.
    pub table: String,
    /// Its rows.
    pub rows: u64,
    /// The checksum of its rows, the same in both databases.
    pub checksum: String,
}

/// A move under way.
#[derive(Debug)]
pub struct Move {
    source: Db,
    target: Db,
    tables: Vec<Table>,
    /// Whether an earlier try left something that this one goes on with.
    resumes: bool,
    /// Holds the lock by which others know that somebody is at work.
    _lock: PoolConnection<Postgres>,
}

impl Move {
    /// Looks whether everything is as it must be, and makes the target ready. Nobody else may use the source meanwhile.
    ///
    /// # Errors
    /// [`MoveError`], with the target unchanged.
    pub async fn prepare(source: Db, target: Db, now: Time) -> std::result::Result<Self, MoveError> {
        let (Db::Sqlite { .. }, Db::Postgres(pool)) = (&source, &target) else { return Err(MoveError::Direction) };
        let expected = newest(source.migrator());
        let found = source.applied_to().await?;
        if found != expected {
            return Err(MoveError::SourceSchema { found, expected });
        }
        let mut lock = pool.acquire().await.map_err(Error::from)?;
        let is_free: bool =
            sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended('chatboost migrate-data', 0))")
                .fetch_one(&mut *lock)
                .await
                .map_err(Error::from)?;
        if !is_free {
            return Err(MoveError::Busy);
        }
        if let crate::schema::Standing::Ahead(version) = target.bring_up().await? {
            return Err(MoveError::TargetSchema(version));
        }
        let from = source.generation().await?;
        let mut reader = source.read().await?;
        let mut tx = target.begin().await?;
        let tables = table::tables(&mut reader, &mut tx).await?;
        let before = tx.moving_from().await?;
        if before.is_none() {
            must_be_unused(&mut tx, now).await?;
        }
        let resumes = before.as_deref() == Some(from.as_str());
        if !resumes {
            // What migrations put there is in the source, too; what an earlier try left is of a source that has changed since.
            clear(&mut tx, &tables, &from).await?;
        }
        tx.commit().await?;
        reader.commit().await?;
        Ok(Self { source, target, tables, resumes, _lock: lock })
    }

    /// Whether it goes on where an earlier try was interrupted.
    pub fn resumes(&self) -> bool {
        self.resumes
    }

    /// Copies and compares everything, then gives the target free. `tell` is told of each step.
    ///
    /// # Errors
    /// When a database refuses (run it again, it goes on), or the copy differs from the original.
    pub async fn run(self, mut tell: impl FnMut(Progress<'_>)) -> std::result::Result<Vec<Moved>, MoveError> {
        let mut totals = Vec::new();
        for table in &self.tables {
            let mut tx = self.source.read().await?;
            let total = u64::try_from(table.count(&mut tx).await?).unwrap_or(0);
            tx.commit().await?;
            totals.push(total);
            self.copy(table, total, &mut tell).await?;
        }
        let mut moved = Vec::new();
        for (table, total) in self.tables.iter().zip(totals) {
            let mut seen = |done| tell(Progress { table: &table.name, compares: true, done, total });
            let source = table.checksum(&self.source, &mut seen).await?;
            let target = table.checksum(&self.target, &mut seen).await?;
            if source != target {
                return Err(MoveError::Differs {
                    table: table.name.clone(),
                    source_rows: source.rows,
                    target_rows: target.rows,
                });
            }
            moved.push(Moved { table: table.name.clone(), rows: source.rows, checksum: source.hex() });
        }
        self.finish().await?;
        Ok(moved)
    }

    /// Copies what the target has not yet of a table.
    async fn copy(&self, table: &Table, total: u64, tell: &mut impl FnMut(Progress<'_>)) -> Result<()> {
        let mut tx = self.target.read().await?;
        let mut after = table.last_key(&mut tx).await?;
        let mut done = u64::try_from(table.count(&mut tx).await?).unwrap_or(0);
        tx.commit().await?;
        loop {
            let mut reader = self.source.read().await?;
            let rows = table.page(&mut reader, after.as_deref()).await?;
            reader.commit().await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = Some(table.key_of(last));
            let mut tx = self.target.begin().await?;
            if let Tx::Postgres(t) = &mut tx {
                table.insert(t, &rows).await?;
            }
            tx.commit().await?;
            done += rows.len() as u64;
            tell(Progress { table: &table.name, compares: false, done, total });
        }
    }

    /// Lets the target hand out ids behind those that the source has ever handed out, and gives it free.
    async fn finish(&self) -> Result<()> {
        let mut tx = self.source.read().await?;
        let used = tx.used_ids().await?;
        tx.commit().await?;
        let mut tx = self.target.begin().await?;
        if let Tx::Postgres(t) = &mut tx {
            let counting: Vec<(String, String)> = sqlx::query_as(
                "SELECT table_name::text, column_name::text FROM information_schema.columns
                 WHERE table_schema = current_schema() AND is_identity = 'YES'",
            )
            .fetch_all(&mut **t)
            .await?;
            for (table, column) in counting {
                let used = used.iter().find(|(name, _)| *name == table).map_or(0, |(_, used)| *used);
                let mut query = QueryBuilder::<Postgres>::new("SELECT setval(pg_get_serial_sequence(");
                query.push_bind(&table).push(", ").push_bind(&column).push("), GREATEST(1, ").push_bind(used);
                query.push(", last), GREATEST(").push_bind(used).push(", last) > 0) FROM (SELECT COALESCE(MAX(");
                query.push(format!("\"{column}\"")).push("), 0) AS last FROM ").push(&table).push(") AS ids");
                query.build().execute(&mut **t).await?;
            }
            sqlx::query("UPDATE installation SET moving_from = NULL").execute(&mut **t).await?;
        }
        tx.commit().await
    }
}

/// Refuses a target that somebody uses or has used. Everything hangs on a user or a bot.
async fn must_be_unused(tx: &mut Tx, now: Time) -> std::result::Result<(), MoveError> {
    let Tx::Postgres(t) = tx else { return Err(MoveError::Direction) };
    let live: Option<String> = sqlx::query_scalar("SELECT name FROM hosts WHERE lease_until >= $1 ORDER BY id LIMIT 1")
        .bind(now)
        .fetch_optional(&mut **t)
        .await
        .map_err(Error::from)?;
    if let Some(name) = live {
        return Err(MoveError::Live(name));
    }
    let (users, bots): (i64, i64) = sqlx::query_as("SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM bots)")
        .fetch_one(&mut **t)
        .await
        .map_err(Error::from)?;
    if users + bots > 0 { Err(MoveError::NotEmpty(format!("{users} users and {bots} bots"))) } else { Ok(()) }
}

/// Empties the target and marks it as being filled.
async fn clear(tx: &mut Tx, tables: &[Table], from: &str) -> Result<()> {
    let Tx::Postgres(t) = tx else { return Ok(()) };
    let mut query = QueryBuilder::<Postgres>::new("TRUNCATE ");
    for (nth, table) in tables.iter().enumerate() {
        query.push(if nth == 0 { "" } else { ", " }).push(&table.name);
    }
    query.build().execute(&mut **t).await?;
    sqlx::query("UPDATE installation SET moving_from = $1").bind(from).execute(&mut **t).await?;
    Ok(())
}

impl Db {
    /// The newest migration that was applied; 0 for none.
    async fn applied_to(&self) -> Result<i64> {
        // Says so where it is no database of ours, or a newer one.
        self.standing(self.migrator()).await?;
        let mut tx = self.read().await?;
        Ok(if tx.tables().await?.is_empty() { 0 } else { tx.newest_applied().await? })
    }

    /// Changes whenever a server was started on an SQLite database.
    async fn generation(&self) -> Result<String> {
        let mut tx = self.read().await?;
        let starts = tx.used_ids().await?.into_iter().find(|(table, _)| table == "hosts").map_or(0, |(_, used)| used);
        Ok(format!("an SQLite database after {starts} starts"))
    }
}

impl Tx {
    async fn newest_applied(&mut self) -> Result<i64> {
        Ok(crate::db::on!(self, c => sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM _sqlx_migrations")
            .fetch_one(c)
            .await)?)
    }

    /// The highest id that an SQLite database has ever handed out, by table.
    async fn used_ids(&mut self) -> Result<Vec<(String, i64)>> {
        let Self::Sqlite(t) = self else { return Ok(Vec::new()) };
        Ok(sqlx::query_as("SELECT name, seq FROM sqlite_sequence").fetch_all(&mut **t).await?)
    }
}
