//! Message templates: what Meta says of one, and whether a send of it can go well.

mod check;

use serde_json::Value;

pub use check::check;

/// A template in one language, as Meta describes it. Words are Meta's own, in upper case.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Meta's id: digits too long for a float.
    pub id: String,
    /// Lower-case letters, digits and underscores.
    pub name: String,
    /// E.g. `en_US`. Name and language together are unique in a business account.
    pub language: String,
    /// `MARKETING`, `UTILITY`, `AUTHENTICATION`, or what Meta adds.
    pub category: String,
    /// `APPROVED`, `PENDING`, `REJECTED`, `PAUSED`, `DISABLED`, …
    pub status: String,
    /// Why it has this status, where Meta says so.
    pub reason: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: Option<String>,
    /// Whether its variables have names instead of numbers.
    pub is_named: bool,
    /// Header, body, footer, buttons, as Meta describes them: an array.
    pub components: Value,
}

impl Definition {
    /// Reads one element of Meta's list. `None` when it has no id, name or language.
    pub fn parse(value: &Value) -> Option<Self> {
        let text = |name: &str| {
            let text = match value.get(name)? {
                Value::String(text) => text.clone(),
                // Ids come as numbers, too.
                Value::Number(number) => number.to_string(),
                _ => return None,
            };
            (!text.is_empty()).then_some(text)
        };
        let word = |name: &str| text(name).map(|word| word.to_ascii_uppercase());
        let components = value.get("components").filter(|components| components.is_array());
        let components = components.cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        let quality = value.pointer("/quality_score/score").and_then(Value::as_str);
        Some(Self {
            id: text("id")?,
            name: text("name")?,
            language: text("language")?,
            category: word("category").unwrap_or_else(|| "UNKNOWN".into()),
            status: word("status").unwrap_or_else(|| "UNKNOWN".into()),
            reason: text("rejected_reason").filter(|reason| reason != "NONE"),
            quality: quality.map(str::to_ascii_uppercase),
            is_named: match word("parameter_format") {
                Some(format) => format == "NAMED",
                None => check::has_names(&components),
            },
            components,
        })
    }
}

/// Whether Meta surely refuses to send a template of this status. Others, and unknown ones, are for Meta to judge: a
/// status may have changed a moment ago.
pub fn is_blocked(status: &str) -> bool {
    ["PAUSED", "DISABLED", "REJECTED", "DELETED"].iter().any(|word| word.eq_ignore_ascii_case(status))
}

/// The status that an event of `message_template_status_update` brings about. `None` when the event does not say what
/// the status is afterwards.
pub fn status_after(event: &str) -> Option<String> {
    match event.to_ascii_uppercase().as_str() {
        "" | "UNARCHIVED" | "UNLOCKED" => None,
        "REINSTATED" => Some("APPROVED".into()),
        other => Some(other.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_definition_is_read_leniently() {
        let read = Definition::parse(&json!({
            "id": 594_425_479_261_596_u64, "name": "hello", "language": "en_US", "status": "approved",
            "quality_score": { "score": "green" }, "rejected_reason": "NONE",
            "components": [{ "type": "BODY", "text": "Hi {{first_name}}" }],
        }))
        .unwrap();
        assert_eq!((read.id.as_str(), read.status.as_str()), ("594425479261596", "APPROVED"));
        assert_eq!((read.category.as_str(), read.reason, read.quality.as_deref()), ("UNKNOWN", None, Some("GREEN")));
        assert!(read.is_named);
        for poor in [json!({}), json!([]), json!({ "id": "1", "name": "", "language": "en" })] {
            assert_eq!(Definition::parse(&poor), None, "{poor}");
        }
    }

    #[test]
    fn only_what_meta_surely_refuses_is_blocked() {
        for (status, blocked) in [
            ("PAUSED", true),
            ("disabled", true),
            ("REJECTED", true),
            ("APPROVED", false),
            ("PENDING", false),
            ("", false),
        ] {
            assert_eq!(is_blocked(status), blocked, "{status}");
        }
        assert_eq!(status_after("reinstated").as_deref(), Some("APPROVED"));
        assert_eq!(status_after("PAUSED").as_deref(), Some("PAUSED"));
        assert_eq!(status_after("UNARCHIVED"), None);
    }
}
