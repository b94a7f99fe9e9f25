//! Rows and what describes them.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use sqlx::{ColumnIndex, Either, Error, Result, Row, SqlStr, Statement};

use super::{Arguments, Datum, DatumRef, Embedded, Kind};

/// A column of a row.
#[derive(Debug)]
pub struct Column {
    pub(super) ordinal: usize,
    pub(super) name: Box<str>,
}

/// The columns of a statement's rows.
#[derive(Debug)]
pub(super) struct Columns {
    list: Box<[Column]>,
    /// The one that is probably asked for next: whoever reads a row mostly goes through it from left to right.
    next: AtomicUsize,
}

/// A row.
#[derive(Debug)]
pub struct EmbeddedRow {
    pub(super) columns: Arc<Columns>,
    pub(super) values: Vec<Datum>,
}

/// What a statement did.
#[derive(Debug, Default)]
pub struct Done {
    changes: u64,
}

/// A statement by its text. What is prepared is kept by the connection.
#[derive(Debug, Clone)]
pub struct Prepared {
    pub(super) sql: SqlStr,
}

impl Columns {
    pub(super) fn named<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let column = |(ordinal, name): (usize, &str)| Column { ordinal, name: name.into() };
        Self { list: names.into_iter().enumerate().map(column).collect(), next: AtomicUsize::new(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// Where a column is. Of several of one name it may be any.
    fn find(&self, name: &str) -> Option<usize> {
        let is_named = |column: &Column| *column.name == *name;
        let next = self.next.load(Ordering::Relaxed);
        let found = match self.list.get(next) {
            Some(column) if is_named(column) => next,
            // A dozen short names are compared sooner than one is hashed.
            _ => self.list.iter().position(is_named)?,
        };
        self.next.store(if found + 1 < self.len() { found + 1 } else { 0 }, Ordering::Relaxed);
        Some(found)
    }
}

impl Done {
    pub(super) fn of(changes: u64) -> Self {
        Self { changes }
    }

    /// How many rows it inserted, changed or removed.
    pub fn rows_affected(&self) -> u64 {
        self.changes
    }
}

impl Extend<Done> for Done {
    fn extend<T: IntoIterator<Item = Done>>(&mut self, others: T) {
        self.changes += others.into_iter().map(|done| done.changes).sum::<u64>();
    }
}

impl sqlx::Column for Column {
    type Database = Embedded;

    fn ordinal(&self) -> usize {
        self.ordinal
    }

    fn name(&self) -> &str {
        &self.name
    }

    /// Values have types in SQLite, columns need not.
    fn type_info(&self) -> &Kind {
        &Kind::Null
    }
}

impl Row for EmbeddedRow {
    type Database = Embedded;

    fn columns(&self) -> &[Column] {
        &self.columns.list
    }

    fn try_get_raw<I: ColumnIndex<Self>>(&self, index: I) -> Result<DatumRef<'_>> {
        let index = index.index(self)?;
        let len = self.values.len();
        self.values.get(index).map(DatumRef).ok_or(Error::ColumnIndexOutOfBounds { index, len })
    }
}

sqlx_core::impl_column_index_for_row!(EmbeddedRow);

impl ColumnIndex<EmbeddedRow> for &'_ str {
    fn index(&self, row: &EmbeddedRow) -> Result<usize> {
        row.columns.find(self).ok_or_else(|| Error::ColumnNotFound((*self).into()))
    }
}

impl Statement for Prepared {
    type Database = Embedded;

    fn into_sql(self) -> SqlStr {
        self.sql
    }

    fn sql(&self) -> &SqlStr {
        &self.sql
    }

    fn parameters(&self) -> Option<Either<&[Kind], usize>> {
        None
    }

    fn columns(&self) -> &[Column] {
        &[]
    }

    sqlx_core::impl_statement_query!(Arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_in_any_order() {
        let columns = Columns::named(["id", "name", "at"]);
        for (name, place) in [
            ("id", Some(0)),
            ("name", Some(1)),
            ("at", Some(2)),
            ("id", Some(0)),
            ("at", Some(2)),
            ("at", Some(2)),
            ("none", None),
            ("name", Some(1)),
            ("id", Some(0)),
        ] {
            assert_eq!(columns.find(name), place, "{name}");
        }
        assert_eq!(Columns::named([]).find("id"), None);
    }
}
