//! What a client may say of a flow.

use storage::{FlowFields, NodeFields};
use utoipa::ToSchema;

use crate::http::{
    body::Body,
    nodes::input::{InlineNode, read_all},
};

/// A flow. In an update, what is absent stays as it is and null clears; `nodes` replaces all nodes.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read")]
pub(in crate::http) struct FlowInput {
    /// Required when creating; a flow does not move between bots.
    bot_id: Option<i64>,
    /// Required when creating.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Whether every save without errors is published at once.
    #[schema(default = true)]
    auto_publish: Option<bool>,
    nodes: Option<Vec<InlineNode>>,
}

/// A flow that is not there yet.
pub(super) fn blank() -> FlowFields {
    FlowFields { name: String::new(), description: None, auto_publish: true }
}

/// Reads a flow over `fields`, and its nodes when they are given.
pub(super) fn read(body: &mut Body, fields: &mut FlowFields, is_new: bool) -> Option<Vec<NodeFields>> {
    body.text("name").one_line().min(1).max(200).set(&mut fields.name, is_new);
    body.text("description").or_empty().max(2_000).set_optional(&mut fields.description);
    body.boolean("auto_publish").set(&mut fields.auto_publish, false);
    read_all(body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<FlowInput>(|body| {
            let _ = body.integer("bot_id").optional();
            read(body, &mut blank(), true);
        });
    }
}
