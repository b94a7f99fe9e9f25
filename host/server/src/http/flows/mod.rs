//! Flows.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
mod input;
mod lint;
pub(super) mod list;
mod plugins;
pub(super) mod publish;
pub(super) mod save;
pub(super) mod update;
pub(super) mod validate;
pub(super) mod versions;

use chrono::{DateTime, Utc};
use domain::{BotId, FlowId, Issue, Severity};
use serde::Serialize;
use storage::{Flow, Node};
use utoipa::ToSchema;

use super::nodes::NodeView;

/// A flow as lists show it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FlowSummary {
    #[schema(value_type = i64)]
    id: FlowId,
    #[schema(value_type = i64)]
    bot_id: BotId,
    name: String,
    description: Option<String>,
    /// Whether every save without errors is published at once.
    auto_publish: bool,
    /// The published version, which new executions run; null until something valid was published.
    version: Option<i64>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Flow> for FlowSummary {
    fn from(flow: Flow) -> Self {
        Self {
            id: flow.id,
            bot_id: flow.bot_id,
            name: flow.name,
            description: flow.description,
            auto_publish: flow.auto_publish,
            version: flow.published_version,
            created_at: flow.created_at,
            updated_at: flow.updated_at,
        }
    }
}

/// A flow with its nodes as saved, and what is wrong with them.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Flow)]
pub(super) struct FlowView {
    #[serde(flatten)]
    summary: FlowSummary,
    /// By position.
    nodes: Vec<NodeView>,
    issues: Vec<IssueView>,
}

impl FlowView {
    pub(super) fn new(flow: Flow, nodes: Vec<Node>, issues: Vec<Issue>) -> Self {
        Self {
            summary: flow.into(),
            nodes: nodes.into_iter().map(NodeView::from).collect(),
            issues: issues.into_iter().map(IssueView::from).collect(),
        }
    }
}

impl From<save::Settled> for FlowView {
    fn from(saved: save::Settled) -> Self {
        Self::new(saved.flow, saved.nodes, saved.issues)
    }
}

/// Something wrong with a flow as saved.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Issue)]
pub(super) struct IssueView {
    /// `error` blocks publishing, `warning` does not.
    severity: &'static str,
    /// Stable word for programs.
    code: String,
    /// JSON pointer into `{"nodes": […]}`.
    pointer: String,
    /// Position of the node, when it is about one.
    node: Option<i64>,
    detail: String,
}

impl From<Issue> for IssueView {
    fn from(issue: Issue) -> Self {
        Self {
            severity: match issue.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            },
            code: issue.code,
            pointer: issue.pointer,
            node: issue.node,
            detail: issue.detail,
        }
    }
}
