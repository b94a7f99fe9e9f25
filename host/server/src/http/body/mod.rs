//! Reading what a client sends, field by field, so that every fault is reported at once and not only the first.
//!
//! ```text
//! body.text("name").max(200).one_line().set(&mut bot.name, creating);   // required when creating, else kept
//! body.text("description").set_optional(&mut bot.description);          // null or "" clears, absent keeps
//! body.finish()?;                                                       // 422 with every fault, or on we go
//! ```
//!
//! Fields that nobody asks for are ignored, so that what was read with GET can be changed and sent back with PUT.

mod field;
mod parse;
mod query;
mod request;

use domain::Fault;
use serde_json::{Map, Value};

pub use field::Field;
pub use parse::{DEPTH_MAX, parse};
pub use query::Query;
pub use request::{BODY_BYTES_MAX, FormOrJson};

use super::problem::{Problem, Result};

/// An object that a client sent, being read.
#[derive(Debug, Default)]
pub struct Body {
    object: Map<String, Value>,
    faults: Vec<Fault>,
    prefix: String,
    asked: Vec<&'static str>,
    /// Whether all values are texts: in a query or a form, numbers and booleans are spelt out.
    is_text_only: bool,
}

impl Body {
    /// Starts reading a value, which should be an object.
    pub fn new(value: Value) -> Self {
        match value {
            Value::Object(object) => Self { object, ..Self::default() },
            _ => Self { faults: vec![Fault::new("", "must be an object")], ..Self::default() },
        }
    }

    /// Starts reading names with texts, as forms and queries are. Faults get `prefix` before their pointers.
    pub fn of_texts(pairs: impl IntoIterator<Item = (String, String)>, prefix: &str) -> Self {
        let mut body = Self { prefix: prefix.into(), is_text_only: true, ..Self::default() };
        for (name, value) in pairs {
            if value.contains('\0') || name.contains('\0') {
                body.faults.push(Fault::new(format!("{prefix}/{}", escape(&name)), "must not contain U+0000"));
            }
            body.object.insert(name, Value::String(value));
        }
        body
    }

    fn field<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(Value, bool) -> std::result::Result<T, String>,
    ) -> Field<'_, T> {
        self.asked.push(name);
        let pointer = format!("{}/{}", self.prefix, escape(name));
        let is_text_only = self.is_text_only;
        let state = match self.object.remove(name) {
            None => field::State::Absent,
            Some(Value::Null) => field::State::Null,
            Some(value) => match read(value, is_text_only) {
                Ok(value) => field::State::Given(value),
                Err(detail) => {
                    self.faults.push(Fault::new(pointer.clone(), detail));
                    field::State::Faulty
                }
            },
        };
        Field::new(state, pointer, &mut self.faults)
    }

    /// A text.
    pub fn text(&mut self, name: &'static str) -> Field<'_, String> {
        self.field(name, |value, _| match value {
            Value::String(text) => Ok(text),
            other => Err(format!("must be a text, not {}", kind(&other))),
        })
    }

    /// A whole number.
    pub fn integer(&mut self, name: &'static str) -> Field<'_, i64> {
        self.field(name, |value, is_text_only| {
            let number = match &value {
                Value::String(text) if is_text_only => text.parse().ok(),
                Value::Number(number) => number.as_i64(),
                _ => return Err(format!("must be a whole number, not {}", kind(&value))),
            };
            number.ok_or_else(|| "must be a whole number".into())
        })
    }

    /// An id.
    pub fn id<T: From<i64>>(&mut self, name: &'static str) -> Field<'_, T> {
        self.integer(name).map(T::from)
    }

    /// True or false.
    pub fn boolean(&mut self, name: &'static str) -> Field<'_, bool> {
        self.field(name, |value, is_text_only| match value {
            Value::Bool(value) => Ok(value),
            Value::String(text) if is_text_only => text.parse().map_err(|_| "must be true or false".into()),
            other => Err(format!("must be true or false, not {}", kind(&other))),
        })
    }

    /// An instant as RFC 3339 text.
    pub fn time(&mut self, name: &'static str) -> Field<'_, domain::Time> {
        self.text(name).and_then(|text| {
            let time = chrono::DateTime::parse_from_rfc3339(&text).ok();
            // The database keeps microseconds.
            time.and_then(|time| chrono::DateTime::from_timestamp_micros(time.timestamp_micros()))
                .ok_or_else(|| "must be a time such as 2026-01-31T09:00:00Z".into())
        })
    }

    /// An object of the client's own making.
    pub fn object(&mut self, name: &'static str) -> Field<'_, Map<String, Value>> {
        self.field(name, |value, _| match value {
            Value::Object(object) => Ok(object),
            other => Err(format!("must be an object, not {}", kind(&other))),
        })
    }

    /// Any JSON value but null.
    pub fn any(&mut self, name: &'static str) -> Field<'_, Value> {
        self.field(name, |value, _| Ok(value))
    }

    /// One of a few words.
    pub fn choice<T: Copy>(&mut self, name: &'static str, words: &'static [(&'static str, T)]) -> Field<'_, T> {
        self.text(name).and_then(move |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| {
                let known: Vec<_> = words.iter().map(|(word, _)| *word).collect();
                format!("must be one of {}", known.join(", "))
            })
        })
    }

    /// A list of at most `max` texts; a faulty one is reported at its own place.
    pub fn texts(&mut self, name: &'static str, max: usize, chars: usize) -> Field<'_, Vec<String>> {
        self.items(name, max, |value, pointer, faults| match value {
            Value::String(text) if text.trim().is_empty() => {
                faults.push(Fault::new(pointer, "must not be empty"));
                String::new()
            }
            Value::String(text) if text.chars().count() > chars => {
                faults.push(Fault::new(pointer, format!("must have at most {chars} characters")));
                String::new()
            }
            Value::String(text) => text,
            other => {
                faults.push(Fault::new(pointer, format!("must be a text, not {}", kind(&other))));
                String::new()
            }
        })
    }

    /// A list of at most `max` objects, each read by `read`.
    pub fn list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        mut read: impl FnMut(&mut Body) -> T,
    ) -> Field<'_, Vec<T>> {
        self.items(name, max, |value, pointer, faults| {
            let is_object = value.is_object();
            let mut body = Body::new(value);
            body.prefix.clone_from(&pointer);
            let item = read(&mut body);
            if is_object {
                faults.append(&mut body.faults);
            } else {
                faults.push(Fault::new(pointer, "must be an object"));
            }
            item
        })
    }

    fn items<T>(
        &mut self,
        name: &'static str,
        max: usize,
        mut read: impl FnMut(Value, String, &mut Vec<Fault>) -> T,
    ) -> Field<'_, Vec<T>> {
        let prefix = format!("{}/{}", self.prefix, escape(name));
        let mut faults = Vec::new();
        let mut items = Vec::new();
        if let Some(Value::Array(values)) = self.object.get_mut(name)
            && values.len() <= max
        {
            let values = std::mem::take(values);
            for (n, value) in values.into_iter().enumerate() {
                items.push(read(value, format!("{prefix}/{n}"), &mut faults));
            }
        }
        self.faults.append(&mut faults);
        self.field(name, move |value, _| match value {
            Value::Array(rest) if rest.is_empty() => Ok(items),
            Value::Array(_) => Err(format!("must have at most {max} items")),
            other => Err(format!("must be a list, not {}", kind(&other))),
        })
    }

    /// Adds a fault that only a look at several fields shows. The pointer is relative to this object.
    pub fn fault(&mut self, pointer: &str, detail: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}{pointer}", self.prefix), detail));
    }

    /// Adds faults that somebody else found in this object.
    pub fn faults(&mut self, faults: impl IntoIterator<Item = Fault>) {
        let prefix = self.prefix.clone();
        self.faults.extend(faults.into_iter().map(|fault| fault.under(&prefix)));
    }

    /// Feeds what was not read yet into a digest; equal objects give equal digests.
    pub(super) fn digest(&self, digest: &mut sha2::Sha256) {
        use sha2::Digest as _;
        // The map is sorted by names, and writing it into memory cannot fail.
        digest.update(serde_json::to_vec(&self.object).unwrap_or_default());
    }

    /// Whether nothing wrong was found so far.
    pub fn is_sound(&self) -> bool {
        self.faults.is_empty()
    }

    /// The names that were asked for, for comparing with the API description.
    pub fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// 422 with every fault that was found.
    pub fn finish(self) -> Result<()> {
        if self.faults.is_empty() { Ok(()) } else { Err(Problem::invalid(self.faults)) }
    }

    /// What was found.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        self.faults
    }
}

/// A name as a part of a JSON pointer (RFC 6901).
pub(super) fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// What a value is, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;

/// Fails unless the fields that `read` asks for are those that the API description of `T` names.
#[cfg(test)]
pub(super) fn assert_described<T: utoipa::PartialSchema>(read: impl FnOnce(&mut Body)) {
    let utoipa::openapi::RefOr::T(utoipa::openapi::Schema::Object(schema)) = T::schema() else {
        panic!("an input is described as an object");
    };
    let described: std::collections::BTreeSet<_> = schema.properties.keys().map(String::as_str).collect();
    let mut body = Body::default();
    read(&mut body);
    assert_eq!(body.asked().iter().copied().collect::<std::collections::BTreeSet<_>>(), described);
}
