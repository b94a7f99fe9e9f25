//! How SQLite would run statements. PostgreSQL tells by itself, by its module `auto_explain`.

use sqlx::{ConnectOptions, Connection, QueryBuilder, Row, Sqlite, sqlite::SqliteConnectOptions};

use crate::{Db, Result};

/// The steps by which SQLite would run each statement, on the database in a file; parameters count as unknown. The second
/// part are the names of indexes that hold some rows only.
///
/// # Errors
/// When the database refuses, e.g. because a statement is none.
pub async fn explain_sqlite(path: &str, statements: &[String]) -> Result<(Vec<Vec<String>>, Vec<String>)> {
    let mut connection = SqliteConnectOptions::new().filename(path).read_only(true).connect().await?;
    let mut plans = Vec::new();
    for statement in statements {
        let mut query = QueryBuilder::<Sqlite>::new(format!("EXPLAIN QUERY PLAN {statement}"));
        let rows = query.build().persistent(false).fetch_all(&mut connection).await?;
        plans.push(rows.iter().map(|row| row.try_get("detail")).collect::<std::result::Result<_, _>>()?);
    }
    let partial = sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'index' AND sql LIKE '% WHERE %'")
        .fetch_all(&mut connection)
        .await?;
    connection.close().await?;
    Ok((plans, partial))
}

/// Names of the indexes on PostgreSQL that hold some rows only.
///
/// # Errors
/// When the database refuses.
pub async fn partial_indexes(db: &Db) -> Result<Vec<String>> {
    let Db::Postgres(pool) = db else { return Ok(Vec::new()) };
    Ok(sqlx::query_scalar("SELECT indexname::text FROM pg_indexes WHERE indexdef LIKE '% WHERE %'")
        .fetch_all(pool)
        .await?)
}
