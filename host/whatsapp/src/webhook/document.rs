//! A JSON text with the place of every value in it, so that no part of it is gone through twice to find another.

use serde_json::value::RawValue;

use super::ParseError;

/// A text that is known to be JSON.
#[derive(Debug)]
pub(super) struct Document<'a> {
    text: &'a str,
    /// All values in the order in which they begin, names of fields among them.
    values: Vec<Place>,
}

/// Where a value is. In four bytes each: of deeply nested trouble there is a value for every other byte of the text.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: u32,
    end: u32,
    /// The place after this one and all within.
    next: u32,
    /// Whether it is a text with escapes in it.
    is_escaped: bool,
}

/// One value, as received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw<'a> {
    document: &'a Document<'a>,
    at: u32,
}

/// The values directly within another, one after the other; of an object each field's name and then its value.
#[derive(Debug, Clone, Default)]
pub(super) struct Within<'a> {
    document: Option<&'a Document<'a>>,
    at: u32,
    end: u32,
}

impl<'a> Document<'a> {
    /// # Errors
    /// When the text is not one JSON text. The error tells place and kind, and never quotes.
    pub(super) fn of(text: &'a str) -> Result<Self, ParseError> {
        // All syntax is checked here. What follows only looks for where values begin and end.
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| ParseError(error.to_string()))?;
        let text = whole.get();
        if u32::try_from(text.len()).is_err() {
            return Err(ParseError("too long".into()));
        }
        Ok(Self { text, values: places(text.as_bytes()) })
    }

    pub(super) fn root(&'a self) -> Raw<'a> {
        Raw { document: self, at: 0 }
    }

    fn place(&self, at: u32) -> Place {
        self.values[at as usize]
    }
}

impl<'a> Raw<'a> {
    /// The value as received, without the space around it.
    pub(super) fn get(self) -> &'a str {
        let Place { start, end, .. } = self.document.place(self.at);
        &self.document.text[start as usize..end as usize]
    }

    /// What begins like this is what begins with `{`, `[`, `"`, a digit, `-`, `t`, `f` or `n`.
    pub(super) fn begins(self) -> u8 {
        self.document.text.as_bytes()[self.document.place(self.at).start as usize]
    }

    /// What is between the quotation marks of a text without escapes.
    pub(super) fn plain(self) -> Option<&'a str> {
        let Place { start, end, is_escaped, .. } = self.document.place(self.at);
        let is_plain = self.begins() == b'"' && !is_escaped;
        is_plain.then(|| &self.document.text[start as usize + 1..end as usize - 1])
    }

    /// Whether it, a text, says this.
    pub(super) fn says(self, text: &str) -> bool {
        let Place { start, end, is_escaped, .. } = self.document.place(self.at);
        // Lengths first: that tells most names from each other. An escape takes up to six bytes for one.
        let bytes = (end - start) as usize - 2;
        if is_escaped {
            let fits = (text.len()..=text.len() * 6).contains(&bytes);
            return fits && serde_json::from_str::<String>(self.get()).is_ok_and(|said| said == text);
        }
        bytes == text.len() && self.plain() == Some(text)
    }

    pub(super) fn within(self) -> Within<'a> {
        Within { document: Some(self.document), at: self.at + 1, end: self.document.place(self.at).next }
    }

    /// Whether this is a number of so many characters or more, or holds one.
    pub(super) fn has_number_of(self, characters: u32) -> bool {
        let all = self.at as usize..self.document.place(self.at).next as usize;
        let starts_number =
            |place: &Place| matches!(self.document.text.as_bytes()[place.start as usize], b'-' | b'0'..=b'9');
        self.document.values[all].iter().any(|place| place.end - place.start >= characters && starts_number(place))
    }
}

impl<'a> Iterator for Within<'a> {
    type Item = Raw<'a>;

    fn next(&mut self) -> Option<Raw<'a>> {
        let document = self.document.filter(|_| self.at < self.end)?;
        let found = Raw { document, at: self.at };
        self.at = document.place(self.at).next;
        Some(found)
    }
}

/// The places of a valid text's values.
#[expect(clippy::cast_possible_truncation, reason = "the text's length was looked at")]
fn places(text: &[u8]) -> Vec<Place> {
    let mut places: Vec<Place> = Vec::with_capacity(text.len() / 16);
    // Objects and arrays that have not ended.
    let mut open: Vec<usize> = Vec::with_capacity(16);
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let start = at;
        let mut is_escaped = false;
        at += 1;
        match byte {
            b'{' | b'[' => {
                open.push(places.len());
                places.push(Place { start: start as u32, end: 0, next: 0, is_escaped: false });
                continue;
            }
            b'}' | b']' => {
                let next = places.len() as u32;
                if let Some(ended) = open.pop().and_then(|ended| places.get_mut(ended)) {
                    (ended.end, ended.next) = (at as u32, next);
                }
                continue;
            }
            b'"' => (at, is_escaped) = end_of_text(text, at),
            b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                let is_over = |byte: &u8| matches!(byte, b',' | b'}' | b']' | b' ' | b'\n' | b'\r' | b'\t');
                at = text[at..].iter().position(is_over).map_or(text.len(), |length| at + length);
            }
            // Commas, colons, space.
            _ => continue,
        }
        places.push(Place { start: start as u32, end: at as u32, next: places.len() as u32 + 1, is_escaped });
    }
    places
}

/// Where the text ends, behind its quotation mark, that begins at `at`, and whether there are escapes in it.
fn end_of_text(text: &[u8], mut at: usize) -> (usize, bool) {
    let mut is_escaped = false;
    loop {
        match text.get(at) {
            Some(b'\\') => (at, is_escaped) = (at + 2, true),
            Some(b'"') | None => return (at + 1, is_escaped),
            Some(_) => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What is found there, put together piece by piece.
    fn found(raw: Raw<'_>) -> Value {
        match raw.begins() {
            b'[' => raw.within().map(found).collect(),
            b'{' => {
                let mut within = raw.within();
                let fields = std::iter::from_fn(|| within.next().zip(within.next()));
                Value::Object(fields.map(|(name, value)| (text(name), found(value))).collect())
            }
            b'"' => Value::String(text(raw)),
            _ => serde_json::from_str(raw.get()).unwrap(),
        }
    }

    fn text(raw: Raw<'_>) -> String {
        let text = raw.plain().map_or_else(|| serde_json::from_str(raw.get()).unwrap(), str::to_owned);
        assert!(raw.says(&text) && !raw.says(&format!("{text}x")));
        text
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[a-z\"\\\\{}\\[\\],: \n\u{1}äé👍]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec(("[a-c\"\\\\]{0,3}", inner), 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_is_found(value in any_value(), is_pretty: bool) {
            let text = if is_pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            let document = Document::of(&text).unwrap();
            prop_assert_eq!(found(document.root()), value);
        }

        /// Nobody has checked who sends what is read here.
        #[test]
        fn nothing_breaks_it(text in "[\\[\\]{}\",:0e.\\- \\\\trun]{0,24}") {
            match (Document::of(&text), serde_json::from_str::<Value>(&text)) {
                (Ok(document), Ok(value)) => prop_assert_eq!(found(document.root()), value),
                // JSON that a value cannot hold.
                (Ok(document), Err(_)) => prop_assert!(document.root().within().count() <= text.len()),
                (found, read) => prop_assert!(found.is_err() && read.is_err(), "{}", text),
            }
        }
    }

    #[test]
    fn every_value_is_found_where_it_is() {
        let text = r#" { "a" : [ 1 , "x\"]}\\" , [ ] , { } ] , "b\u0041":-1.5e3,"c":{"d":null,"e":[true,[false]]} } "#;
        let document = Document::of(text).unwrap();
        let root = document.root();
        assert_eq!(root.get(), text.trim());
        let top: Vec<Raw<'_>> = root.within().collect();
        assert_eq!(
            top.iter().map(|raw| raw.get()).collect::<Vec<_>>(),
            [
                r#""a""#,
                r#"[ 1 , "x\"]}\\" , [ ] , { } ]"#,
                r#""b\u0041""#,
                "-1.5e3",
                r#""c""#,
                r#"{"d":null,"e":[true,[false]]}"#
            ]
        );
        let list: Vec<&str> = top[1].within().map(Raw::get).collect();
        assert_eq!(list, ["1", r#""x\"]}\\""#, "[ ]", "{ }"]);
        let inner: Vec<&str> = top[5].within().map(Raw::get).collect();
        assert_eq!(inner, [r#""d""#, "null", r#""e""#, "[true,[false]]"]);
        assert_eq!(top[3].within().count(), 0);
        assert_eq!((root.has_number_of(6), root.has_number_of(7), top[1].has_number_of(2)), (true, false, false));
    }

    #[test]
    fn a_value_alone_is_a_document() {
        for text in ["7", " null ", "\"x\"", "[]", "{}", "true"] {
            let document = Document::of(text).unwrap();
            assert_eq!(document.root().get(), text.trim());
            assert_eq!(document.root().within().count(), 0);
        }
        for text in ["", " ", "{} {}", "[1,]", "{\"a\"}", "nul", "\"\\x\""] {
            assert!(Document::of(text).is_err(), "{text}");
        }
    }
}
