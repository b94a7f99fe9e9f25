//! What a client may say of a node.

use std::collections::HashSet;

use domain::FlowId;
use serde_json::{Map, Value};
use storage::NodeFields;
use utoipa::ToSchema;

use crate::http::{body::Body, problem::Problem};

/// Highest position of a node.
const POSITION_MAX: i64 = 99_999;

/// A node. In an update, what is absent stays as it is and null clears.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct NodeInput {
    /// Required when creating; a node does not move between flows.
    flow_id: Option<i64>,
    #[serde(flatten)]
    inline: InlineNode,
}

/// A node as part of its flow.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct InlineNode {
    /// Required when creating. A type that is not known is an issue of the flow.
    #[schema(rename = "type", max_length = 100)]
    r#type: Option<String>,
    /// The type's own settings.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// Zero-based; the next free one when creating without.
    #[schema(minimum = 0, maximum = 99999)]
    position: Option<i64>,
    #[schema(max_length = 100)]
    key: Option<String>,
    #[schema(max_length = 200)]
    name: Option<String>,
    /// What an editor keeps with the node.
    ui: Option<Value>,
}

/// A node that is not there yet.
pub(in crate::http) fn blank(position: i64) -> NodeFields {
    NodeFields { position, key: None, kind: String::new(), name: None, config: Value::Object(Map::new()), ui: None }
}

/// Reads a node over `node`, which is [`blank`] or what is there.
pub(in crate::http) fn read(body: &mut Body, node: &mut NodeFields, is_new: bool) {
    body.text("type").one_line().min(1).max(100).set(&mut node.kind, is_new);
    body.object("config").map(Value::Object).set(&mut node.config, false);
    body.integer("position").within(0, POSITION_MAX).set(&mut node.position, false);
    body.text("key").or_empty().one_line().max(100).set_optional(&mut node.key);
    body.text("name").or_empty().one_line().max(200).set_optional(&mut node.name);
    body.any("ui").set_optional(&mut node.ui);
}

/// Reads `nodes`: the nodes of a flow in full. A node without a position comes after the one before it.
pub(in crate::http) fn read_all(body: &mut Body) -> Option<Vec<NodeFields>> {
    let mut next = 0;
    let mut nodes = body
        .list("nodes", engine::NODES_PER_FLOW, |item| {
            let mut node = blank(next);
            read(item, &mut node, true);
            next = node.position + 1;
            node
        })
        .optional()?;
    let (mut positions, mut keys) = (HashSet::new(), HashSet::new());
    for (n, node) in nodes.iter().enumerate() {
        if !positions.insert(node.position) {
            body.fault(&format!("/nodes/{n}/position"), format!("is taken: two nodes have position {}", node.position));
        }
        if let Some(key) = &node.key
            && !keys.insert(key)
        {
            body.fault(&format!("/nodes/{n}/key"), "is taken: two nodes have this key");
        }
    }
    nodes.sort_by_key(|node| node.position);
    Some(nodes)
}

/// A node does not move between flows.
pub(in crate::http) fn stays_in(body: &mut Body, flow: FlowId) {
    let same = |id: &FlowId| if *id == flow { Ok(()) } else { Err("a node does not move to another flow".into()) };
    let _ = body.id::<FlowId>("flow_id").check(same).optional();
}

/// What to say when the database finds the place taken.
pub(super) fn conflict(error: storage::Error) -> Problem {
    match error {
        storage::Error::Conflict(which) if which.contains("position") => {
            Problem::conflict("another node of the flow has this position")
        }
        storage::Error::Conflict(_) => Problem::conflict("another node of the flow has this key"),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<InlineNode>(|body| read(body, &mut blank(0), true));
    }

    #[test]
    fn nodes_without_a_position_follow_the_one_before() {
        let node = |position: Option<i64>| serde_json::json!({"type": "end", "position": position.unwrap_or(-1)});
        let mut nodes = vec![node(Some(0)), node(None), node(Some(5)), node(None)];
        for n in [1, 3] {
            nodes[n].as_object_mut().unwrap().remove("position");
        }
        let mut body = Body::new(serde_json::json!({"nodes": nodes}));
        let read = read_all(&mut body).unwrap();
        assert!(body.is_sound());
        assert_eq!(read.iter().map(|node| node.position).collect::<Vec<_>>(), [0, 1, 5, 6]);
    }
}
