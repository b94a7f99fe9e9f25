//! `GET /health/ready`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::Health;
use crate::{
    app::App,
    http::problem::{Kind, Problem, Result},
};

/// The server works, so does its database, and it is not about to stop: it may be sent requests.
#[utoipa::path(
    get, path = "/health/ready", tag = "health", security(()),
    responses(
        (status = OK, body = Health),
        (status = SERVICE_UNAVAILABLE, description = "It is starting or stopping, or the database does not answer"),
    )
)]
pub(in crate::http) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>> {
    if app.leaving.is_cancelled() {
        return Err(Problem::new(Kind::UNAVAILABLE, "the server is stopping"));
    }
    match app.db.ping().await {
        Ok(()) => Ok(Json(Health::OK)),
        Err(error) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            Err(Problem::new(Kind::UNAVAILABLE, "the database does not answer"))
        }
    }
}
