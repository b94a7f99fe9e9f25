//! `POST /bots/flows/{flow_id}/publish`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{Fault, FlowId, Severity};

use super::{FlowView, lint, plugins, save};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Make the flow as saved what new executions run. Executions under way keep their version.
#[utoipa::path(
    post, path = "/bots/flows/{flow_id}/publish", tag = "flows", operation_id = "publish_flow",
    params(("flow_id" = i64, Path)),
    responses((status = OK, body = FlowView), (status = UNPROCESSABLE_ENTITY, description = "The flow has errors"))
)]
pub(in crate::http) async fn publish(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<FlowId>,
) -> Result<Json<FlowView>> {
    let mut tx = app.db.begin().await?;
    let mut flow = tx.claim_flow(current.id, id).await?.ok_or_else(|| Problem::not_found("flow"))?;
    let nodes = tx.nodes_of_flow(id).await?;
    let opening = lint::opening(&mut tx, id).await?;
    let mut definition = storage::definition(&nodes);
    let catalogue = plugins::catalogue(&app, current.id, &definition).await?;
    let issues = lint::validate(&definition, &catalogue, opening);
    plugins::pin(&mut definition, &catalogue);
    if !save::is_publishable(&issues) {
        let errors = issues.into_iter().filter(|issue| issue.severity == Severity::Error);
        return Err(Problem::invalid(errors.map(|issue| Fault::new(issue.pointer, issue.detail)).collect()));
    }
    flow.published_version = Some(tx.publish(id, &definition, app.clock.now()).await?);
    tx.commit().await?;
    Ok(Json(FlowView::new(flow, nodes, issues)))
}
