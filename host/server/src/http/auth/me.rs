//! `GET /auth/me`

use axum::Json;

use super::{CurrentUser, UserView};

/// Who am I?
#[utoipa::path(get, path = "/auth/me", tag = "auth", responses((status = OK, body = UserView)))]
pub(in crate::http) async fn me(current: CurrentUser) -> Json<UserView> {
    Json(current.user.into())
}
