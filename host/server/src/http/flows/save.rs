//! What every save of a flow ends with: validation and, when it may, publishing.

use domain::{Issue, NodeId, Severity, Time, UserId};
use storage::{Flow, Node, Tx};

use super::{lint, plugins};
use crate::{app::App, http::problem::Result};

/// A draft that was saved.
pub(in crate::http) struct Settled {
    /// The flow as it is now.
    pub(in crate::http) flow: Flow,
    /// Its nodes by position.
    pub(in crate::http) nodes: Vec<Node>,
    /// What is wrong with them.
    pub(in crate::http) issues: Vec<Issue>,
}

/// Whether none of the issues blocks publishing.
pub(in crate::http) fn is_publishable(issues: &[Issue]) -> bool {
    issues.iter().all(|issue| issue.severity != Severity::Error)
}

/// Validates the nodes just saved and publishes them, unless the flow's owner does that by hand or there are errors;
/// then what ran before runs on.
pub(in crate::http) async fn settle(
    app: &App,
    owner: UserId,
    tx: &mut Tx,
    mut flow: Flow,
    nodes: Vec<Node>,
    now: Time,
) -> Result<Settled> {
    let opening = lint::opening(tx, flow.id).await?;
    let mut definition = storage::definition(&nodes);
    let catalogue = plugins::catalogue(app, owner, &definition).await?;
    let issues = lint::validate(&definition, &catalogue, opening);
    plugins::pin(&mut definition, &catalogue);
    if flow.auto_publish && is_publishable(&issues) {
        flow.published_version = Some(tx.publish(flow.id, &definition, now).await?);
    }
    Ok(Settled { flow, nodes, issues })
}

/// The same for a flow one of whose nodes was changed by itself.
pub(in crate::http) async fn settle_from_draft(
    app: &App,
    owner: UserId,
    tx: &mut Tx,
    flow: Flow,
    now: Time,
) -> Result<Settled> {
    let fields = flow.fields();
    let flow = tx.update_flow(flow.id, &fields, now).await?;
    let nodes = tx.nodes_of_flow(flow.id).await?;
    settle(app, owner, tx, flow, nodes, now).await
}

/// A node of this owner with its flow, which is claimed.
pub(in crate::http) async fn claim_node(tx: &mut Tx, owner: UserId, id: NodeId) -> Result<Option<(Flow, Node)>> {
    let Some(node) = tx.node(owner, id).await? else { return Ok(None) };
    let Some(flow) = tx.claim_flow(owner, node.flow_id).await? else { return Ok(None) };
    // Read again: it may have changed before the claim.
    Ok(tx.node(owner, id).await?.map(|node| (flow, node)))
}
