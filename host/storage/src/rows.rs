//! Statements for rows and values of any number, whose text hardly varies: it is put together once, and the databases keep
//! the statement prepared.
//!
//! The number of rows is rounded up and the last one repeated. A list may hold a value twice; of rows that are written
//! the repeated ones are cut off again by a `LIMIT`, whose number is a parameter.

use std::{
    mem,
    sync::{Arc, OnceLock},
};

use sqlx::{
    Arguments as _, Database, Encode, FromRow, IntoArguments, SqlSafeStr as _, SqlStr, Type,
    error::BoxDynError,
    query::{Query, QueryAs, QueryScalar},
};
use sqlx_core::{
    database::HasStatementCache, query::query_with_result, query_as::query_as_with_result,
    query_scalar::query_scalar_with_result,
};

/// The numbers of rows that statements are kept for. Larger ones are rare, and one of them fills a page of memory per row.
const SIZES: [usize; 16] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256];

/// Which of the [sizes](SIZES) is that of a statement for so many rows, if it is worth being kept.
fn size_of(count: usize) -> Option<usize> {
    Some(SIZES.partition_point(|size| *size < count)).filter(|size| *size < SIZES.len())
}

fn padded<X>(items: &[X]) -> impl Iterator<Item = &X> {
    let missing = size_of(items.len()).map_or(0, |size| SIZES[size] - items.len());
    items.iter().chain(items.last().into_iter().flat_map(move |last| std::iter::repeat_n(last, missing)))
}

/// The texts of one statement, one for each size.
pub(crate) struct Texts([OnceLock<SqlStr>; SIZES.len()]);

impl Texts {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; SIZES.len()])
    }
}

/// A [`Statement`] whose text depends on nothing but the number of rows, to be used within `on!`: the two databases have a
/// text each.
macro_rules! statement {
    ($count:expr, $text:expr) => {{
        static TEXTS: $crate::rows::Texts = $crate::rows::Texts::new();
        $crate::rows::Statement::new($count, Some(&TEXTS), $text)
    }};
}
pub(crate) use statement;

/// A statement that is put together, with its arguments.
pub(crate) struct Statement<DB: Database> {
    arguments: Result<DB::Arguments, BoxDynError>,
    size: Option<usize>,
    texts: Option<&'static Texts>,
    /// Its text, if it was put together before.
    known: Option<SqlStr>,
    text: String,
}

impl<DB: Database + HasStatementCache> Statement<DB>
where
    DB::Arguments: IntoArguments<DB>,
{
    /// Begins a statement for `count` rows. `texts`: where its text is kept, which must then always be the same.
    pub(crate) fn new(count: usize, texts: Option<&'static Texts>, text: &'static str) -> Self {
        Self::of_size(size_of(count), texts, text)
    }

    /// Begins a statement that is rare, or hardly ever of the same shape, so that nothing is kept of it.
    pub(crate) fn once(text: &'static str) -> Self {
        Self::of_size(None, None, text)
    }

    fn of_size(size: Option<usize>, texts: Option<&'static Texts>, text: &'static str) -> Self {
        let known = texts.zip(size).and_then(|(texts, size)| texts.0[size].get().cloned());
        let mut statement = Self { arguments: Ok(DB::Arguments::default()), size, texts, known, text: String::new() };
        statement.push(text);
        statement
    }

    /// Whether the text has to be put together. Where tests run it is, to be compared with the one that is known.
    fn is_written(&self) -> bool {
        self.known.is_none() || cfg!(debug_assertions)
    }

    /// Appends to the text.
    pub(crate) fn push(&mut self, text: &'static str) -> &mut Self {
        if self.is_written() {
            self.text.push_str(text);
        }
        self
    }

    /// Appends a parameter with its value. A value that cannot be written is the error of the statement.
    pub(crate) fn push_bind<'t, T: Encode<'t, DB> + Type<DB>>(&mut self, value: T) -> &mut Self {
        let is_written = self.is_written();
        if let Ok(arguments) = &mut self.arguments {
            let added = arguments.add(value);
            if is_written {
                // Nothing can be wrong with writing to a string.
                let _ = arguments.format_placeholder(&mut self.text);
            }
            if let Err(error) = added {
                self.arguments = Err(error);
            }
        }
        self
    }

    /// Appends `(a, b, …)` for `IN`. The list must not be empty.
    pub(crate) fn push_list<'q, T: Encode<'q, DB> + Type<DB> + Clone>(
        &mut self,
        values: impl IntoIterator<Item = T>,
    ) -> &mut Self {
        let values = Vec::from_iter(values);
        self.push("(");
        let mut list = Tuple { statement: self, is_begun: false };
        for value in padded(&values) {
            list.push_bind(value.clone());
        }
        self.push(")")
    }

    /// Appends `(VALUES …)`, in which the last row may come several times: for `UPDATE … FROM`, which changes a row once.
    pub(crate) fn push_changes<X>(&mut self, items: &[X], push: impl FnMut(Tuple<'_, DB>, &X)) -> &mut Self {
        self.push("(").push_values(items, push).push(")")
    }

    /// Appends `(VALUES …) AS v LIMIT …` that yields each row once, in their order: for `INSERT … SELECT v.* FROM`.
    pub(crate) fn push_rows<'q, X>(&mut self, items: &[X], push: impl FnMut(Tuple<'_, DB>, &X)) -> &mut Self
    where
        i64: Encode<'q, DB> + Type<DB>,
    {
        self.push_changes(items, push).push(" AS v LIMIT ");
        self.push_bind(i64::try_from(items.len()).unwrap_or(i64::MAX))
    }

    /// Appends `(SELECT …)` that yields each row once: for an `INSERT … SELECT` with conditions or an order of its own.
    pub(crate) fn push_table<'q, X>(&mut self, items: &[X], push: impl FnMut(Tuple<'_, DB>, &X)) -> &mut Self
    where
        i64: Encode<'q, DB> + Type<DB>,
    {
        self.push("(SELECT * FROM (").push_values(items, push).push(") AS p LIMIT ");
        self.push_bind(i64::try_from(items.len()).unwrap_or(i64::MAX)).push(")")
    }

    fn push_values<X>(&mut self, items: &[X], mut push: impl FnMut(Tuple<'_, DB>, &X)) -> &mut Self {
        self.push("VALUES ");
        for (place, item) in padded(items).enumerate() {
            self.push(if place == 0 { "(" } else { ",(" });
            push(Tuple { statement: self, is_begun: false }, item);
            self.push(")");
            if place == 0
                && let Ok(arguments) = &mut self.arguments
            {
                let (each, rows) = (arguments.len(), size_of(items.len()).map_or(items.len(), |size| SIZES[size]));
                arguments.reserve(each * rows, 0);
            }
        }
        self
    }

    fn finished(&mut self) -> (SqlStr, Result<DB::Arguments, BoxDynError>, bool) {
        let text = match self.known.take() {
            Some(known) => {
                debug_assert_eq!(known.as_str(), self.text, "two texts of one statement");
                known
            }
            None => {
                let text = of_static_parts(mem::take(&mut self.text));
                // If its arguments are at fault it is not complete.
                if let (Some(texts), Some(size), Ok(_)) = (self.texts, self.size, &self.arguments) {
                    texts.0[size].get_or_init(|| text.clone());
                }
                text
            }
        };
        (text, mem::replace(&mut self.arguments, Ok(DB::Arguments::default())), self.size.is_some())
    }

    /// The statement, to be executed.
    pub(crate) fn build<'q>(&mut self) -> Query<'q, DB, DB::Arguments> {
        let (text, arguments, is_kept) = self.finished();
        query_with_result(text, arguments).persistent(is_kept)
    }

    /// The statement, whose rows are to be read.
    pub(crate) fn build_query_as<'q, T: for<'r> FromRow<'r, DB::Row>>(&mut self) -> QueryAs<'q, DB, T, DB::Arguments> {
        let (text, arguments, is_kept) = self.finished();
        query_as_with_result(text, arguments).persistent(is_kept)
    }

    /// The statement, whose rows have one column.
    pub(crate) fn build_query_scalar<'q, T>(&mut self) -> QueryScalar<'q, DB, T, DB::Arguments>
    where
        (T,): for<'r> FromRow<'r, DB::Row>,
    {
        let (text, arguments, is_kept) = self.finished();
        query_scalar_with_result(text, arguments).persistent(is_kept)
    }
}

/// Only what is static and places for parameters get into the text of a [`Statement`].
fn of_static_parts(text: String) -> SqlStr {
    sqlx::AssertSqlSafe(Arc::<str>::from(text)).into_sql_str()
}

/// A row that is put together.
pub(crate) struct Tuple<'s, DB: Database> {
    statement: &'s mut Statement<DB>,
    is_begun: bool,
}

impl<DB: Database + HasStatementCache> Tuple<'_, DB>
where
    DB::Arguments: IntoArguments<DB>,
{
    /// Appends a value.
    pub(crate) fn push_bind<'t, T: Encode<'t, DB> + Type<DB>>(&mut self, value: T) -> &mut Self {
        if mem::replace(&mut self.is_begun, true) {
            self.statement.push(",");
        }
        self.statement.push_bind(value);
        self
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Execute, Postgres};

    use super::*;
    use crate::embedded::Embedded;

    #[test]
    fn few_numbers_of_rows_are_left_and_none_is_too_small() {
        assert!(SIZES.is_sorted());
        assert_eq!((size_of(1), size_of(5), size_of(256), size_of(257)), (Some(0), Some(4), Some(15), None));
        assert_eq!(padded(&[1, 2, 3, 4, 5]).collect::<Vec<_>>(), [&1, &2, &3, &4, &5, &5]);
        assert_eq!(padded(&[0_u8; 0]).count(), 0);
        assert_eq!(padded(&[0_u8; 300]).count(), 300);
    }

    fn insert<DB: Database + HasStatementCache>(rows: &[i64], texts: Option<&'static Texts>) -> String
    where
        DB::Arguments: IntoArguments<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
    {
        let mut statement = Statement::<DB>::new(rows.len(), texts, "INSERT INTO t SELECT v.* FROM ");
        statement.push_rows(rows, |mut row, number| {
            row.push_bind(*number).push_bind(-number);
        });
        statement.build().sql().as_str().to_owned()
    }

    #[test]
    fn a_text_depends_on_the_size_and_is_kept() {
        static TEXTS: Texts = Texts::new();
        let text = insert::<Embedded>(&[1, 2, 3, 4, 5], Some(&TEXTS));
        let rows = "(VALUES (?,?),(?,?),(?,?),(?,?),(?,?),(?,?)) AS v LIMIT ?";
        assert_eq!(text, format!("INSERT INTO t SELECT v.* FROM {rows}"));
        assert_eq!(TEXTS.0[4].get().map(SqlStr::as_str), Some(&*text));
        assert_eq!(insert::<Embedded>(&[6, 7, 8, 9, 10, 11], Some(&TEXTS)), text);
        assert_eq!(TEXTS.0.iter().filter(|text| text.get().is_some()).count(), 1);
        let text = insert::<Postgres>(&[1, 2], None);
        assert_eq!(text, "INSERT INTO t SELECT v.* FROM (VALUES ($1,$2),($3,$4)) AS v LIMIT $5");
    }

    #[test]
    #[should_panic(expected = "two texts of one statement")]
    fn a_text_that_depends_on_something_else_is_noticed() {
        static TEXTS: Texts = Texts::new();
        for column in ["a", "b"] {
            let mut statement = Statement::<Embedded>::new(1, Some(&TEXTS), "SELECT ");
            let _ = statement.push(column).build();
        }
    }
}
