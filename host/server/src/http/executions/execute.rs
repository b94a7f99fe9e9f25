//! `POST /flows/execute`

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State, http::StatusCode, response::Response};
use domain::{Address, BotId, ExecutionId, FlowId, JsonMap, UserId};
use storage::Tx;
use utoipa::ToSchema;

use super::ExecutionView;
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::{Body, Query},
        once::{Begun, Once, OnceParams, Ticket},
        problem::{Problem, Result},
    },
};

/// Longest time that `wait` can ask for, in seconds.
const WAIT_SECONDS_MAX: i64 = 60;

/// A flow to be run with a contact.
#[derive(Debug, Default, ToSchema)]
pub(in crate::http) struct ExecuteInput {
    flow_id: i64,
    /// Phone number with country code, or business-scoped user id. The contact is made if there is none.
    #[expect(dead_code, reason = "describes the body; read() gives it as an address")]
    contact_phone: String,
    /// The bot that the flow belongs to.
    bot_id: i64,
    /// The flow's variables to begin with.
    #[schema(value_type = Option<Object>)]
    initial_state: Option<JsonMap>,
}

impl ExecuteInput {
    fn read(body: &mut Body) -> (Self, Option<Address>) {
        let address = body
            .text("contact_phone")
            .and_then(|text| Address::parse(&text).map_err(|error| error.to_string()))
            .needed();
        let input = Self {
            flow_id: body.integer("flow_id").required(),
            contact_phone: String::new(),
            bot_id: body.integer("bot_id").required(),
            initial_state: body.object("initial_state").optional(),
        };
        (input, address)
    }
}

/// Run a flow with a contact.
///
/// The execution is durable when the answer comes; its first steps may still be to do, unless `wait` asks for them.
#[utoipa::path(
    post, path = "/flows/execute", tag = "executions", operation_id = "execute_flow", request_body = ExecuteInput,
    params(("wait" = Option<i64>, Query, minimum = 0, maximum = 60, description = "Seconds to wait until the execution waits or has ended"), OnceParams),
    responses(
        (status = CREATED, body = ExecutionView),
        (status = NOT_FOUND, description = "No such flow or bot"),
        (status = CONFLICT, description = "The flow has no published version, or the bot is switched off, or the first request with this key is still running"),
    )
)]
pub(in crate::http) async fn execute(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
    once: Once,
    mut body: Body,
) -> Result<Response> {
    let once = once.with(&body);
    let wait = query.integer("wait").within(0, WAIT_SECONDS_MAX).optional().unwrap_or(0);
    query.finish()?;
    let (input, address) = ExecuteInput::read(&mut body);
    body.finish()?;
    // `finish` has refused a body without a sound address.
    let Some(address) = address else { return Err(Problem::internal(&"an address was expected")) };
    let wait = Duration::from_secs(u64::try_from(wait).unwrap_or_default());

    match once.begin(&app, current.id).await? {
        Begun::First(tx, ticket) => {
            let outcome = match begin(&app, tx, current.id, &ticket, input, &address).await {
                Ok(id) => outcome(&app, id, wait).await,
                Err(problem) => Err(problem),
            };
            Ok(ticket.answer(&app, outcome).await)
        }
        Begun::Untold(id, ticket) => {
            let outcome = outcome(&app, ExecutionId(id), wait).await;
            Ok(ticket.answer(&app, outcome).await)
        }
        Begun::Answered(response) => Ok(response),
    }
}

async fn begin(
    app: &Arc<App>,
    mut tx: Tx,
    owner: UserId,
    ticket: &Ticket,
    input: ExecuteInput,
    address: &Address,
) -> Result<ExecutionId> {
    let bot = tx.bot(owner, BotId(input.bot_id)).await?.ok_or_else(|| Problem::not_found("bot"))?;
    let flow = tx.flow(owner, FlowId(input.flow_id)).await?.filter(|flow| flow.bot_id == bot.id);
    let flow = flow.ok_or_else(|| Problem::not_found("flow of this bot"))?;
    if !bot.is_active {
        return Err(Problem::conflict("the bot is switched off"));
    }
    let version = flow.published_version.ok_or_else(|| {
        Problem::conflict("the flow has no published version; POST /bots/flows/{flow_id}/validate tells why")
    })?;
    let contact = app.work.contact(&mut tx, bot.id, address).await?;
    let state = input.initial_state.unwrap_or_default();
    Ok(app.work.execute(tx, (flow.id, version), &contact, state, ticket.key()).await?)
}

/// The execution, after it had time to get somewhere.
async fn outcome(app: &Arc<App>, id: ExecutionId, wait: Duration) -> Result<(StatusCode, Json<ExecutionView>)> {
    let row = app.work.settled(id, wait).await?;
    row.map(|row| (StatusCode::CREATED, Json(row.into()))).ok_or_else(|| Problem::not_found("execution"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<ExecuteInput>(|body| drop(ExecuteInput::read(body)));
    }
}
