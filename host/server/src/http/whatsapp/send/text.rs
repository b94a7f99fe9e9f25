//! `POST /whatsapp/send/text`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domain::{Address, BotId, OutgoingMessage};
use serde_json::json;
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

/// A text to be sent.
#[derive(Debug, Default, ToSchema)]
#[expect(dead_code, reason = "describes the body; read() takes it apart")]
pub(in crate::http) struct TextInput {
    /// Phone number with country code, or business-scoped user id.
    to: String,
    #[schema(max_length = 4096)]
    text: String,
    /// Show a preview of the first link.
    preview_url: Option<bool>,
}

impl TextInput {
    fn read(body: &mut Body) -> (Option<Address>, OutgoingMessage) {
        let to = read_to(body);
        let text = body.text("text").min(1).max(4_096).required();
        let mut content = json!({ "body": text });
        if let Some(preview) = body.boolean("preview_url").optional() {
            content["preview_url"] = preview.into();
        }
        (to, OutgoingMessage { kind: "text".into(), content })
    }
}

/// Send a text.
#[utoipa::path(
    post, path = "/whatsapp/send/text", tag = "whatsapp", operation_id = "send_text", request_body = TextInput,
    params(("bot_id" = i64, Query, description = "The bot that sends"), OnceParams),
    responses(
        (status = OK, body = SendView, description = "Meta took it"),
        (status = ACCEPTED, body = SendView, description = "Still to be sent: paced or retried"),
        (status = NOT_FOUND, description = "No such bot"),
        (status = CONFLICT, description = "The bot has no WhatsApp credentials, or the first request with this key is still running"),
        (status = BAD_GATEWAY, description = "Meta refused for good; `code` and `details` are Meta's"),
    )
)]
pub(in crate::http) async fn text(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
    once: Once,
    mut body: Body,
) -> Result<Response> {
    let once = once.with(&body);
    let bot = query.id::<BotId>("bot_id").needed();
    query.finish()?;
    let (to, message) = TextInput::read(&mut body);
    check(&mut body, "", &message);
    body.finish()?;
    send(&app, current.id, once, bot, to, message).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<TextInput>(|body| drop(TextInput::read(body)));
    }
}
