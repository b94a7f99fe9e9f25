//! Reading and playing cases.

pub(crate) mod catalogue;
pub(crate) mod conversation;
pub(crate) mod event;
pub(crate) mod keyword;
pub(crate) mod matcher;
pub(crate) mod schedule;
pub(crate) mod validation;
pub(crate) mod webhook;
pub(crate) mod world;

use serde_json::Value;

/// Whether `actual` has everything that `wanted` has: objects may have more members, all else is equal.
pub(crate) fn covers(actual: &Value, wanted: &Value) -> bool {
    match (actual, wanted) {
        (Value::Object(actual), Value::Object(wanted)) => wanted
            .iter()
            .all(|(name, wanted)| actual.get(name).map_or(wanted.is_null(), |actual| covers(actual, wanted))),
        _ => actual == wanted,
    }
}

/// An error that shows both sides unless they are equal.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, actual: &T, wanted: &T) -> Result<(), String> {
    if actual == wanted {
        return Ok(());
    }
    Err(format!("{what}\n      is     {actual:?}\n      wanted {wanted:?}"))
}
