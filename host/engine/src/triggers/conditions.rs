//! What must hold of an event for a trigger to fire.
//!
//! An object of fields and what they are compared with: a plain value (equal), a list (any of them), or an object of
//! operators, all of which must hold: `{"source": "whatsapp", "contact.tags": ["vip", "gold"], "state.n": {">": 3}}`.

use domain::{Fault, JsonMap};
use regex::Regex;
use serde_json::Value;

use crate::{
    limits::{EVENT_CONDITIONS, KEYWORD_CHARS},
    operator::{OPERATORS, Operator},
    path, pattern, values, variables,
};

/// Conditions, ready to be asked. All must hold.
#[derive(Debug)]
pub(super) struct Conditions(Vec<Condition>);

#[derive(Debug)]
struct Condition {
    field: String,
    way: Vec<String>,
    test: Test,
}

#[derive(Debug)]
enum Test {
    /// Equal to one of these.
    AnyOf(Vec<Value>),
    Operator(Operator, Value),
    Pattern(Regex),
}

impl Conditions {
    /// Reads conditions. What is wrong with them was told when they were saved; it never holds.
    pub(super) fn read(conditions: &JsonMap) -> Option<Self> {
        let mut faults = Vec::new();
        let read = read(conditions, &mut faults);
        faults.is_empty().then_some(read)
    }

    /// The first field that is not as it should be.
    pub(super) fn unmet(&self, event: &Value) -> Option<&str> {
        self.0.iter().find(|condition| !condition.holds(event)).map(|condition| condition.field.as_str())
    }
}

impl Condition {
    fn holds(&self, event: &Value) -> bool {
        let actual = variables::walk(event, &self.way).unwrap_or(&Value::Null);
        match &self.test {
            Test::AnyOf(wanted) => wanted.iter().any(|wanted| is(actual, wanted)),
            Test::Operator(operator, wanted) => operator.compare(actual, wanted).unwrap_or(false),
            Test::Pattern(pattern) => pattern.is_match(&values::text(actual)),
        }
    }
}

/// Equal, or a list that has such an item: `"contact.tags": "vip"`.
fn is(actual: &Value, wanted: &Value) -> bool {
    match actual {
        Value::Array(items) if !wanted.is_array() => items.iter().any(|item| values::equal(item, wanted)),
        _ => values::equal(actual, wanted),
    }
}

/// Every fault of conditions, with pointers such as `/event_conditions/message.text/>`.
pub(super) fn check(conditions: &JsonMap) -> Vec<Fault> {
    let mut faults = Vec::new();
    read(conditions, &mut faults);
    faults
}

fn read(conditions: &JsonMap, faults: &mut Vec<Fault>) -> Conditions {
    if conditions.len() > EVENT_CONDITIONS {
        faults.push(Fault::new("/event_conditions", format!("must have at most {EVENT_CONDITIONS} fields")));
    }
    let mut read = Vec::new();
    for (field, wanted) in conditions.iter().take(EVENT_CONDITIONS) {
        let pointer = format!("/event_conditions/{}", escape(field));
        let way = match path::split(field.trim()) {
            Ok(way) => way,
            Err(detail) => {
                faults.push(Fault::new(pointer, detail));
                continue;
            }
        };
        let mut add = |test| read.push(Condition { field: field.clone(), way: way.clone(), test });
        match wanted {
            Value::Object(operators) if operators.is_empty() => {
                faults.push(Fault::new(pointer, "must have an operator, such as {\">\": 3}"));
            }
            Value::Object(operators) => {
                for (word, wanted) in operators {
                    match operator(word, wanted) {
                        Ok(test) => add(test),
                        Err(detail) => faults.push(Fault::new(format!("{pointer}/{}", escape(word)), detail)),
                    }
                }
            }
            Value::Array(list) if list.is_empty() => faults.push(Fault::new(pointer, "must not be an empty list")),
            Value::Array(list) => add(Test::AnyOf(list.clone())),
            value => add(Test::AnyOf(vec![value.clone()])),
        }
    }
    Conditions(read)
}

fn operator(word: &str, wanted: &Value) -> Result<Test, String> {
    let Some((_, operator)) = OPERATORS.iter().find(|(known, _)| *known == word) else {
        let known: Vec<_> = OPERATORS.iter().map(|(word, _)| *word).collect();
        return Err(format!("is no operator; there are: {}", known.join(", ")));
    };
    match (operator, wanted) {
        (Operator::In, Value::Array(_) | Value::String(_)) => {}
        (Operator::In, _) => return Err("must be a list, or a text with commas".to_owned()),
        (Operator::Matches, Value::String(text)) if text.chars().nth(KEYWORD_CHARS).is_some() => {
            return Err(format!("must have at most {KEYWORD_CHARS} characters"));
        }
        (Operator::Matches, Value::String(text)) => return pattern::compile(text, true).map(Test::Pattern),
        (Operator::Matches, _) => return Err("must be a regular expression (a text)".to_owned()),
        // `{"exists": false}` is the other way round.
        (Operator::Exists, Value::Bool(false)) => return Ok(Test::Operator(Operator::NotExists, Value::Null)),
        (Operator::NotExists, Value::Bool(false)) => return Ok(Test::Operator(Operator::Exists, Value::Null)),
        _ => {}
    }
    Ok(Test::Operator(*operator, wanted.clone()))
}

/// A name as a part of a JSON pointer (RFC 6901).
fn escape(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
