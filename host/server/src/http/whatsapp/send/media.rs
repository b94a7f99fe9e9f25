//! `POST /whatsapp/send/media`

use std::sync::Arc;

use axum::{extract::State, response::Response};
use domain::{Address, BotId, OutgoingMessage};
use serde_json::Map;
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

/// A file to be sent.
#[derive(Debug, Default, ToSchema)]
#[expect(dead_code, reason = "describes the body; read() takes it apart")]
pub(in crate::http) struct MediaInput {
    /// Phone number with country code, or business-scoped user id.
    to: String,
    /// `image`, `video`, `audio`, `document` or `sticker`.
    media_type: String,
    /// Id of an uploaded file. Either this or `link`.
    media_id: Option<String>,
    /// Where Meta can fetch the file. Either this or `media_id`.
    link: Option<String>,
    #[schema(max_length = 1024)]
    caption: Option<String>,
    /// Of a document, as the contact sees it.
    filename: Option<String>,
}

const TYPES: &[(&str, &str)] =
    &[("image", "image"), ("video", "video"), ("audio", "audio"), ("document", "document"), ("sticker", "sticker")];

impl MediaInput {
    fn read(body: &mut Body) -> (Option<Address>, OutgoingMessage) {
        let to = read_to(body);
        let kind = body.choice("media_type", TYPES).required();
        let id = body.text("media_id").or_empty().one_line().max(200).optional();
        let link = body.text("link").or_empty().one_line().max(2_000).optional();
        if id.is_some() == link.is_some() {
            body.fault("", "must have either media_id or link");
        }
        let mut content = Map::new();
        let fields = [
            ("id", id),
            ("link", link),
            ("caption", body.text("caption").or_empty().max(1_024).optional()),
            ("filename", body.text("filename").or_empty().one_line().max(240).optional()),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                content.insert(name.into(), value.into());
            }
        }
        (to, OutgoingMessage { kind: kind.into(), content: content.into() })
    }
}

/// Send a file.
#[utoipa::path(
    post, path = "/whatsapp/send/media", tag = "whatsapp", operation_id = "send_media", request_body = MediaInput,
    params(("bot_id" = i64, Query, description = "The bot that sends"), OnceParams),
    responses(
        (status = OK, body = SendView, description = "Meta took it"),
        (status = ACCEPTED, body = SendView, description = "Still to be sent: paced or retried"),
        (status = NOT_FOUND, description = "No such bot"),
        (status = CONFLICT, description = "The bot has no WhatsApp credentials, or the first request with this key is still running"),
        (status = BAD_GATEWAY, description = "Meta refused for good; `code` and `details` are Meta's"),
    )
)]
pub(in crate::http) async fn media(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
    once: Once,
    mut body: Body,
) -> Result<Response> {
    let once = once.with(&body);
    let bot = query.id::<BotId>("bot_id").needed();
    query.finish()?;
    let (to, message) = MediaInput::read(&mut body);
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
        assert_described::<MediaInput>(|body| drop(MediaInput::read(body)));
    }
}
