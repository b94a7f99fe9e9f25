//! `GET /health/ready`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::Health;
use crate::{app::App, http::problem::Result};

/// The process answers and so does its database: it may be sent work.
#[utoipa::path(get, path = "/health/ready", tag = "health", security(()), responses((status = OK, body = Health)))]
pub(in crate::http) async fn ready(State(app): State<Arc<App>>) -> Result<Json<Health>> {
    app.db.ping().await?;
    Ok(Json(Health { status: "ok" }))
}
