//! `GET /health`

use axum::Json;

use super::Health;

/// The process runs and answers.
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses((status = OK, body = Health)))]
pub(in crate::http) async fn live() -> Json<Health> {
    Json(Health { status: "ok" })
}
