//! Flow templates.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod instantiate;
pub(super) mod list;

use chrono::{DateTime, Utc};
use domain::{NodeDefinition, TemplateId};
use serde::Serialize;
use serde_json::Value;
use storage::Template;
use utoipa::ToSchema;

use crate::gallery::BuiltIn;

/// A template as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Template)]
pub(super) struct TemplateView {
    #[schema(value_type = i64)]
    id: TemplateId,
    name: String,
    description: Option<String>,
    category: Option<String>,
    /// The nodes that a flow made from it begins with.
    #[schema(value_type = Vec<TemplateNode>)]
    nodes: Vec<NodeDefinition>,
    /// Whether it comes with the server. Those have negative ids, belong to everybody and cannot be deleted.
    is_builtin: bool,
    /// None for those that come with the server.
    created_at: Option<DateTime<Utc>>,
}

/// A node of a template.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only describes domain::NodeDefinition")]
struct TemplateNode {
    position: i64,
    key: Option<String>,
    r#type: String,
    name: Option<String>,
    config: Value,
}

impl From<Template> for TemplateView {
    fn from(template: Template) -> Self {
        Self {
            id: template.id,
            name: template.name,
            description: template.description,
            category: template.category,
            nodes: template.definition.nodes,
            is_builtin: false,
            created_at: Some(template.created_at),
        }
    }
}

impl From<&BuiltIn> for TemplateView {
    fn from(template: &BuiltIn) -> Self {
        let BuiltIn { id, name, description, category, definition } = template.clone();
        Self {
            id,
            name,
            description: Some(description),
            category: Some(category),
            nodes: definition.nodes,
            is_builtin: true,
            created_at: None,
        }
    }
}
