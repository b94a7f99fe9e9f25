//! `DELETE /bots/{bot_id}`

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use domain::BotId;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
};

/// Delete a bot with its flows, triggers, contacts, messages and executions.
///
/// It is gone at once for everybody; a large one is removed from the database bit by bit in the background.
#[utoipa::path(
    delete, path = "/bots/{bot_id}", tag = "bots", operation_id = "delete_bot",
    params(("bot_id" = i64, Path)), responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<BotId>,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    if !tx.delete_bot(current.id, id).await? {
        return Err(Problem::not_found("bot"));
    }
    tx.commit().await?;
    app.work.bury();
    Ok(StatusCode::NO_CONTENT)
}
