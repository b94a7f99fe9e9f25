//! Nodes of flows, one by one. Each change re-validates its flow and publishes it when it may.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod input;
pub(super) mod list;
pub(super) mod types;
pub(super) mod update;

use chrono::{DateTime, Utc};
use domain::{FlowId, NodeId};
use serde::Serialize;
use serde_json::Value;
use storage::Node;
use utoipa::ToSchema;

/// A node as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Node)]
pub(super) struct NodeView {
    #[schema(value_type = i64)]
    id: NodeId,
    #[schema(value_type = i64)]
    flow_id: FlowId,
    /// What an integer reference names.
    position: i64,
    /// What a text reference names.
    key: Option<String>,
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    /// The type's own settings.
    config: Value,
    /// What an editor keeps with the node.
    ui: Option<Value>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Node> for NodeView {
    fn from(node: Node) -> Self {
        Self {
            id: node.id,
            flow_id: node.flow_id,
            position: node.position,
            key: node.key,
            kind: node.kind,
            name: node.name,
            config: node.config,
            ui: node.ui,
            created_at: node.created_at,
            updated_at: node.updated_at,
        }
    }
}
