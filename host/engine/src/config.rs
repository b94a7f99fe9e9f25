//! Reading a node's settings, with every fault placed by a JSON pointer.

use std::collections::HashMap;

use domain::JsonMap;
use serde_json::Value;

use crate::{
    issues::{Issues, member},
    path::{Target, Variable},
    template::{Data, Mode, Templates, Text},
};

/// What compiling a flow fills.
pub(crate) struct Compiler {
    /// What is wrong so far.
    pub(crate) issues: Issues,
    /// The templates so far.
    pub(crate) templates: Templates,
    /// Node indexes by position.
    pub(crate) by_position: HashMap<i64, usize>,
    /// Node indexes by key.
    pub(crate) by_key: HashMap<String, usize>,
}

/// Reads the members of one object. A member that is null counts as missing.
///
/// A method that answers none for a member that is there has reported why, so the flow does not compile and what is
/// done with the none does not matter.
pub(crate) struct Reader<'a, 'c> {
    compiler: &'c mut Compiler,
    members: &'a JsonMap,
    pointer: String,
    known: Vec<&'static str>,
}

impl<'a, 'c> Reader<'a, 'c> {
    /// Reads `members`, found at `pointer`.
    pub(crate) fn new(compiler: &'c mut Compiler, members: &'a JsonMap, pointer: String) -> Self {
        Self { compiler, members, pointer, known: Vec::new() }
    }

    /// The pointer to a member.
    pub(crate) fn at(&self, field: &str) -> String {
        member(&self.pointer, field)
    }

    /// The names of all members.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.members.keys().map(String::as_str)
    }

    /// The member, also when it is null.
    pub(crate) fn raw(&mut self, field: &'static str) -> Option<&'a Value> {
        self.known.push(field);
        self.members.get(field)
    }

    /// The member.
    pub(crate) fn get(&mut self, field: &'static str) -> Option<&'a Value> {
        self.raw(field).filter(|value| !value.is_null())
    }

    /// The member; reports when it is missing.
    pub(crate) fn required(&mut self, field: &'static str) -> Option<&'a Value> {
        let value = self.get(field);
        if value.is_none() {
            self.error("missing_field", field, "is required");
        }
        value
    }

    /// Reports a fault of a member.
    pub(crate) fn error(&mut self, code: &str, field: &str, detail: impl Into<String>) {
        let pointer = self.at(field);
        self.compiler.issues.error(code, pointer, detail);
    }

    /// Reports a fault of what is at `pointer`.
    pub(crate) fn error_at(&mut self, code: &str, pointer: String, detail: impl Into<String>) {
        self.compiler.issues.error(code, pointer, detail);
    }

    /// Reports something doubtful about a member.
    pub(crate) fn warning(&mut self, code: &str, field: &str, detail: impl Into<String>) {
        let pointer = self.at(field);
        self.compiler.issues.warning(code, pointer, detail);
    }

    /// Reports a member of the wrong JSON type.
    pub(crate) fn wrong_type(&mut self, field: &str, wanted: &str) {
        self.error("wrong_type", field, format!("must be {wanted}"));
    }

    /// A text; reports when it is missing or something else.
    pub(crate) fn required_str(&mut self, field: &'static str) -> Option<&'a str> {
        let text = self.required(field)?.as_str();
        if text.is_none() {
            self.wrong_type(field, "a text");
        }
        text
    }

    /// One of a list of words; reports when it is missing or something else.
    pub(crate) fn word<T: Copy>(&mut self, field: &'static str, words: &[(&str, T)]) -> Option<T> {
        let word = self.required_str(field)?;
        let found = words.iter().find(|(known, _)| *known == word).map(|(_, value)| *value);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(known, _)| *known).collect();
            self.error("unknown_value", field, format!("`{word}` is none of {}", all.join(", ")));
        }
        found
    }

    /// True or false; none when the member is missing.
    pub(crate) fn boolean(&mut self, field: &'static str) -> Option<bool> {
        let value = self.get(field)?.as_bool();
        if value.is_none() {
            self.wrong_type(field, "true or false");
        }
        value
    }

    /// A whole number between 0 or 1 and a bound, `default` when it is missing.
    pub(crate) fn whole(&mut self, field: &'static str, least: u32, most: u32, default: u32) -> Option<u32> {
        let Some(value) = self.get(field) else { return Some(default) };
        let range = format!("a whole number from {least} to {most}");
        let Some(number) = value.as_i64() else {
            self.wrong_type(field, &range);
            return None;
        };
        let inside = u32::try_from(number).ok().filter(|number| (least..=most).contains(number));
        if inside.is_none() {
            self.error("out_of_range", field, format!("must be {range}"));
        }
        inside
    }

    /// A text that may be a template; plain numbers and booleans are taken as their text.
    pub(crate) fn template(&mut self, field: &'static str) -> Option<Text> {
        let value = self.get(field)?;
        let pointer = self.at(field);
        self.text_of(&pointer, value)
    }

    /// The template in any value found at `pointer`.
    pub(crate) fn text_of(&mut self, pointer: &str, value: &Value) -> Option<Text> {
        match value {
            Value::String(source) => self.compiler.templates.compile_text(pointer, source, &mut self.compiler.issues),
            Value::Number(_) | Value::Bool(_) => Some(Text::Plain(value.to_string())),
            Value::Null | Value::Array(_) | Value::Object(_) => {
                self.compiler.issues.error("wrong_type", pointer, "must be a text");
                None
            }
        }
    }

    /// The JSON value found at `pointer`, with templates in its texts.
    pub(crate) fn data_of(&mut self, pointer: &str, value: &Value, mode: Mode) -> Option<Data> {
        self.compiler.templates.compile_data(pointer, value, mode, &mut self.compiler.issues)
    }

    /// Index of the node a member refers to; none when the member is missing.
    pub(crate) fn reference(&mut self, field: &'static str) -> Option<usize> {
        let value = self.get(field)?;
        let pointer = self.at(field);
        self.reference_of(&pointer, value)
    }

    /// Index of the node that a value found at `pointer` refers to.
    pub(crate) fn reference_of(&mut self, pointer: &str, value: &Value) -> Option<usize> {
        let wrong = "must be the position (a whole number) or the key (a text) of a node";
        let (found, name) = match value {
            Value::String(key) => (self.compiler.by_key.get(key), format!("the key `{key}`")),
            Value::Number(number) => match number.as_i64() {
                Some(position) => (self.compiler.by_position.get(&position), format!("position {position}")),
                None => {
                    self.compiler.issues.error("wrong_type", pointer, wrong);
                    return None;
                }
            },
            _ => {
                self.compiler.issues.error("wrong_type", pointer, wrong);
                return None;
            }
        };
        let found = found.copied();
        if found.is_none() {
            let detail = format!("no node of this flow has {name}");
            self.compiler.issues.error("dangling_reference", pointer, detail);
        }
        found
    }

    /// A place in the state; none when the member is missing.
    pub(crate) fn target(&mut self, field: &'static str) -> Option<Target> {
        let Some(text) = self.get(field)?.as_str() else {
            self.wrong_type(field, "a text such as state.name");
            return None;
        };
        let pointer = self.at(field);
        self.target_of(&pointer, text)
    }

    /// A place in the state, named by a text found at `pointer`.
    pub(crate) fn target_of(&mut self, pointer: &str, text: &str) -> Option<Target> {
        Target::parse(text).map_err(|detail| self.compiler.issues.error("invalid_path", pointer, detail)).ok()
    }

    /// A variable; reports when it is missing.
    pub(crate) fn variable(&mut self, field: &'static str) -> Option<Variable> {
        let text = self.required_str(field)?;
        Variable::parse(text).map_err(|detail| self.error("invalid_path", field, detail)).ok()
    }

    /// An object; none when the member is missing.
    pub(crate) fn object(&mut self, field: &'static str) -> Option<Reader<'a, '_>> {
        let value = self.get(field)?;
        let Some(members) = value.as_object() else {
            self.wrong_type(field, "an object");
            return None;
        };
        let pointer = self.at(field);
        Some(Reader::new(self.compiler, members, pointer))
    }

    /// Reports the members nobody asked for.
    pub(crate) fn finish(self) {
        for field in self.members.keys().filter(|field| !self.known.contains(&field.as_str())) {
            let detail = "is not known here and has no effect";
            self.compiler.issues.warning("unknown_field", member(&self.pointer, field), detail);
        }
    }
}
