//! Databases refuse NUL in texts; what others send may hold one.

use serde_json::Value;

/// The text with U+FFFD for every NUL.
pub(crate) fn without_in_text(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The value with U+FFFD for every NUL in its texts and names.
pub(crate) fn without(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(without_in_text(&text)),
        Value::Array(items) => items.into_iter().map(without).collect(),
        Value::Object(fields) => {
            fields.into_iter().map(|(name, value)| (without_in_text(&name), without(value))).collect()
        }
        other => other,
    }
}
