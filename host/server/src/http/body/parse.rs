//! From bytes to a JSON value that is fit for both databases.

use domain::Fault;
use serde_json::Value;

use super::escape;
use crate::http::problem::{Kind, Problem, Result};

/// How deep lists and objects may be nested.
pub const DEPTH_MAX: usize = 64;

/// Parses a JSON body.
///
/// # Errors
/// 400 when it is no JSON; 422 when it is nested too deep or has U+0000 in a text, which PostgreSQL cannot keep.
pub fn parse(bytes: &[u8]) -> Result<Value> {
    if depth(bytes) > DEPTH_MAX {
        return Err(Problem::invalid(vec![Fault::new(
            "",
            format!("must not be nested deeper than {DEPTH_MAX} levels"),
        )]));
    }
    let value = serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Eof if bytes.trim_ascii().is_empty() => {
            Problem::new(Kind::MALFORMED, "the body is empty; JSON was expected")
        }
        _ => Problem::new(Kind::MALFORMED, format!("the body is no valid JSON: {error}")),
    })?;
    let mut faults = Vec::new();
    find_nul(&value, &mut String::new(), &mut faults);
    if faults.is_empty() { Ok(value) } else { Err(Problem::invalid(faults)) }
}

/// The deepest nesting, found without recursion; for malformed JSON anything, since parsing reports it.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    let mut bytes = bytes.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(byte) = bytes.next() {
                    match byte {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

fn find_nul(value: &Value, pointer: &mut String, faults: &mut Vec<Fault>) {
    const DETAIL: &str = "must not contain U+0000";
    match value {
        Value::String(text) if text.contains('\0') => faults.push(Fault::new(pointer.clone(), DETAIL)),
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                let length = pointer.len();
                pointer.push_str(&format!("/{n}"));
                find_nul(item, pointer, faults);
                pointer.truncate(length);
            }
        }
        Value::Object(object) => {
            for (name, item) in object {
                let length = pointer.len();
                pointer.push('/');
                pointer.push_str(&escape(name).replace('\0', "\u{fffd}"));
                if name.contains('\0') {
                    faults.push(Fault::new(pointer.clone(), DETAIL));
                }
                find_nul(item, pointer, faults);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}
