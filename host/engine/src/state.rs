//! Writing the flow's variables, within bounds.

use domain::JsonMap;
use serde_json::{Map, Value};

use crate::{limits::Limits, path::Target};

/// Why variables cannot be set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StateError {
    /// The state would be too large.
    #[error("the flow's variables would take more than {0} bytes")]
    TooLarge(usize),
    /// The state would be nested too deep.
    #[error("the flow's variables would be nested more than {0} deep")]
    TooDeep(usize),
    /// A list was addressed like an object, or beyond its end.
    #[error("`{target}` cannot be set: `{segment}` is no place in a list of {length}")]
    NoPlace {
        /// What was to be set.
        target: String,
        /// The part of it that leads nowhere.
        segment: String,
        /// Items of the list.
        length: usize,
    },
}

/// A state with changes made to it, in order. A value of none removes the variable.
///
/// On the way to a variable, missing objects are made and plain values are replaced by objects. In a list an index
/// replaces an item and the index behind the last one appends.
pub(crate) fn changed(
    state: &JsonMap,
    changes: Vec<(Target, Option<Value>)>,
    limits: &Limits,
) -> Result<JsonMap, StateError> {
    let mut root = Value::Object(state.clone());
    for (target, value) in changes {
        match value {
            Some(mut value) => {
                scrub(&mut value);
                set(&mut root, &target, value)?;
            }
            None => remove(&mut root, &target),
        }
    }
    if deeper_than(&root, limits.state_depth) {
        return Err(StateError::TooDeep(limits.state_depth));
    }
    if longer_than(&root, limits.state_bytes) {
        return Err(StateError::TooLarge(limits.state_bytes));
    }
    match root {
        Value::Object(state) => Ok(state),
        // A target has at least one segment, so the root itself is never replaced.
        _ => Ok(Map::new()),
    }
}

/// Whether lists and objects are nested more than `depth` deep; a plain value is 0 deep.
pub(crate) fn deeper_than(value: &Value, depth: usize) -> bool {
    match (value, depth.checked_sub(1)) {
        (Value::Array(items), Some(rest)) => items.iter().any(|item| deeper_than(item, rest)),
        (Value::Object(members), Some(rest)) => members.values().any(|member| deeper_than(member, rest)),
        (Value::Array(_) | Value::Object(_), None) => true,
        (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_), _) => false,
    }
}

/// Takes out U+0000, which PostgreSQL cannot keep in a JSON document.
pub(crate) fn scrub(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(scrub),
        Value::Object(members) => {
            if members.keys().any(|key| key.contains('\0')) {
                *members =
                    std::mem::take(members).into_iter().map(|(key, value)| (key.replace('\0', ""), value)).collect();
            }
            members.values_mut().for_each(scrub);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Whether a value written as JSON takes more than `bytes`.
pub(crate) fn longer_than(value: &Value, bytes: usize) -> bool {
    struct Room(usize);
    impl std::io::Write for Room {
        fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(buf.len()).ok_or(std::io::ErrorKind::WriteZero)?;
            Ok(buf.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    serde_json::to_writer(Room(bytes), value).is_err()
}

fn set(root: &mut Value, target: &Target, value: Value) -> Result<(), StateError> {
    let mut at = root;
    for segment in target.segments() {
        at = match at {
            Value::Array(items) => {
                let length = items.len();
                let no_place = || StateError::NoPlace { target: target.to_string(), segment: segment.clone(), length };
                let index: usize = segment.parse().map_err(|_| no_place())?;
                if index == length {
                    items.push(Value::Null);
                }
                items.get_mut(index).ok_or_else(no_place)?
            }
            other => {
                if !other.is_object() {
                    *other = Value::Object(Map::new());
                }
                let Value::Object(members) = other else { return Ok(()) };
                members.entry(segment.clone()).or_insert(Value::Null)
            }
        };
    }
    *at = value;
    Ok(())
}

fn remove(root: &mut Value, target: &Target) {
    let Some((last, way)) = target.segments().split_last() else { return };
    let parent = way.iter().try_fold(root, |at, segment| step(at, segment));
    match parent {
        Some(Value::Object(members)) => {
            members.remove(last);
        }
        Some(Value::Array(items)) => {
            if let Some(item) = last.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                *item = Value::Null;
            }
        }
        _ => {}
    }
}

fn step<'a>(at: &'a mut Value, segment: &str) -> Option<&'a mut Value> {
    match at {
        Value::Object(members) => members.get_mut(segment),
        Value::Array(items) => items.get_mut(segment.parse::<usize>().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(state: Value, changes: &[(&str, Option<Value>)], limits: &Limits) -> Result<Value, StateError> {
        let Value::Object(state) = state else { panic!("a state is an object") };
        let changes = changes.iter().map(|(path, value)| (Target::parse(path).unwrap(), value.clone())).collect();
        changed(&state, changes, limits).map(Value::Object)
    }

    #[test]
    fn objects_are_made_on_the_way() {
        let limits = Limits::default();
        assert_eq!(after(json!({}), &[("a.b.c", Some(json!(1)))], &limits), Ok(json!({"a": {"b": {"c": 1}}})));
        assert_eq!(after(json!({"a": "x"}), &[("a.b", Some(json!(1)))], &limits), Ok(json!({"a": {"b": 1}})));
        assert_eq!(
            after(json!({"a": {"b": 1}}), &[("a.c", Some(json!(2)))], &limits),
            Ok(json!({"a": {"b": 1, "c": 2}}))
        );
    }

    #[test]
    fn lists_take_indexes_up_to_their_length() {
        let limits = Limits::default();
        assert_eq!(after(json!({"a": [1]}), &[("a.0", Some(json!(2)))], &limits), Ok(json!({"a": [2]})));
        assert_eq!(after(json!({"a": [1]}), &[("a.1.x", Some(json!(2)))], &limits), Ok(json!({"a": [1, {"x": 2}]})));
        for path in ["a.2", "a.x", "a.-1"] {
            let result = after(json!({"a": [1]}), &[(path, Some(json!(2)))], &limits);
            assert!(matches!(result, Err(StateError::NoPlace { length: 1, .. })), "{path}: {result:?}");
        }
    }

    #[test]
    fn removing_what_is_not_there_is_nothing() {
        let limits = Limits::default();
        assert_eq!(after(json!({"a": 1, "b": 2}), &[("a", None), ("x.y", None)], &limits), Ok(json!({"b": 2})));
    }

    #[test]
    fn size_and_depth_are_bounded_to_the_byte() {
        let limits = Limits { state_bytes: 9, ..Limits::default() };
        assert_eq!(after(json!({}), &[("a", Some(json!("x")))], &limits), Ok(json!({"a": "x"})));
        assert_eq!(after(json!({}), &[("a", Some(json!("xyz")))], &limits), Err(StateError::TooLarge(9)));
        let limits = Limits { state_depth: 2, ..Limits::default() };
        assert_eq!(after(json!({}), &[("a", Some(json!([1])))], &limits), Ok(json!({"a": [1]})));
        assert_eq!(after(json!({}), &[("a", Some(json!([[]])))], &limits), Err(StateError::TooDeep(2)));
    }

    #[test]
    fn the_null_character_is_dropped() {
        let value = Some(json!({"b\0": ["x\0y"]}));
        assert_eq!(after(json!({}), &[("a", value)], &Limits::default()), Ok(json!({"a": {"b": ["xy"]}})));
    }
}
