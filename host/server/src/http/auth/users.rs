//! `GET /auth/users`

use std::sync::Arc;

use axum::{Json, extract::State};

use super::{CurrentUser, UserView};
use crate::{
    app::App,
    http::{
        body::Query,
        page::{List, Paging},
        problem::Result,
    },
};

/// All users; for admins.
#[utoipa::path(
    get, path = "/auth/users", tag = "auth", params(Paging),
    responses((status = OK, body = List<UserView>), (status = FORBIDDEN, description = "For admins"))
)]
pub(in crate::http) async fn users(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<UserView>>> {
    current.must_be_admin()?;
    let paging = Paging::read(&mut query);
    query.finish()?;
    let users = app.db.read().await?.users(paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(users, UserView::from)))
}
