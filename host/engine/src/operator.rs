//! The operators of conditions, of nodes and of event triggers alike.

use std::cmp::Ordering;

use serde_json::Value;

use crate::{pattern, values};

/// How a value is compared with another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    /// Equal, as [`values::equal`] sees it.
    Equal,
    /// The opposite.
    NotEqual,
    /// Comes later.
    Greater,
    /// Comes later or is equal.
    GreaterOrEqual,
    /// Comes first.
    Less,
    /// Comes first or is equal.
    LessOrEqual,
    /// Has it in it.
    Contains,
    /// Does not.
    NotContains,
    /// Begins with it, as text.
    StartsWith,
    /// Ends with it, as text.
    EndsWith,
    /// The regular expression is found in it.
    Matches,
    /// There is a value.
    Exists,
    /// There is none.
    NotExists,
    /// Is one of a list.
    In,
}

/// The words for them.
pub(crate) const OPERATORS: [(&str, Operator); 14] = [
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    (">", Operator::Greater),
    (">=", Operator::GreaterOrEqual),
    ("<", Operator::Less),
    ("<=", Operator::LessOrEqual),
    ("contains", Operator::Contains),
    ("not_contains", Operator::NotContains),
    ("starts_with", Operator::StartsWith),
    ("ends_with", Operator::EndsWith),
    ("matches", Operator::Matches),
    ("exists", Operator::Exists),
    ("not_exists", Operator::NotExists),
    ("in", Operator::In),
];

impl Operator {
    /// Whether it holds between a value, null when it is missing, and what is wanted of it.
    ///
    /// # Errors
    /// When a regular expression is none: a sentence for people.
    pub(crate) fn compare(self, actual: &Value, wanted: &Value) -> Result<bool, String> {
        let order = || values::order(actual, wanted);
        Ok(match self {
            Self::Equal => values::equal(actual, wanted),
            Self::NotEqual => !values::equal(actual, wanted),
            Self::Greater => order() == Some(Ordering::Greater),
            Self::GreaterOrEqual => order().is_some_and(Ordering::is_ge),
            Self::Less => order() == Some(Ordering::Less),
            Self::LessOrEqual => order().is_some_and(Ordering::is_le),
            Self::Contains => values::contains(actual, wanted),
            Self::NotContains => !values::contains(actual, wanted),
            Self::StartsWith => values::text(actual).starts_with(&values::text(wanted)),
            Self::EndsWith => values::text(actual).ends_with(&values::text(wanted)),
            Self::Matches => pattern::compile(&values::text(wanted), true)?.is_match(&values::text(actual)),
            Self::Exists => !actual.is_null(),
            Self::NotExists => actual.is_null(),
            Self::In => values::one_of(actual, wanted),
        })
    }
}
