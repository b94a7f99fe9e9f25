//! `POST /whatsapp/send/media`

use axum::response::Response;
use domain::{Address, OutgoingMessage};
use serde_json::Map;
use utoipa::ToSchema;

use super::{SendAnswers, SendParams, SendRequest, read_to};
use crate::http::{body::Body, once::OnceParams, problem::Result};

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
    params(SendParams, OnceParams), responses(SendAnswers)
)]
pub(in crate::http) async fn media(request: SendRequest) -> Result<Response> {
    request.send("", MediaInput::read).await
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
