//! A JSON object read one field at a time, so that a field of an unexpected type costs that field only.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize,
    de::{Deserializer, MapAccess, Visitor},
};
use serde_json::{Map, Value, value::RawValue};

/// The fields of one object, not yet parsed. `null` counts as absent. Of doubled keys the last one holds. As received, one
/// after the other: an object of Meta's has so few that looking them through is quicker than hashing names.
pub(super) struct Fields<'a>(Vec<(Name<'a>, &'a RawValue)>);

/// A field's name, which is only copied if there are escapes in it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Vec<(Name<'de>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                let mut found = Vec::with_capacity(8);
                while let Some(field) = fields.next_entry()? {
                    found.push(field);
                }
                Ok(found)
            }
        }

        deserializer.deserialize_map(InOrder).map(Self)
    }
}

impl<'a> Fields<'a> {
    /// The fields of `raw`, or `None` when it is no object.
    pub(super) fn of(raw: &'a RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }

    /// One field as received.
    pub(super) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let (_, raw) = self.0.iter().rfind(|(Name(known), _)| known == name)?;
        Some(*raw).filter(|raw| raw.get() != "null")
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

    /// A field parsed whatever it is; integers that only a float could hold become texts, because they are ids. `None`
    /// also for what JSON allows and we cannot hold: numbers beyond a float, nesting beyond the parser's depth.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        self.raw(name).and_then(value)
    }

    /// All fields but the named ones, parsed; those that cannot be held are left out.
    pub(super) fn rest(&self, but: &[&str]) -> Value {
        let mut rest = Map::new();
        for (Name(name), raw) in self.0.iter().filter(|(Name(name), _)| !but.contains(&name.as_ref())) {
            match value(raw) {
                None | Some(Value::Null) => rest.remove(name.as_ref()),
                Some(value) => rest.insert(name.to_string(), value),
            };
        }
        Value::Object(rest)
    }
}

/// Whatever it is, with integers that only a float could hold as texts.
fn value(raw: &RawValue) -> Option<Value> {
    serde_json::from_str(&with_long_ids_quoted(raw.get())).ok()
}

/// Puts integers beyond 64 bits into quotes.
fn with_long_ids_quoted(json: &str) -> Cow<'_, str> {
    let mut quoted = String::new();
    let mut copied = 0;
    for (start, end) in numbers(json) {
        let number = &json[start..end];
        let is_integer = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        if is_integer && number.parse::<i64>().is_err() && number.parse::<u64>().is_err() {
            quoted.push_str(&json[copied..start]);
            quoted.push('"');
            quoted.push_str(number);
            quoted.push('"');
            copied = end;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(json);
    }
    quoted.push_str(&json[copied..]);
    Cow::Owned(quoted)
}

/// Where the numbers outside of texts begin and end.
fn numbers(json: &str) -> impl Iterator<Item = (usize, usize)> {
    let bytes = json.as_bytes();
    let mut at = 0;
    let mut is_inside = false;
    std::iter::from_fn(move || {
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'\\' if is_inside => at += 1,
                b'"' => is_inside = !is_inside,
                b'-' | b'0'..=b'9' if !is_inside => {
                    let start = at;
                    let rest = bytes.get(at..).unwrap_or_default();
                    let length = rest.iter().position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
                    at += length.unwrap_or(rest.len());
                    return Some((start, at));
                }
                _ => {}
            }
            at += 1;
        }
        None
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_doubled_keys_the_last_one_holds() {
        let raw: &RawValue = serde_json::from_str(r#"{"a":1,"b":2,"\u0061":"c","b":null,"d":[],"d":{}}"#).unwrap();
        let fields = Fields::of(raw).unwrap();
        assert_eq!(fields.text("a").as_deref(), Some("c"));
        assert_eq!((fields.raw("b").is_none(), fields.raw("e").is_none()), (true, true));
        assert_eq!(fields.rest(&["d"]), serde_json::json!({ "a": "c" }));
    }

    #[test]
    fn only_integers_that_nothing_exact_holds_become_texts() {
        for (before, after) in [
            (
                r#"{"id":12345678901234567890123,"n":9007199254740993}"#,
                r#"{"id":"12345678901234567890123","n":9007199254740993}"#,
            ),
            ("[18446744073709551615,18446744073709551616]", r#"[18446744073709551615,"18446744073709551616"]"#),
            ("-99999999999999999999", r#""-99999999999999999999""#),
            (
                r#"["12345678901234567890123","\"12345678901234567890123"]"#,
                r#"["12345678901234567890123","\"12345678901234567890123"]"#,
            ),
            ("[1.5,1e300,-7,12345678901234567890123.5]", "[1.5,1e300,-7,12345678901234567890123.5]"),
        ] {
            assert_eq!(with_long_ids_quoted(before), after);
        }
        assert!(matches!(with_long_ids_quoted(r#"{"a":[1,"2"]}"#), Cow::Borrowed(_)));
    }
}
