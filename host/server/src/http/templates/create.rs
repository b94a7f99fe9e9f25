//! `POST /bots/templates/`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use domain::{FlowDefinition, FlowId, NodeDefinition};
use storage::{NewTemplate, NodeFields};
use utoipa::ToSchema;

use super::TemplateView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        nodes::input::{InlineNode, read_all},
        problem::{Problem, Result},
    },
};

/// A template, from a flow or from nodes.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read")]
pub(in crate::http) struct TemplateInput {
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// Word to group templates by.
    #[schema(max_length = 100)]
    category: Option<String>,
    /// Takes the nodes of one of my flows as saved; either this or `nodes`.
    flow_id: Option<i64>,
    nodes: Option<Vec<InlineNode>>,
}

struct Wish {
    name: String,
    description: Option<String>,
    category: Option<String>,
    flow: Option<FlowId>,
    nodes: Option<Vec<NodeFields>>,
}

fn read(body: &mut Body) -> Wish {
    let wish = Wish {
        name: body.text("name").one_line().min(1).max(200).required(),
        description: body.text("description").or_empty().max(2_000).optional(),
        category: body.text("category").or_empty().one_line().max(100).optional(),
        flow: body.id("flow_id").optional(),
        nodes: read_all(body),
    };
    if body.is_sound() && wish.flow.is_some() == wish.nodes.is_some() {
        body.fault("/flow_id", "or /nodes must be given, and not both");
    }
    wish
}

/// Make a template. Later changes of the flow do not change it.
#[utoipa::path(
    post, path = "/bots/templates/", tag = "templates", operation_id = "create_template", request_body = TemplateInput,
    responses((status = CREATED, body = TemplateView), (status = NOT_FOUND, description = "No such flow"))
)]
pub(in crate::http) async fn create(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    mut body: Body,
) -> Result<(StatusCode, Json<TemplateView>)> {
    let wish = read(&mut body);
    body.finish()?;
    let mut tx = app.db.begin().await?;
    let definition = match wish.flow {
        Some(id) => {
            let flow = tx.flow(current.id, id).await?.ok_or_else(|| Problem::not_found("flow"))?;
            storage::definition(&tx.nodes_of_flow(flow.id).await?)
        }
        None => {
            let nodes = wish.nodes.unwrap_or_default().into_iter().map(as_definition).collect();
            FlowDefinition { nodes, ..FlowDefinition::default() }
        }
    };
    let new = NewTemplate {
        name: &wish.name,
        description: wish.description.as_deref(),
        category: wish.category.as_deref(),
        definition: &definition,
    };
    let template = tx.create_template(current.id, new, app.clock.now()).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(template.into())))
}

fn as_definition(node: NodeFields) -> NodeDefinition {
    NodeDefinition { position: node.position, key: node.key, kind: node.kind, name: node.name, config: node.config }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<TemplateInput>(|body| drop(read(body)));
    }
}
