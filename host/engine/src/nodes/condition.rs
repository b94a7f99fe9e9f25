//! `condition`: goes one way or the other.

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::{
    config::Reader,
    limits::PATTERN_FUEL,
    operator::{OPERATORS, Operator},
    path::Variable,
    pattern,
    run::{Failure, Next, Run},
    template::{Data, Mode, Text},
    values,
};

/// `{variable, operator, value, true_path?, false_path?}`.
#[derive(Debug)]
pub(crate) struct Condition {
    variable: Variable,
    operator: Operator,
    wanted: Wanted,
    true_path: Option<usize>,
    false_path: Option<usize>,
}

/// What the variable is compared with.
#[derive(Debug)]
enum Wanted {
    None,
    Data(Data),
    Pattern(Regex),
}

impl Condition {
    pub(super) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        let variable = reader.variable("variable");
        let operator = reader.word("operator", &OPERATORS);
        let raw = reader.raw("value");
        let wanted = operator.and_then(|operator| read_value(reader, operator, raw));
        let true_path = reader.reference("true_path");
        let false_path = reader.reference("false_path");
        Some(Self { variable: variable?, operator: operator?, wanted: wanted?, true_path, false_path })
    }

    pub(super) fn exits(&self) -> Vec<Option<usize>> {
        vec![self.true_path, self.false_path]
    }

    pub(super) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let actual = run.lookup(&self.variable).unwrap_or_default();
        let (result, wanted) = match &self.wanted {
            Wanted::None => (self.operator.compare(&actual, &Value::Null).map_err(Failure)?, None),
            Wanted::Pattern(pattern) => (pattern.is_match(&values::text(&actual)), Some(json!(pattern.as_str()))),
            Wanted::Data(data) => {
                let wanted = run.json("value", data)?;
                if self.operator == Operator::Matches {
                    run.burn(PATTERN_FUEL)?;
                }
                let result = self.operator.compare(&actual, &wanted);
                (result.map_err(|fault| Failure(format!("`value`: {fault}")))?, Some(wanted))
            }
        };
        let mut detail = Map::from_iter([
            ("variable".to_owned(), json!(self.variable.to_string())),
            ("actual".to_owned(), values::brief(&actual)),
            ("result".to_owned(), json!(result)),
        ]);
        if let Some(wanted) = wanted {
            detail.insert("value".to_owned(), values::brief(&wanted));
        }
        let (exit, to) = if result { ("true_path", self.true_path) } else { ("false_path", self.false_path) };
        Ok(run.leave("branch", exit, to, detail))
    }
}

fn read_value(reader: &mut Reader<'_, '_>, operator: Operator, raw: Option<&Value>) -> Option<Wanted> {
    if matches!(operator, Operator::Exists | Operator::NotExists) {
        return Some(Wanted::None);
    }
    let Some(raw) = raw else {
        reader.error("missing_field", "value", "is required by this operator");
        return None;
    };
    if operator == Operator::In && !(raw.is_array() || raw.is_string()) {
        reader.wrong_type("value", "a list, or a text with commas");
        return None;
    }
    let pointer = reader.at("value");
    match reader.data_of(&pointer, raw, Mode::Native)? {
        data if operator != Operator::Matches => Some(Wanted::Data(data)),
        // A pattern without variables is checked now and compiled once.
        Data::Text(Text::Plain(plain)) => match pattern::compile(&plain, true) {
            Ok(pattern) => Some(Wanted::Pattern(pattern)),
            Err(fault) => {
                reader.error("invalid_regex", "value", fault);
                None
            }
        },
        data @ (Data::Text(_) | Data::Expression(_)) => Some(Wanted::Data(data)),
        Data::Plain(_) | Data::List(_) | Data::Object(_) => {
            reader.wrong_type("value", "a regular expression (a text)");
            None
        }
    }
}
