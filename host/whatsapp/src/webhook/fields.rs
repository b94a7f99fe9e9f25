//! A JSON object read one field at a time, so that a field of an unexpected type costs that field only.

use std::collections::HashMap;

use serde_json::{Value, value::RawValue};

/// The fields of one object, not yet parsed. `null` counts as absent. Of doubled keys the last one holds.
pub(super) struct Fields<'a>(HashMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    /// The fields of `raw`, or `None` when it is no object.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok().map(Self)
    }

    /// One field as received.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.get(name).copied().filter(|raw| raw.get() != "null")
    }

    /// A field that is a text; integers are taken by their digits, because ids come either way and are too big for
    /// a float.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.raw(name).and_then(text)
    }

    /// Like [`Self::text`], with an empty one counted as absent.
    pub(super) fn filled(&self, name: &str) -> Option<String> {
        self.text(name).filter(|text| !text.is_empty())
    }

    /// A field that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        self.raw(name).and_then(Fields::of)
    }

    /// A field that is an array, its elements as received. `Err` when it is there but no array.
    pub(super) fn list(&self, name: &str) -> Result<Vec<&'a RawValue>, ()> {
        self.raw(name).map_or(Ok(Vec::new()), |raw| serde_json::from_str(raw.get()).map_err(|_| ()))
    }

    /// A field parsed whatever it is. `None` also for what JSON allows and we cannot hold: numbers beyond a float,
    /// nesting beyond the parser's depth.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        self.raw(name).and_then(|raw| serde_json::from_str(raw.get()).ok())
    }

    /// All fields but the named ones, parsed; those that cannot be held are left out.
    pub(super) fn rest(&self, but: &[&str]) -> Value {
        let names = self.0.keys().filter(|name| !but.contains(&name.as_str()));
        Value::Object(names.filter_map(|name| Some((name.clone(), self.value(name)?))).collect())
    }
}

/// A text, or an integer's digits.
fn text(raw: &RawValue) -> Option<String> {
    let json = raw.get();
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'0'..=b'9' | b'-' => Some(json.to_owned()),
        _ => None,
    }
}
