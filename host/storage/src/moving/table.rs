//! The tables that are moved, as the databases themselves describe them: none can be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{Postgres, QueryBuilder, Row};

use super::value::{Checksum, Kind, Value, read_row};
use crate::{Error, Result, Tx, db::on};

/// What is not moved: it is about the database, not in it.
pub(super) const NOT_MOVED: &str = "installation";
/// Rows that are moved in one transaction, and read at once.
const ROWS_AT_ONCE: i64 = 500;
/// The same for a table with bytes, which may be megabytes a row.
const BYTES_ROWS_AT_ONCE: i64 = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Column {
    /// In double quotes.
    name: String,
    kind: Kind,
}

/// A table and how to page through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    columns: Vec<Column>,
    /// Places of the columns that tell rows apart, in the order of the primary key.
    key: Vec<usize>,
}

/// Columns of a table, and the places of those of its primary key, each behind its rank in the key.
type Found = (Vec<Column>, Vec<(i64, usize)>);

/// Pushes what stands for a column in a `SELECT`.
macro_rules! push_columns {
    ($query:expr, $table:expr, $is_postgres:expr) => {
        for (at, column) in $table.columns.iter().enumerate() {
            $query.push(if at == 0 { "" } else { ", " }).push(&column.name);
            if $is_postgres && column.kind == Kind::Json {
                $query.push("::text");
            }
        }
    };
}

/// Pushes the columns of the key, each with `after` behind it.
macro_rules! push_key {
    ($query:expr, $table:expr, $after:expr) => {
        for (nth, at) in $table.key.iter().enumerate() {
            let column = &$table.columns[*at];
            $query.push(if nth == 0 { "" } else { ", " }).push(&column.name);
            $query.push($after(column.kind));
        }
    };
}

/// Binds a value.
macro_rules! bind {
    ($query:expr, $value:expr) => {
        match $value {
            Value::Integer(number) => $query.push_bind(*number),
            Value::Boolean(is) => $query.push_bind(*is),
            Value::Text(text) | Value::Json(text) => $query.push_bind(text.clone()),
            Value::Time(at) => $query.push_bind(*at),
            Value::Bytes(bytes) => $query.push_bind(bytes.clone()),
        }
    };
}

impl Table {
    pub(super) fn rows_at_once(&self) -> i64 {
        let has_bytes = self.columns.iter().any(|column| column.kind == Kind::Bytes);
        if has_bytes { BYTES_ROWS_AT_ONCE } else { ROWS_AT_ONCE }
    }

    /// The next rows after a key, in the order of the database itself.
    pub(super) async fn page(&self, tx: &mut Tx, after: Option<&[Value]>) -> Result<Vec<Vec<Value>>> {
        let is_postgres = matches!(tx, Tx::Postgres(_));
        Ok(on!(tx, c => {
            let mut query = QueryBuilder::new("SELECT ");
            push_columns!(query, self, is_postgres);
            query.push(" FROM ").push(&self.name);
            if let Some(after) = after {
                query.push(" WHERE (");
                push_key!(query, self, |_| "");
                query.push(") > (");
                for (nth, value) in after.iter().enumerate() {
                    query.push(if nth == 0 { "" } else { ", " });
                    bind!(query, value);
                }
                query.push(")");
            }
            query.push(" ORDER BY ");
            push_key!(query, self, |_| "");
            query.push(" LIMIT ").push_bind(self.rows_at_once());
            query.build().fetch_all(c).await.map(|rows| {
                rows.iter()
                    .map(|row| read_row!(row, self.columns.iter().map(|column| column.kind)))
                    .collect::<std::result::Result<_, _>>()
            })
        })??)
    }

    /// The key of the last row in the order of SQLite, which compares texts by their bytes.
    pub(super) async fn last_key(&self, tx: &mut Tx) -> Result<Option<Vec<Value>>> {
        let by_bytes = tx.by_bytes();
        Ok(on!(tx, c => {
            let mut query = QueryBuilder::new("SELECT ");
            push_key!(query, self, |_| "");
            query.push(" FROM ").push(&self.name).push(" ORDER BY ");
            let descending = if by_bytes.is_empty() { " DESC" } else { " COLLATE \"C\" DESC" };
            push_key!(query, self, |kind| if kind == Kind::Text { descending } else { " DESC" });
            query.push(" LIMIT 1");
            let kinds = || self.key.iter().map(|at| self.columns[*at].kind);
            let row = query.build().fetch_optional(c).await;
            row.map(|row| row.map(|row| read_row!(row, kinds())).transpose())
        })??)
    }

    /// The key of a row.
    pub(super) fn key_of(&self, row: &[Value]) -> Vec<Value> {
        self.key.iter().map(|at| row[*at].clone()).collect()
    }

    pub(super) async fn count(&self, tx: &mut Tx) -> Result<i64> {
        Ok(on!(tx, c => {
            let mut query = QueryBuilder::new("SELECT COUNT(*) FROM ");
            query.push(&self.name).build_query_scalar().fetch_one(c).await
        })?)
    }

    /// Adds rows to a database on PostgreSQL.
    pub(super) async fn insert(&self, tx: &mut sqlx::PgConnection, rows: &[Vec<Value>]) -> Result<()> {
        let mut query = QueryBuilder::<Postgres>::new("INSERT INTO ");
        query.push(&self.name).push(" (");
        push_columns!(query, self, false);
        query.push(") VALUES ");
        for (nth, row) in rows.iter().enumerate() {
            query.push(if nth == 0 { "(" } else { ", (" });
            for (at, value) in row.iter().enumerate() {
                query.push(if at == 0 { "" } else { ", " });
                bind!(query, value);
                if matches!(value, Value::Json(_)) {
                    query.push("::jsonb");
                }
            }
            query.push(")");
        }
        query.build().persistent(false).execute(tx).await?;
        Ok(())
    }

    /// Adds all rows up. `seen` is told of each page.
    pub(super) async fn checksum(&self, db: &crate::Db, mut seen: impl FnMut(u64)) -> Result<Checksum> {
        let mut sum = Checksum::default();
        let mut after: Option<Vec<Value>> = None;
        loop {
            let mut tx = db.read().await?;
            let rows = self.page(&mut tx, after.as_deref()).await?;
            tx.commit().await?;
            let Some(last) = rows.last() else { return Ok(sum) };
            after = Some(self.key_of(last));
            for row in &rows {
                sum.add(row).map_err(|error| Error::Corrupt(format!("JSON in the table {}: {error}", self.name)))?;
            }
            seen(sum.rows);
        }
    }
}

/// All tables that are moved from an SQLite database to one on PostgreSQL, each after those that it refers to.
pub(super) async fn tables(source: &mut Tx, target: &mut Tx) -> Result<Vec<Table>> {
    let (Tx::Sqlite(source), Tx::Postgres(target)) = (source, target) else {
        return Err(Error::Url("must be sqlite: for the source and postgres:// for the target".into()));
    };
    let kinds: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns
         WHERE table_schema = current_schema()",
    )
    .fetch_all(&mut **target)
    .await?;
    let kinds: BTreeMap<(String, String), String> =
        kinds.into_iter().map(|(table, column, kind)| ((table, column), kind)).collect();
    let columns: Vec<(String, String, i64)> = sqlx::query_as(
        "SELECT m.name, c.name, c.pk FROM sqlite_schema m JOIN pragma_table_info(m.name) c
         WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE '_sqlx%' AND m.name <> $1
         ORDER BY m.name, c.cid",
    )
    .bind(NOT_MOVED)
    .fetch_all(&mut **source)
    .await?;
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for (table, column, place) in columns {
        let word = kinds.get(&(table.clone(), column.clone())).map(String::as_str).unwrap_or_default();
        let kind = Kind::parse(word)
            .ok_or_else(|| Error::Corrupt(format!("the column {table}.{column} is {word:?} on PostgreSQL")))?;
        let (columns, key) = found.entry(table).or_default();
        if place > 0 {
            key.push((place, columns.len()));
        }
        columns.push(Column { name: format!("\"{column}\""), kind });
    }
    let references: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.name, f.\"table\" FROM sqlite_schema m JOIN pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    )
    .fetch_all(&mut **source)
    .await?;
    let mut tables = Vec::new();
    let mut done: BTreeSet<String> = BTreeSet::new();
    while !found.is_empty() {
        let free = |name: &String| references.iter().all(|(from, to)| from != name || to == name || done.contains(to));
        let Some(name) = found.keys().find(|name| free(name)).cloned() else {
            return Err(Error::Corrupt("the tables refer to each other in a circle".into()));
        };
        let (columns, mut key) = found.remove(&name).unwrap_or_default();
        key.sort_unstable();
        // A table without a primary key has one row.
        let key =
            if key.is_empty() { (0..columns.len()).collect() } else { key.into_iter().map(|(_, at)| at).collect() };
        done.insert(name.clone());
        tables.push(Table { name, columns, key });
    }
    Ok(tables)
}
