//! `POST /whatsapp/send/interactive`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domain::{Address, BotId, OutgoingMessage};
use utoipa::ToSchema;

use super::{SendView, check, read_to, send};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::{Body, Query},
        once::{Once, OnceParams},
        problem::Result,
    },
};

/// An interactive message to be sent.
#[derive(Debug, Default, ToSchema)]
#[expect(dead_code, reason = "describes the body; read() takes it apart")]
pub(in crate::http) struct InteractiveInput {
    /// Phone number with country code, or business-scoped user id.
    to: String,
    /// The interactive object of the Cloud API: buttons, a list, a link, a form, products …
    #[schema(value_type = Object)]
    interactive: serde_json::Value,
}

impl InteractiveInput {
    fn read(body: &mut Body) -> (Option<Address>, OutgoingMessage) {
        let to = read_to(body);
        let content = body.object("interactive").required();
        (to, OutgoingMessage { kind: "interactive".into(), content: content.into() })
    }
}

/// Send buttons, a list or another interactive message.
#[utoipa::path(
    post, path = "/whatsapp/send/interactive", tag = "whatsapp", operation_id = "send_interactive", request_body = InteractiveInput,
    params(("bot_id" = i64, Query, description = "The bot that sends"), OnceParams),
    responses(
        (status = OK, body = SendView, description = "Meta took it"),
        (status = ACCEPTED, body = SendView, description = "Still to be sent: paced or retried"),
        (status = NOT_FOUND, description = "No such bot"),
        (status = CONFLICT, description = "The bot has no WhatsApp credentials, or the first request with this key is still running"),
        (status = BAD_GATEWAY, description = "Meta refused for good; `code` and `details` are Meta's"),
    )
)]
pub(in crate::http) async fn interactive(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
    once: Once,
    mut body: Body,
) -> Result<Response> {
    let once = once.with(&body);
    let bot = query.id::<BotId>("bot_id").needed();
    query.finish()?;
    let (to, message) = InteractiveInput::read(&mut body);
    check(&mut body, "/interactive", &message);
    body.finish()?;
    send(&app, current.id, once, bot, to, message).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<InteractiveInput>(|body| drop(InteractiveInput::read(body)));
    }
}
