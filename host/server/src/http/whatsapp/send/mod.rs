//! Sending by API: the message is stored, then sent, and the answer tells how far it got within a few seconds.

mod consent;
mod fits;
pub(in crate::http) mod interactive;
pub(in crate::http) mod media;
pub(in crate::http) mod template;
pub(in crate::http) mod text;

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Request},
    http::StatusCode,
    response::Response,
};
use domain::{Address, BotId, ContactId, MessageId, OutgoingMessage, UserId};
use serde::Serialize;
use serde_json::Value;
use storage::Tx;
use utoipa::{IntoParams, IntoResponses, ToSchema};
use whatsapp::limits::{self, Templates};

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::{Body, Query},
        once::{Begun, Once, Ticket},
        problem::{Kind, Problem, Result},
    },
};

/// How long to wait for Meta's answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far a message got.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct SendView {
    /// Row id, as in the message history.
    id: i64,
    /// Meta's id, once it took the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    whatsapp_message_id: Option<String>,
    /// `accepted` or a later stage; `queued` while the message is paced or retried.
    status: String,
}

/// Reads `to`: a phone number, or a business-scoped user id.
fn read_to(body: &mut Body) -> Option<Address> {
    body.text("to").and_then(|text| Address::parse(&text).map_err(|error| error.to_string())).needed()
}

/// What the query of every send says.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the query; SendRequest reads it")]
pub(in crate::http) struct SendParams {
    /// The bot that sends.
    bot_id: i64,
}

/// What every send may be answered.
#[derive(Debug, IntoResponses)]
#[expect(dead_code, reason = "describes the answers; send() gives them")]
pub(in crate::http) enum SendAnswers {
    /// Meta took it.
    #[response(status = 200)]
    Taken(#[to_schema] SendView),
    /// Still to be sent: paced or retried.
    #[response(status = 202)]
    Queued(#[to_schema] SendView),
    /// No such bot.
    #[response(status = 404)]
    NoBot,
    /// The contact's 24-hour window is closed (`/problems/window-closed`) or it has opted out of marketing
    /// (`/problems/opted-out`); or the bot has no WhatsApp credentials, or the first request with this key is still running.
    #[response(status = 409)]
    Conflict,
    /// Meta refused for good; `code` and `details` are Meta's.
    #[response(status = 502)]
    Refused,
}

/// A request to send something, whatever it is.
pub(in crate::http) struct SendRequest {
    app: Arc<App>,
    owner: UserId,
    once: Once,
    query: Body,
    body: Body,
}

impl FromRequest<Arc<App>> for SendRequest {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self> {
        let (mut parts, body) = request.into_parts();
        let owner = CurrentUser::from_request_parts(&mut parts, app).await?.id;
        let Ok(Query(query)) = Query::from_request_parts(&mut parts, app).await;
        let once = Once::from_request_parts(&mut parts, app).await?;
        let body = Body::from_request(Request::from_parts(parts, body), app).await?;
        Ok(Self { app: Arc::clone(app), owner, once: once.with(&body), query, body })
    }
}

impl SendRequest {
    /// Reads the message with `read`, checks it against the limits of the Cloud API, and sends it. Faults of the message
    /// point into the object under `prefix`.
    async fn send(
        mut self,
        prefix: &str,
        read: impl FnOnce(&mut Body) -> (Option<Address>, OutgoingMessage),
    ) -> Result<Response> {
        let bot = self.query.id::<BotId>("bot_id").needed();
        self.query.finish()?;
        let (to, message) = read(&mut self.body);
        if self.body.is_sound() {
            let faults = limits::check(&message, Templates::Filled);
            self.body.faults(faults.into_iter().map(|fault| fault.under(prefix)));
        }
        self.body.finish()?;
        send(&self.app, self.owner, self.once, bot, to, message).await
    }
}

/// Stores and sends a message, and waits a while for Meta's answer.
async fn send(
    app: &Arc<App>,
    owner: UserId,
    once: Once,
    bot: Option<BotId>,
    to: Option<Address>,
    message: OutgoingMessage,
) -> Result<Response> {
    // The bodies were read to their ends, so neither is missing.
    let (Some(bot), Some(to)) = (bot, to) else {
        return Err(Problem::internal(&"a bot and a recipient were expected"));
    };
    match once.begin(app, owner).await? {
        Begun::First(tx, ticket) => {
            let outcome = match store(app, tx, owner, &ticket, bot, &to, message).await {
                Ok((id, contact)) => outcome(app, id, contact).await,
                Err(problem) => Err(problem),
            };
            Ok(ticket.answer(app, outcome).await)
        }
        Begun::Untold(id, ticket) => {
            let id = MessageId(id);
            let row = app.db.read().await?.message(id).await?;
            let row = row.ok_or_else(|| Problem::not_found("message"))?;
            let outcome = outcome(app, id, row.contact_id).await;
            Ok(ticket.answer(app, outcome).await)
        }
        Begun::Answered(response) => Ok(response),
    }
}

async fn store(
    app: &Arc<App>,
    mut tx: Tx,
    owner: UserId,
    ticket: &Ticket,
    bot: BotId,
    to: &Address,
    message: OutgoingMessage,
) -> Result<(MessageId, ContactId)> {
    let bot = tx.bot(owner, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    let number = app.work.sender(&bot).ok_or_else(|| {
        Problem::conflict(
            "the bot has no WhatsApp phone number id and access token, or WhatsApp is switched off for it",
        )
    })?;
    let contact = app.work.contact(&mut tx, bot.id, to).await?;
    consent::check(&mut tx, &bot, &contact, &message, app.clock.now()).await?;
    fits::check(app, &mut tx, &bot, &message).await?;
    let id = app.work.send(tx, &contact, number, message, ticket.key()).await?;
    Ok((id, contact.id))
}

/// Waits for Meta's answer to a message that is stored.
async fn outcome(app: &Arc<App>, id: MessageId, contact: ContactId) -> Result<(StatusCode, Json<SendView>)> {
    let row = app.work.sent(id, contact, PATIENCE).await?.ok_or_else(|| Problem::not_found("message"))?;
    let view = SendView { id: id.0, whatsapp_message_id: row.wamid, status: row.status };
    match view.status.as_str() {
        "queued" | "sending" => Ok((StatusCode::ACCEPTED, Json(SendView { status: "queued".into(), ..view }))),
        "failed" => {
            let error = row.error.map(|error| error.0).unwrap_or_default();
            if let Some(problem) = fits::problem(&error) {
                return Err(problem.with("id", id.0));
            }
            let told = |field: &str| error.get(field).cloned().unwrap_or(Value::Null);
            let sentence = told("title").as_str().unwrap_or("Meta refused the message").to_owned();
            Err(Problem::new(Kind::REFUSED_BY_META, sentence)
                .with("id", id.0)
                .with("code", told("code"))
                .with("details", told("details")))
        }
        _ => Ok((StatusCode::OK, Json(view))),
    }
}
