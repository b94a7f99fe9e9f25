//! Comparing values of any type, the way a person who builds a flow would expect.
//!
//! Two values that both are numbers, or texts that read as numbers, compare as numbers; otherwise both compare as
//! texts, where upper and lower case differ. A missing variable and null are like an empty text.

use std::cmp::Ordering;

use serde_json::Value;

/// Most characters of the reason an execution failed for.
pub(crate) const REASON_CHARS: usize = 500;
/// Most characters of a value in a step's detail.
const DETAIL_CHARS: usize = 200;

/// Whether two values are the same.
pub(crate) fn equal(left: &Value, right: &Value) -> bool {
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return left.compare(right) == Some(Ordering::Equal);
    }
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => left == right,
        (Value::Object(left), Value::Object(right)) => left == right,
        (Value::Bool(truth), Value::String(text)) | (Value::String(text), Value::Bool(truth)) => {
            text.trim().eq_ignore_ascii_case(if *truth { "true" } else { "false" })
        }
        _ => text(left) == text(right),
    }
}

/// Which value comes first; none when there is no order between them: one is missing, a list or an object.
pub(crate) fn order(left: &Value, right: &Value) -> Option<Ordering> {
    if let (Some(left), Some(right)) = (Number::of(left), Number::of(right)) {
        return left.compare(right);
    }
    let ordered = |value: &Value| matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_));
    (ordered(left) && ordered(right)).then(|| text(left).cmp(&text(right)))
}

/// Whether a list has an equal item, an object such a key, or a text the other text in it.
pub(crate) fn contains(whole: &Value, part: &Value) -> bool {
    match whole {
        Value::Array(items) => items.iter().any(|item| equal(item, part)),
        Value::Object(members) => members.contains_key(&text(part)),
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) | Value::String(_) => text(whole).contains(&text(part)),
    }
}

/// Whether a value is one of a list, or of a text's parts between commas.
pub(crate) fn one_of(value: &Value, list: &Value) -> bool {
    match list {
        _ if value.is_null() => false,
        Value::Array(items) => items.iter().any(|item| equal(value, item)),
        Value::String(parts) => parts.split(',').any(|part| equal(value, &Value::from(part.trim()))),
        other => equal(value, other),
    }
}

/// A value as text: texts as they are, null as nothing, lists and objects as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A value for a step's detail: cut short when it is long.
pub(crate) fn brief(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        Value::String(text) => cut(text, DETAIL_CHARS).into(),
        Value::Array(_) | Value::Object(_) => {
            let json = value.to_string();
            if json.chars().nth(DETAIL_CHARS).is_none() { value.clone() } else { cut(&json, DETAIL_CHARS).into() }
        }
    }
}

/// The first characters of a text, with an ellipsis when there are more.
pub(crate) fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// A number, exact when it is whole: ids have more digits than a float can hold.
#[derive(Debug, Clone, Copy)]
enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => {
                match number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)) {
                    Some(whole) => Some(Self::Whole(whole)),
                    None => number.as_f64().map(Self::Float),
                }
            }
            Value::String(text) => Self::read(text.trim()),
            _ => None,
        }
    }

    fn read(text: &str) -> Option<Self> {
        // Only digits, sign, point and exponent: `inf`, `nan` and `infinity` are words here.
        if !text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
            return None;
        }
        text.parse().map(Self::Whole).ok().or_else(|| text.parse().map(Self::Float).ok())
    }

    fn compare(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(left), Self::Whole(right)) => Some(left.cmp(&right)),
            (left, right) => left.float().partial_cmp(&right.float()),
        }
    }

    fn float(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Float(float) => float,
        }
    }
}
