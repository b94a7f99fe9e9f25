//! `POST /flows/executions/{execution_id}/input`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{ExecutionId, ExecutionStatus};
use utoipa::ToSchema;

use super::{ExecutionView, ask};
use crate::{
    app::App,
    http::{auth::CurrentUser, body::Body, id::Id, problem::Result},
    work::Request,
};

/// Most characters of a message, as in WhatsApp.
const MESSAGE_CHARS_MAX: usize = 4_096;

/// A message for an execution, as if the contact had sent it.
#[derive(Debug, Default, ToSchema)]
pub(in crate::http) struct MessageInput {
    /// The text.
    #[schema(max_length = 4096)]
    message: String,
    /// `text` unless said otherwise.
    #[schema(default = "text")]
    message_type: String,
    /// May repeat the id of the path.
    #[expect(dead_code, reason = "only checked")]
    execution_id: Option<i64>,
}

impl MessageInput {
    fn read(body: &mut Body, id: ExecutionId) -> Self {
        Self {
            message: body.text("message").max(MESSAGE_CHARS_MAX).required(),
            message_type: body
                .text("message_type")
                .one_line()
                .min(1)
                .max(50)
                .optional()
                .unwrap_or_else(|| "text".into()),
            execution_id: body
                .integer("execution_id")
                .check(|given| if *given == id.0 { Ok(()) } else { Err(format!("is not the {id} of the path")) })
                .optional(),
        }
    }
}

/// Give an execution the message that it waits for.
#[utoipa::path(
    post, path = "/flows/executions/{execution_id}/input", tag = "executions", operation_id = "input_to_execution",
    params(("execution_id" = i64, Path)), request_body = MessageInput,
    responses((status = OK, body = ExecutionView), (status = CONFLICT, description = "It does not wait for a message"))
)]
pub(in crate::http) async fn input(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ExecutionId>,
    mut body: Body,
) -> Result<Json<ExecutionView>> {
    let input = MessageInput::read(&mut body, id);
    body.finish()?;
    let request = Request::Input { kind: input.message_type, text: input.message };
    ask(&app, current.id, id, request, |status| status == ExecutionStatus::WaitingInput).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<MessageInput>(|body| drop(MessageInput::read(body, ExecutionId(1))));
    }
}
