//! Meta's errors inside webhooks.

use serde_json::{Map, Value};

use super::fields::Fields;

/// The first error of the field `errors` in our short form: `{code, title, details}`, as far as given.
pub(super) fn first(fields: &Fields<'_>) -> Option<Value> {
    fields.list("errors").ok().and_then(|mut errors| short(&Fields::of(errors.next()?)?))
}

/// Whether the field `errors` has one of this code.
pub(super) fn has(fields: &Fields<'_>, code: i64) -> bool {
    let mut errors = fields.list("errors").unwrap_or_default().filter_map(Fields::of);
    errors.any(|error| number(&error) == Some(code))
}

fn number(error: &Fields<'_>) -> Option<i64> {
    error.text("code").and_then(|code| code.parse().ok())
}

fn short(error: &Fields<'_>) -> Option<Value> {
    let data = error.object("error_data");
    let mut short = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            short.insert(name.into(), value);
        }
    };
    put("code", number(error).map(Value::from));
    put("title", error.filled("title").or_else(|| error.filled("message")).map(Value::from));
    put("details", data.and_then(|data| data.filled("details")).map(Value::from));
    (!short.is_empty()).then_some(Value::Object(short))
}
