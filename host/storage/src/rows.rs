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
fn size_for(count: usize) -> Option<usize> {
    Some(SIZES.partition_point(|size| *size < count)).filter(|size| count > 0 && *size < SIZES.len())
}

/// How many rows a statement for so many has.
fn rounded(count: usize) -> usize {
    size_for(count).map_or(count, |size| SIZES[size])
}

fn padded<X>(items: &[X]) -> impl Iterator<Item = &X> {
    let missing = rounded(items.len()) - items.len();
    items.iter().chain(items.last().into_iter().flat_map(move |last| std::iter::repeat_n(last, missing)))
}

/// The texts of one statement, one for each size.
pub(crate) struct Texts([OnceLock<SqlStr>; SIZES.len()]);

impl Texts {
    pub(crate) const fn new() -> Self {
        Self([const { OnceLock::new() }; SIZES.len()])
    }
}

/// A [`Statement`] whose text depends on nothing but the number of rows. To be used within `on!` only, where each of the two
/// databases gets texts of its own.
macro_rules! statement {
    ($count:expr, $text:expr) => {{
        static TEXTS: $crate::rows::Texts = $crate::rows::Texts::new();
        $crate::rows::Statement::new($count, &TEXTS, $text)
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
    /// Whether a text that is known is put together all the same, to be compared: where tests run.
    is_checked: bool,
    text: String,
}

impl<DB: Database + HasStatementCache> Statement<DB>
where
    DB::Arguments: IntoArguments<DB>,
{
    /// Begins a statement for `count` rows whose text is always the same; see [`statement!`].
    pub(crate) fn new(count: usize, texts: &'static Texts, text: &'static str) -> Self {
        Self::of_size(size_for(count), Some(texts), text)
    }

    /// Begins a statement for `count` rows whose text depends on other things, too, but takes few forms.
    pub(crate) fn varied(count: usize, text: &'static str) -> Self {
        Self::of_size(size_for(count), None, text)
    }

    /// Begins a statement that is rare, or hardly ever of the same shape, so that nothing is kept of it.
    pub(crate) fn once(text: &'static str) -> Self {
        Self::of_size(None, None, text)
    }

    fn of_size(size: Option<usize>, texts: Option<&'static Texts>, text: &'static str) -> Self {
        let known = texts.zip(size).and_then(|(texts, size)| texts.0[size].get().cloned());
        let (arguments, is_checked) = (Ok(DB::Arguments::default()), cfg!(debug_assertions));
        let mut statement = Self { arguments, size, texts, known, is_checked, text: String::new() };
        statement.push(text);
        statement
    }

    /// Whether the text has to be put together.
    fn is_written(&self) -> bool {
        self.known.is_none() || self.is_checked
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

    /// Appends `(VALUES …)`, in which the last row may come several times: for `UPDATE … FROM`, which changes a row once, and
    /// for whoever limits their number.
    pub(crate) fn push_changes<X>(&mut self, items: &[X], push: impl FnMut(Tuple<'_, DB>, &X)) -> &mut Self {
        self.push("(").push_values(items, push).push(")")
    }

    /// Appends `(VALUES …) AS v LIMIT …` that yields each row once, in their order: for `INSERT … SELECT v.* FROM`. The `SELECT`
    /// ends here; `ON CONFLICT` or `RETURNING` may follow.
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
        let before = self.bound();
        for (place, item) in padded(items).enumerate() {
            self.push(if place == 0 { "(" } else { ",(" });
            push(Tuple { statement: self, is_begun: false }, item);
            self.push(")");
            if place == 0 {
                // None are left when one is at fault.
                self.provide(self.bound().saturating_sub(before) * rounded(items.len()));
            }
        }
        self
    }

    /// How many parameters there are so far.
    fn bound(&self) -> usize {
        self.arguments.as_ref().map_or(0, DB::Arguments::len)
    }

    fn provide(&mut self, parameters: usize) {
        if let Ok(arguments) = &mut self.arguments {
            arguments.reserve(parameters, 0);
        }
    }

    fn finished(&mut self) -> (SqlStr, Result<DB::Arguments, BoxDynError>, bool) {
        let text = match self.known.take() {
            Some(known) => {
                // If its arguments are at fault it is not complete.
                let is_complete = self.is_checked && self.arguments.is_ok();
                assert!(!is_complete || known.as_str() == self.text, "two texts of one statement: {}", self.text);
                known
            }
            None => {
                let text = of_static_parts(mem::take(&mut self.text));
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
    use sqlx::{Execute, Postgres, types::Json};

    use super::*;
    use crate::embedded::Embedded;

    #[test]
    fn few_numbers_of_rows_are_left_and_none_is_too_small() {
        assert!(SIZES.is_sorted());
        assert_eq!((size_for(1), size_for(5), size_for(256)), (Some(0), Some(4), Some(15)));
        assert_eq!((size_for(0), size_for(257)), (None, None));
        assert_eq!(padded(&[1, 2, 3, 4, 5]).collect::<Vec<_>>(), [&1, &2, &3, &4, &5, &5]);
        assert_eq!(padded(&[0_u8; 0]).count(), 0);
        assert_eq!(padded(&[0_u8; 300]).count(), 300);
    }

    /// The text of a statement for these rows, and how many parameters it has.
    fn insert<DB: Database + HasStatementCache>(
        rows: &[i64],
        texts: &'static Texts,
        is_checked: bool,
    ) -> (String, usize)
    where
        DB::Arguments: IntoArguments<DB>,
        for<'q> i64: Encode<'q, DB> + Type<DB>,
    {
        let mut statement = Statement::<DB>::new(rows.len(), texts, "INSERT INTO t SELECT v.* FROM ");
        statement.is_checked = is_checked;
        statement.push_rows(rows, |mut row, number| {
            row.push_bind(*number).push_bind(-number);
        });
        let bound = statement.bound();
        (statement.build().sql().as_str().to_owned(), bound)
    }

    #[test]
    fn a_text_depends_on_the_size_and_is_kept() {
        static TEXTS: Texts = Texts::new();
        let (text, bound) = insert::<Embedded>(&[1, 2, 3, 4, 5], &TEXTS, true);
        let rows = "(VALUES (?,?),(?,?),(?,?),(?,?),(?,?),(?,?)) AS v LIMIT ?";
        assert_eq!((&text, bound), (&format!("INSERT INTO t SELECT v.* FROM {rows}"), 13));
        assert_eq!(TEXTS.0[4].get().map(SqlStr::as_str), Some(&*text));
        // Known by now: put together again, or not, as outside of tests.
        for is_checked in [true, false] {
            assert_eq!(insert::<Embedded>(&[6, 7, 8, 9, 10, 11], &TEXTS, is_checked), (text.clone(), 13));
        }
        assert_eq!(TEXTS.0.iter().filter(|text| text.get().is_some()).count(), 1);
    }

    #[test]
    fn parameters_of_postgres_have_numbers() {
        static TEXTS: Texts = Texts::new();
        for is_checked in [true, true, false] {
            let (text, bound) = insert::<Postgres>(&[1, 2], &TEXTS, is_checked);
            assert_eq!((&*text, bound), ("INSERT INTO t SELECT v.* FROM (VALUES ($1,$2),($3,$4)) AS v LIMIT $5", 5));
        }
    }

    #[test]
    #[should_panic(expected = "two texts of one statement")]
    fn a_text_that_depends_on_something_else_is_noticed() {
        static TEXTS: Texts = Texts::new();
        for column in ["a", "b"] {
            let mut statement = Statement::<Embedded>::new(1, &TEXTS, "SELECT ");
            let _ = statement.push(column).build();
        }
    }

    #[test]
    fn a_value_that_cannot_be_written_is_an_error_and_leaves_no_text() {
        static TEXTS: Texts = Texts::new();
        // JSON has names that are texts only.
        let broken = std::collections::HashMap::from([(vec![1], 2)]);
        for is_known in [false, true] {
            let mut statement = Statement::<Embedded>::new(1, &TEXTS, "SELECT ");
            statement.push_bind(Json(&broken)).push(", ").push_bind(1_i64);
            assert!(statement.build().take_arguments().is_err(), "known: {is_known}");
            assert_eq!(TEXTS.0[0].get().is_some(), is_known);
            let mut statement = Statement::<Embedded>::once("INSERT INTO t SELECT ?, v.* FROM ");
            statement.push_bind(0_i64).push_rows(&[&broken, &broken], |mut row, value| {
                row.push_bind(Json(value)).push_bind(1_i64);
            });
            assert!(statement.build().take_arguments().is_err());
            let mut statement = Statement::<Embedded>::new(1, &TEXTS, "SELECT ");
            statement.push_bind(0_i64).push(", ").push_bind(1_i64);
            assert_eq!(statement.build().sql().as_str(), "SELECT ?, ?");
        }
    }
}
