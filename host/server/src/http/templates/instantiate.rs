//! `POST /bots/templates/{template_id}/instantiate`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use domain::{BotId, TemplateId};
use storage::{FlowFields, NodeFields};
use utoipa::ToSchema;

use crate::{
    app::App,
    gallery,
    http::{
        auth::CurrentUser,
        body::Body,
        flows::{FlowView, save},
        id::Id,
        problem::{Problem, Result},
    },
};

/// Where a flow is to be made from a template.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what is read")]
pub(in crate::http) struct Instantiation {
    bot_id: i64,
    /// Name of the new flow.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
}

fn read(body: &mut Body) -> (Option<BotId>, String) {
    (body.id("bot_id").needed(), body.text("name").one_line().min(1).max(200).required())
}

/// Make a flow from a template.
#[utoipa::path(
    post, path = "/bots/templates/{template_id}/instantiate", tag = "templates", operation_id = "instantiate_template",
    params(("template_id" = i64, Path)), request_body = Instantiation,
    responses((status = CREATED, body = FlowView))
)]
pub(in crate::http) async fn instantiate(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TemplateId>,
    mut body: Body,
) -> Result<(StatusCode, Json<FlowView>)> {
    let (bot, name) = read(&mut body);
    body.finish()?;
    let now = app.clock.now();
    let mut tx = app.db.begin().await?;
    let (description, definition) = match gallery::get(id) {
        Some(built_in) => (Some(built_in.description.clone()), built_in.definition.clone()),
        None => {
            let template = tx.template(current.id, id).await?.ok_or_else(|| Problem::not_found("template"))?;
            (template.description, template.definition)
        }
    };
    let bot = match bot {
        Some(id) => tx.claim_bot(current.id, id).await?,
        None => None,
    };
    let bot = bot.ok_or_else(|| Problem::not_found("bot"))?;
    let fields = FlowFields { name, description, auto_publish: true };
    let flow = tx.create_flow(bot.id, &fields, now).await?;
    let nodes: Vec<NodeFields> = definition.nodes.iter().map(NodeFields::from).collect();
    let nodes = tx.replace_nodes(flow.id, &nodes, now).await?;
    let saved = save::settle(&app, current.id, &mut tx, flow, nodes, now).await?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(saved.into())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<Instantiation>(|body| drop(read(body)));
    }
}
