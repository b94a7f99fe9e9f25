//! What a database holds before this program touches it: nothing, an older, the same or a newer schema, or the tables of
//! somebody else.

use sqlx::migrate::Migrator;

use crate::{Db, Error, OpenError, Result, SchemaError, Tx, db::on};

/// Where the migrations that were applied are noted.
const NOTES: &str = "_sqlx_migrations";
/// Tables that every database of ours has since the first migration.
const OURS: [&str; 2] = ["bots", "mailboxes"];
/// Names of foreign tables that a message shows.
const NAMED_MAX: usize = 3;

/// How a database relates to this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The migrations that are missing, perhaps all or none, can be applied.
    Ours,
    /// A newer program brought it to this migration, and says that this program can still work on it.
    Ahead(i64),
}

/// A migration as the database notes it.
#[derive(sqlx::FromRow)]
struct Applied {
    version: i64,
    description: String,
    checksum: Vec<u8>,
}

/// The number of the newest migration that a program knows.
pub(crate) fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

impl Db {
    /// Looks at what is there, and changes nothing.
    ///
    /// # Errors
    /// [`SchemaError`] when this program must not work on it.
    pub(crate) async fn standing(&self, migrator: &Migrator) -> Result<Standing> {
        let mut tx = self.begin().await?;
        // Another host may be applying migrations at this moment.
        tx.hold_still().await?;
        let mut tables = tx.tables().await?;
        let had_notes = tables.iter().any(|table| table == NOTES);
        tables.retain(|table| table != NOTES);
        let applied = if had_notes { tx.applied().await? } else { Vec::new() };
        let is_ours = applied.first().is_some_and(|first| {
            migrator
                .iter()
                .next()
                .is_some_and(|own| own.version == first.version && own.description == first.description)
        }) && OURS.iter().all(|name| tables.iter().any(|table| table == name));
        if !is_ours {
            return if tables.is_empty() && applied.is_empty() { Ok(Standing::Ours) } else { Err(foreign(&tables)) };
        }
        for own in migrator.iter() {
            if applied.iter().any(|applied| applied.version == own.version && *applied.checksum != *own.checksum) {
                return Err(SchemaError::Changed(own.version).into());
            }
        }
        let known = |version: i64| migrator.iter().any(|own| own.version == version);
        let Some(unknown) = applied.iter().map(|applied| applied.version).filter(|version| !known(*version)).max()
        else {
            return Ok(Standing::Ours);
        };
        let has_all = migrator.iter().all(|own| applied.iter().any(|applied| applied.version == own.version));
        let oldest =
            if tables.iter().any(|table| table == "installation") { tx.oldest_schema().await? } else { i64::MAX };
        if has_all && oldest <= newest(migrator) {
            Ok(Standing::Ahead(unknown))
        } else {
            Err(SchemaError::Newer(unknown).into())
        }
    }
}

impl Tx {
    /// The newest migration that a program has to know to work on this database.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn oldest_schema(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar("SELECT oldest_schema FROM installation").fetch_one(c).await)?)
    }

    /// What `migrate-data` fills this database from, while it is not done.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn moving_from(&mut self) -> Result<Option<String>> {
        Ok(on!(self, c => sqlx::query_scalar("SELECT moving_from FROM installation").fetch_one(c).await)?)
    }

    /// The migrations that were applied, in order.
    async fn applied(&mut self) -> Result<Vec<Applied>> {
        let found = on!(self, c => sqlx::query_as(
            "SELECT version, description, checksum FROM _sqlx_migrations ORDER BY version").fetch_all(c).await);
        found.map_err(|error| match Error::from(error) {
            error @ (Error::Unavailable(_) | Error::Open(_)) => error,
            _ => SchemaError::Foreign(format!("its table {NOTES} is another program's")).into(),
        })
    }

    /// All tables in this program's place that no extension brought, by name.
    pub(crate) async fn tables(&mut self) -> Result<Vec<String>> {
        let tables: Vec<String> =
            match self {
                Self::Sqlite(t) => sqlx::query_scalar(
                    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name",
                )
                .fetch_all(&mut **t)
                .await?,
                Self::Postgres(t) => {
                    let place: Option<String> =
                        sqlx::query_scalar("SELECT current_schema()::text").fetch_one(&mut **t).await?;
                    if place.is_none() {
                        return Err(OpenError::Denied("no schema of the search_path is there for it".into()).into());
                    }
                    sqlx::query_scalar(
                        "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                     WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT EXISTS (
                         SELECT 1 FROM pg_depend d
                         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
                     ORDER BY c.relname",
                    )
                    .fetch_all(&mut **t)
                    .await?
                }
            };
        Ok(tables)
    }
}

fn foreign(tables: &[String]) -> Error {
    let shown: Vec<&str> = tables.iter().map(String::as_str).take(NAMED_MAX).collect();
    let more = if tables.len() > NAMED_MAX { ", …" } else { "" };
    let what = if shown.is_empty() {
        "migrations of another program".to_owned()
    } else {
        format!("the tables {}{more}", shown.join(", "))
    };
    SchemaError::Foreign(format!("it has {what}")).into()
}
