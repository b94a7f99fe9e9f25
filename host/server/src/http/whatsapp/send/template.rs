//! `POST /whatsapp/send/template`

use axum::response::Response;
use domain::{Address, OutgoingMessage};
use serde_json::json;
use utoipa::ToSchema;

use super::{SendAnswers, SendParams, SendRequest, read_to};
use crate::http::{body::Body, once::OnceParams, problem::Result};

/// A template to be sent.
#[derive(Debug, Default, ToSchema)]
#[expect(dead_code, reason = "describes the body; read() takes it apart")]
pub(in crate::http) struct TemplateInput {
    /// Phone number with country code, or business-scoped user id.
    to: String,
    /// Name of a template that Meta has approved.
    #[schema(max_length = 512)]
    template_name: String,
    /// E.g. `en_US`.
    language_code: String,
    /// The values of its variables, as the Cloud API wants them.
    #[schema(value_type = Option<Vec<Object>>)]
    components: Option<Vec<serde_json::Value>>,
}

impl TemplateInput {
    fn read(body: &mut Body) -> (Option<Address>, OutgoingMessage) {
        let to = read_to(body);
        let name = body.text("template_name").one_line().min(1).max(512).required();
        let language = body.text("language_code").one_line().min(2).max(20).required();
        let mut content = json!({ "name": name, "language": { "code": language } });
        let list = |value: &serde_json::Value| if value.is_array() { Ok(()) } else { Err("must be a list".into()) };
        if let Some(components) = body.any("components").check(list).optional() {
            content["components"] = components;
        }
        (to, OutgoingMessage { kind: "template".into(), content })
    }
}

/// Send a template.
#[utoipa::path(
    post, path = "/whatsapp/send/template", tag = "whatsapp", operation_id = "send_template", request_body = TemplateInput,
    params(SendParams, OnceParams), responses(SendAnswers)
)]
pub(in crate::http) async fn template(request: SendRequest) -> Result<Response> {
    request.send("", TemplateInput::read).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<TemplateInput>(|body| drop(TemplateInput::read(body)));
    }
}
