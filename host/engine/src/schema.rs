//! JSON Schemas (draft 2020-12) that plugins bring along for their settings.

use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use crate::template::is_template;

/// Most bytes a schema's regular expression may take when compiled.
const PATTERN_BYTES: usize = 256 * 1024;
/// Most faults that are told of one value.
const FAULTS: usize = 20;
/// Most characters of a fault: a schema may list many choices.
const FAULT_CHARS: usize = 300;

/// A schema, compiled. Regular expressions are of the kind that takes time in proportion to the text, and references lead
/// nowhere but into the schema itself.
#[derive(Debug, Clone)]
pub struct Schema(Arc<Validator>);

/// A value that does not fit: JSON pointer into it, and a sentence.
pub type Misfit = (String, String);

impl Schema {
    /// Compiles a schema.
    ///
    /// # Errors
    /// A sentence for people when it is none.
    pub fn compile(schema: &Value) -> Result<Self, String> {
        let patterns = PatternOptions::regex().size_limit(PATTERN_BYTES);
        let options = jsonschema::draft202012::options().with_pattern_options(patterns).offline();
        options.build(schema).map(|schema| Self(Arc::new(schema))).map_err(|error| sentence(&error))
    }

    /// What is wrong with a value.
    pub fn misfits(&self, value: &Value) -> Vec<Misfit> {
        self.0.iter_errors(value).take(FAULTS).map(|error| misfit(&error)).collect()
    }

    /// What is wrong with a value whatever its templates turn into: a text with a template in it fits anything.
    pub(crate) fn misfits_of_template(&self, value: &Value) -> Vec<Misfit> {
        let all = has_template(value);
        let stays = |error: &ValidationError<'_>| !all || !is_open(error);
        self.0.iter_errors(value).filter(stays).take(FAULTS).map(|error| misfit(&error)).collect()
    }
}

/// Whether what is wrong may right itself when templates are filled in.
fn is_open(error: &ValidationError<'_>) -> bool {
    // Which branch is taken may hang on a template anywhere.
    let path = error.schema_path().as_str();
    if ["/then", "/else", "/oneOf", "/anyOf", "/not", "/dependentSchemas"].iter().any(|branch| path.contains(branch)) {
        return true;
    }
    let instance = error.instance();
    match error.kind() {
        ValidationErrorKind::Required { .. }
        | ValidationErrorKind::AdditionalProperties { .. }
        | ValidationErrorKind::UnevaluatedProperties { .. }
        | ValidationErrorKind::PropertyNames { .. }
        | ValidationErrorKind::MinProperties { .. }
        | ValidationErrorKind::MaxProperties { .. }
        | ValidationErrorKind::MinItems { .. }
        | ValidationErrorKind::MaxItems { .. }
        | ValidationErrorKind::FalseSchema => false,
        ValidationErrorKind::Type { .. } => instance.as_str().is_some_and(is_template),
        _ => has_template(instance),
    }
}

fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => is_template(text),
        Value::Array(items) => items.iter().any(has_template),
        Value::Object(members) => members.values().any(has_template),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn misfit(error: &ValidationError<'_>) -> Misfit {
    (error.instance_path().as_str().to_owned(), sentence(error))
}

fn sentence(error: &ValidationError<'_>) -> String {
    crate::values::cut(&error.to_string(), FAULT_CHARS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pointers(misfits: Vec<Misfit>) -> Vec<String> {
        misfits.into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn a_text_with_a_template_fits_anything_and_nothing_else_does() {
        let schema = Schema::compile(&json!({
            "type": "object", "required": ["hours"], "additionalProperties": false,
            "properties": {
                "hours": {"type": "integer", "minimum": 1},
                "days": {"type": "array", "items": {"enum": ["mon", "tue"]}, "maxItems": 2},
                "either": {"anyOf": [{"type": "integer"}, {"type": "object", "required": ["n"]}]},
            }
        }))
        .unwrap();
        let open = json!({"hours": "{{ state.h }}", "days": ["{{ state.d }}", "mon"], "either": "{{ state.e }}"});
        assert!(schema.misfits_of_template(&open).is_empty());
        assert_eq!(schema.misfits(&open).len(), 3);
        let wrong = json!({"hours": 0, "days": ["{{ a }}", "wed", "mon"], "other": "{{ x }}"});
        let mut found = pointers(schema.misfits_of_template(&wrong));
        found.sort();
        assert_eq!(found, ["", "/days", "/days/1", "/hours"]);
        assert_eq!(pointers(schema.misfits_of_template(&json!({"days": "{{ d }}"}))), [""]);
    }

    #[test]
    fn schemas_that_are_none_or_reach_outside_are_refused() {
        assert!(Schema::compile(&json!({"type": "nonsense"})).is_err());
        assert!(Schema::compile(&json!({"$ref": "https://example.com/schema.json"})).is_err());
        assert!(Schema::compile(&json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}})).is_err());
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        if let Ok(schema) = Schema::compile(&json!({"$ref": "#"})) {
            schema.misfits(&json!({"a": 1}));
        }
        let list = Schema::compile(&json!({"type": "object", "properties": {"next": {"$ref": "#"}}})).unwrap();
        assert_eq!(pointers(list.misfits(&json!({"next": {"next": 1}}))), ["/next/next"]);
    }
}
