//! What is wrong with a flow: what the engine finds, and what WhatsApp would refuse.

use domain::{Fault, FlowDefinition, FlowId, Issue, NodeDefinition, Severity, plugin::Catalogue};
use engine::Opening;
use serde_json::Value;
use storage::Tx;
use whatsapp::limits::{self, Templates};

/// What is known of how a flow begins, by the triggers that start it.
pub(in crate::http) async fn opening(tx: &mut Tx, flow: FlowId) -> storage::Result<Opening> {
    Ok(if tx.is_only_scheduled(flow).await? { Opening::ByClock } else { Opening::Unknown })
}

/// Every issue of a flow. Messages are checked against the limits of the Cloud API where they are final: texts with
/// templates in them are not known before they are sent.
pub(in crate::http) fn validate(definition: &FlowDefinition, catalogue: &Catalogue, opening: Opening) -> Vec<Issue> {
    let mut issues = engine::validate_with(definition, catalogue, opening);
    let mut refused = Vec::new();
    for (place, node) in definition.nodes.iter().enumerate() {
        let pointer = format!("/nodes/{place}/config");
        for (field, message) in engine::unfilled(node) {
            let is_unsound = |issue: &Issue| {
                let within = issue.pointer.strip_prefix(&pointer).and_then(|rest| rest.strip_prefix('/'));
                issue.severity == Severity::Error
                    && within.is_some_and(|rest| rest.starts_with(field) || rest.starts_with("message_type"))
            };
            // What cannot be read cannot be measured.
            if !issues.iter().any(is_unsound) {
                let faults = limits::check(&message, Templates::MayRemain);
                refused.extend(faults.into_iter().map(|fault| issue(&pointer, field, node, fault)));
            }
        }
    }
    issues.append(&mut refused);
    issues
}

fn issue(pointer: &str, field: &str, node: &NodeDefinition, fault: Fault) -> Issue {
    let content = node.config.get(field).unwrap_or(&Value::Null);
    Issue {
        severity: Severity::Error,
        code: "limit_exceeded".into(),
        pointer: format!("{pointer}/{field}{}", as_written(content, &fault.pointer)),
        node: Some(node.position),
        detail: fault.detail,
    }
}

/// The place in the content as its author wrote it, for a place in the Cloud API's form: short forms are undone.
fn as_written(content: &Value, pointer: &str) -> String {
    if content.is_string() {
        return String::new();
    }
    if content.get("contacts").is_some() {
        return format!("/contacts{pointer}");
    }
    for (ours, theirs) in [
        ("/text", "/body"),
        ("/media_id", "/id"),
        ("/template_name", "/name"),
        ("/language_code", "/language/code"),
        ("/language", "/language/code"),
        ("/language_code", "/language"),
    ] {
        let is_written = |pointer: &str| content.pointer(pointer).is_some_and(|value| !value.is_null());
        let rest = pointer.strip_prefix(theirs).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        if let Some(rest) = rest
            && is_written(ours)
            && !is_written(theirs)
        {
            return format!("{ours}{rest}");
        }
    }
    pointer.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The pointers, inside the content, of what is wrong with a message.
    #[expect(clippy::needless_pass_by_value, reason = "reads better where it is called")]
    fn refused(kind: &str, content: Value) -> Vec<String> {
        let node =
            |position, config| NodeDefinition { position, key: None, kind: "send_message".into(), name: None, config };
        let fine = json!({ "message_type": "text", "content": "fine", "next": 7 });
        let nodes = vec![node(3, fine), node(7, json!({ "message_type": kind, "content": content }))];
        let definition = FlowDefinition { nodes, ..FlowDefinition::default() };
        let issues = validate(&definition, &Catalogue::default(), Opening::Unknown);
        let pointers = issues.into_iter().map(|issue| {
            assert_eq!((issue.severity, issue.node), (Severity::Error, Some(7)), "{issue:?}");
            assert_eq!(issue.code, "limit_exceeded", "{issue:?}");
            issue.pointer.strip_prefix("/nodes/1/config/content").unwrap().to_owned()
        });
        pointers.collect()
    }

    #[test]
    fn limits_are_reported_where_the_author_wrote_it() {
        let long = "x".repeat(4_097);
        assert_eq!(refused("text", json!(long)), [""]);
        assert_eq!(refused("text", json!({ "text": long })), ["/text"]);
        assert_eq!(refused("text", json!({ "body": long })), ["/body"]);
        let link = "https://example.com/a.png";
        assert_eq!(refused("image", json!({ "link": link, "caption": long })), ["/caption"]);
        assert_eq!(refused("image", json!({ "media_id": 7 })), ["/media_id"]);
        assert_eq!(refused("media", json!({ "media_type": "audio", "link": link, "caption": "no" })), ["/caption"]);
        assert_eq!(refused("template", json!({ "template_name": long, "language_code": "en" })), ["/template_name"]);
        assert_eq!(refused("contacts", json!({ "contacts": [{}] })), ["/contacts/0/name"]);
        assert_eq!(refused("contacts", json!([{}])), ["/0/name"]);
        assert_eq!(refused("location", json!({ "latitude": 91, "longitude": 0 })), ["/latitude"]);
    }

    #[test]
    fn the_template_that_stands_in_is_measured_too() {
        let long = "x".repeat(513);
        let config = json!({ "message_type": "text", "content": "x".repeat(4_097), "fallback_template": {
            "template_name": long, "language_code": "en" } });
        let node = NodeDefinition { position: 0, key: None, kind: "ask".into(), name: None, config };
        let definition = FlowDefinition { nodes: vec![node], ..FlowDefinition::default() };
        let issues = validate(&definition, &Catalogue::default(), Opening::Unknown);
        let mut limits: Vec<&str> =
            issues.iter().filter(|issue| issue.code == "limit_exceeded").map(|issue| issue.pointer.as_str()).collect();
        limits.sort_unstable();
        assert_eq!(limits, ["/nodes/0/config/content", "/nodes/0/config/fallback_template/template_name"]);
    }

    #[test]
    fn buttons_and_rows_are_measured() {
        let button = |title: &str| json!({ "type": "reply", "reply": { "id": title, "title": title } });
        let buttons =
            |buttons: Value| json!({ "type": "button", "body": { "text": "?" }, "action": { "buttons": buttons } });
        let four = json!([button("1"), button("2"), button("3"), button("4")]);
        assert_eq!(refused("interactive", buttons(four)), ["/action/buttons"]);
        let long = json!([button("more than twenty characters"), button("{{ state.title_that_may_be_long }}")]);
        assert_eq!(refused("interactive", buttons(long)), ["/action/buttons/0/reply/title"]);
    }

    #[test]
    fn what_is_still_to_be_filled_in_is_not_measured() {
        let template = format!("{{{{ contact.name }}}}{}", "x".repeat(5_000));
        assert!(refused("text", json!({ "text": template })).is_empty());
        assert!(refused("text", json!({ "text": "Hello" })).is_empty());
        assert!(refused("template", json!({ "name": "hello", "language": "en_US" })).is_empty());
    }
}
