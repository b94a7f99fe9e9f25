//! `GET /health` and `GET /health/live`

use axum::Json;

use super::Health;

/// The process runs and answers.
#[utoipa::path(get, path = "/health", tag = "health", security(()), responses((status = OK, body = Health)))]
pub(in crate::http) async fn health() -> Json<Health> {
    Json(Health::OK)
}

/// The process runs and answers; one that does not is to be started anew.
#[utoipa::path(get, path = "/health/live", tag = "health", security(()), responses((status = OK, body = Health)))]
pub(in crate::http) async fn live() -> Json<Health> {
    Json(Health::OK)
}
