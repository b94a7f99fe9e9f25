//! `POST /whatsapp/send/interactive`

use axum::response::Response;
use domain::{Address, OutgoingMessage};
use utoipa::ToSchema;

use super::{SendAnswers, SendParams, SendRequest, read_to};
use crate::http::{body::Body, once::OnceParams, problem::Result};

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
    params(SendParams, OnceParams), responses(SendAnswers)
)]
pub(in crate::http) async fn interactive(request: SendRequest) -> Result<Response> {
    request.send("/interactive", InteractiveInput::read).await
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
