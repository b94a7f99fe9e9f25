//! `POST /whatsapp/send/template`

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
    params(("bot_id" = i64, Query, description = "The bot that sends"), OnceParams),
    responses(
        (status = OK, body = SendView, description = "Meta took it"),
        (status = ACCEPTED, body = SendView, description = "Still to be sent: paced or retried"),
        (status = NOT_FOUND, description = "No such bot"),
        (status = CONFLICT, description = "The bot has no WhatsApp credentials, or the first request with this key is still running"),
        (status = BAD_GATEWAY, description = "Meta refused for good; `code` and `details` are Meta's"),
    )
)]
pub(in crate::http) async fn template(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
    once: Once,
    mut body: Body,
) -> Result<Response> {
    let once = once.with(&body);
    let bot = query.id::<BotId>("bot_id").needed();
    query.finish()?;
    let (to, message) = TemplateInput::read(&mut body);
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
        assert_described::<TemplateInput>(|body| drop(TemplateInput::read(body)));
    }
}
