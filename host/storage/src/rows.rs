//! Rows and lists of any number in statements whose text hardly varies, so that the databases keep them prepared.
//!
//! The number of rows is rounded up and the last one repeated. A list may hold a value twice; of rows that are written
//! the repeated ones are cut off again by a `LIMIT`, whose number is a parameter.

use sqlx::{Database, Encode, QueryBuilder, Type, query_builder::Separated};

/// Up to this many rows statements are kept prepared. Larger ones are rare, and one of them fills a page of memory per row.
const KEPT_MAX: usize = 256;

/// The number of rows that a statement for `count` of them has: a power of two, or the middle between two.
fn rounded(count: usize) -> usize {
    let power = count.next_power_of_two();
    let middle = power / 4 * 3;
    if middle >= count { middle } else { power }
}

/// Whether a statement for so many rows is worth being kept prepared.
pub(crate) fn kept(count: usize) -> bool {
    count <= KEPT_MAX
}

fn padded<X>(items: &[X]) -> impl Iterator<Item = &X> {
    let missing = if kept(items.len()) { rounded(items.len()) - items.len() } else { 0 };
    items.iter().chain(items.last().into_iter().flat_map(move |last| std::iter::repeat_n(last, missing)))
}

/// Pushes `(a, b, …)` for `IN`. The list must not be empty.
pub(crate) fn push_list<'q, DB: Database, T: Encode<'q, DB> + Type<DB> + Clone>(
    query: &mut QueryBuilder<DB>,
    values: impl IntoIterator<Item = T>,
) {
    query.push("(");
    let mut list = query.separated(", ");
    for value in padded(&Vec::from_iter(values)) {
        list.push_bind(value.clone());
    }
    query.push(")");
}

/// Pushes `(VALUES …)`, in which the last row may come several times: for `UPDATE … FROM`, which changes a row once.
pub(crate) fn push_changes<DB: Database, X>(
    query: &mut QueryBuilder<DB>,
    items: &[X],
    push: impl FnMut(Separated<'_, DB, &'static str>, &X),
) {
    query.push("(");
    query.push_values(padded(items), push);
    query.push(")");
}

/// Pushes `(SELECT …)` that yields each row once, in their order: for `INSERT … SELECT * FROM … AS v WHERE TRUE`.
pub(crate) fn push_rows<'q, DB: Database, X>(
    query: &mut QueryBuilder<DB>,
    items: &[X],
    push: impl FnMut(Separated<'_, DB, &'static str>, &X),
) where
    i64: Encode<'q, DB> + Type<DB>,
{
    query.push("(SELECT * FROM (");
    query.push_values(padded(items), push);
    query.push(") AS p LIMIT ").push_bind(i64::try_from(items.len()).unwrap_or(i64::MAX)).push(")");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_numbers_of_rows_are_left_and_none_is_too_small() {
        let numbers: std::collections::BTreeSet<usize> = (1..=KEPT_MAX).map(rounded).collect();
        assert_eq!(Vec::from_iter(numbers), [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256]);
        assert!((1..=KEPT_MAX).all(|count| rounded(count) >= count));
        assert_eq!(padded(&[1, 2, 3, 4, 5]).collect::<Vec<_>>(), [&1, &2, &3, &4, &5, &5]);
        assert_eq!(padded(&[0_u8; 0]).count(), 0);
    }
}
