//! `POST /whatsapp/send/text`

use axum::response::Response;
use domain::{Address, OutgoingMessage};
use serde_json::json;
use utoipa::ToSchema;

use super::{SendAnswers, SendParams, SendRequest, read_to};
use crate::http::{body::Body, once::OnceParams, problem::Result};

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
    params(SendParams, OnceParams), responses(SendAnswers)
)]
pub(in crate::http) async fn text(request: SendRequest) -> Result<Response> {
    request.send("", TextInput::read).await
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
