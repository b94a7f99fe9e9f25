//! A JSON object read one field at a time, so that a field of an unexpected type costs that field only.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::document::{Raw, Within};

/// The fields of one object, not yet parsed. `null` counts as absent. Of doubled keys the last one holds. An object of
/// Meta's has so few that looking them through is quicker than hashing names.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(Raw<'a>);

impl<'a> Fields<'a> {
    /// The fields of `raw`, or `None` when it is no object.
    pub(super) fn of(raw: Raw<'a>) -> Option<Self> {
        (raw.begins() == b'{').then_some(Self(raw))
    }

    /// Each field's name and value, as received.
    fn each(self) -> impl Iterator<Item = (Raw<'a>, Raw<'a>)> {
        let mut within = self.0.within();
        std::iter::from_fn(move || within.next().zip(within.next()))
    }

    /// One field as received.
    pub(super) fn raw(&self, name: &str) -> Option<Raw<'a>> {
        self.each().filter(|(known, _)| known.says(name)).last().map(|(_, raw)| raw).filter(|raw| raw.begins() != b'n')
    }

    /// A field that is a text; integers are taken by their digits, because ids come either way and are too big for
    /// a float. Only copied if there are escapes in it.
    pub(super) fn word(&self, name: &str) -> Option<Cow<'a, str>> {
        self.raw(name).and_then(word)
    }

    /// [`Self::word`], copied.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.word(name).map(Cow::into_owned)
    }

    /// Like [`Self::text`], with an empty one counted as absent.
    pub(super) fn filled(&self, name: &str) -> Option<String> {
        self.word(name).filter(|text| !text.is_empty()).map(Cow::into_owned)
    }

    /// A field that is an object.
    pub(super) fn object(&self, name: &str) -> Option<Self> {
        self.raw(name).and_then(Fields::of)
    }

    /// A field that is an array, its elements as received. `Err` when it is there but no array.
    pub(super) fn list(&self, name: &str) -> Result<Within<'a>, ()> {
        match self.raw(name) {
            None => Ok(Within::default()),
            Some(raw) if raw.begins() == b'[' => Ok(raw.within()),
            Some(_) => Err(()),
        }
    }

    /// A field parsed whatever it is; integers that only a float could hold become texts, because they are ids. `None`
    /// also for what JSON allows and we cannot hold: numbers beyond a float, nesting beyond the parser's depth.
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        self.raw(name).and_then(value)
    }

    /// All fields but the named ones, parsed; those that cannot be held are left out.
    pub(super) fn rest(&self, but: &[&str]) -> Value {
        let mut rest = Map::new();
        for (name, raw) in self.each() {
            let Some(name) = word(name).filter(|name| !but.contains(&name.as_ref())) else { continue };
            match value(raw) {
                None | Some(Value::Null) => rest.remove(name.as_ref()),
                Some(value) => rest.insert(name.into_owned(), value),
            };
        }
        Value::Object(rest)
    }
}

/// Whatever it is, with integers that only a float could hold as texts.
fn value(raw: Raw<'_>) -> Option<Value> {
    let json = raw.get();
    // What is beyond 64 bits has at least so many.
    let json = if raw.has_number_of(20) { with_long_ids_quoted(json) } else { Cow::Borrowed(json) };
    serde_json::from_str(&json).ok()
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
fn word(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    match raw.begins() {
        b'"' => match raw.plain() {
            Some(plain) => Some(Cow::Borrowed(plain)),
            None => serde_json::from_str(raw.get()).ok().map(Cow::Owned),
        },
        b'0'..=b'9' | b'-' => Some(Cow::Borrowed(raw.get())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::document::Document, *};

    #[test]
    fn of_doubled_keys_the_last_one_holds() {
        let document = Document::of(r#"{"a":1,"b":2,"\u0061":"c","b":null,"d":[],"d":{}}"#).unwrap();
        let fields = Fields::of(document.root()).unwrap();
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
