//! Rows and what describes them.

use std::sync::Arc;

use sqlx::{ColumnIndex, Either, Error, Result, Row, SqlStr, Statement};

use super::{Arguments, Datum, DatumRef, Embedded, Kind};

/// A column of a row.
#[derive(Debug)]
pub struct Column {
    pub(super) ordinal: usize,
    pub(super) name: Box<str>,
}

/// A row.
#[derive(Debug)]
pub struct EmbeddedRow {
    pub(super) columns: Arc<[Column]>,
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
        &self.columns
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
        // A dozen short names are compared sooner than one is hashed.
        let found = row.columns.iter().position(|column| &*column.name == *self);
        found.ok_or_else(|| Error::ColumnNotFound((*self).into()))
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
