//! `PUT /triggers/{trigger_id}`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{TriggerId, TriggerRule};

use super::{
    TriggerView, hook_rules, input,
    keep::{keep, keep_secret},
};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Change a trigger. What is absent stays as it is.
#[utoipa::path(
    put, path = "/triggers/{trigger_id}", tag = "triggers", operation_id = "update_trigger",
    params(("trigger_id" = i64, Path)), request_body = input::TriggerInput,
    responses((status = OK, body = TriggerView))
)]
pub(in crate::http) async fn update(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<TriggerId>,
    mut body: Body,
) -> Result<Json<TriggerView>> {
    let mut tx = app.db.begin().await?;
    let trigger = tx.claim_trigger(current.id, id).await?.ok_or_else(|| Problem::not_found("trigger"))?;
    let mut fields = trigger.fields();
    let secret = hook_rules::secret(&mut body);
    input::stays_in(&mut body, trigger.bot_id);
    input::read(&mut body, &mut fields, false);
    body.finish()?;
    let has_secret = secret.as_ref().map_or(trigger.hook_secret.is_some(), Option::is_some);
    hook_rules::check_secret(&fields.rule, has_secret)?;
    if let TriggerRule::Plugin(rule) = &mut fields.rule
        && trigger.rule != TriggerRule::Plugin(rule.clone())
    {
        hook_rules::fit(&app, current.id, rule).await?;
    }
    input::check_flow(&mut tx, current.id, trigger.bot_id, fields.flow_id).await?;
    let now = app.clock.now();
    if fields.rule != trigger.rule {
        input::check_future(&fields.rule, now)?;
    }
    let mut after = tx.update_trigger(id, &fields, now).await?;
    keep(&mut tx, Some(&trigger), &mut after, now).await?;
    keep_secret(&app, &mut tx, &mut after, secret).await?;
    tx.commit().await?;
    app.work.reschedule();
    Ok(Json(TriggerView::of(after, &app)))
}
