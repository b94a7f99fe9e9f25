//! `/auth/api-keys`

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
};
use chrono::{DateTime, Utc};
use domain::{ApiKeyId, Time};
use serde::Serialize;
use sha2::{Digest, Sha256};
use storage::ApiKey;
use utoipa::ToSchema;

use super::CurrentUser;
use crate::{
    app::App,
    http::{
        body::{Body, Query},
        id::Id,
        page::{List, Paging},
        problem::{Problem, Result},
    },
    secrets::random_text,
};

/// What every API key begins with.
pub(super) const PREFIX: &str = "cb_";
/// Characters of a key that are stored in the clear, to tell keys apart.
const SHOWN: usize = 10;

/// What is stored of a key. It has 256 random bits, so a fast digest is safe.
pub(super) fn hash(key: &str) -> String {
    hex::encode(Sha256::digest(key))
}

/// An API key, without the key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(in crate::http) struct KeyView {
    #[schema(value_type = i64)]
    id: ApiKeyId,
    name: String,
    /// The key's first characters.
    prefix: String,
    created_at: DateTime<Utc>,
    /// Never ends when null.
    expires_at: Option<DateTime<Utc>>,
}

impl From<ApiKey> for KeyView {
    fn from(key: ApiKey) -> Self {
        Self { id: key.id, name: key.name, prefix: key.prefix, created_at: key.created_at, expires_at: key.expires_at }
    }
}

/// A new API key with the key, which is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct NewKey {
    /// To be sent as `Authorization: Bearer …`; nobody can show it again.
    key: String,
    #[serde(flatten)]
    stored: KeyView,
}

/// A wish for an API key.
#[derive(Debug, Default, ToSchema)]
pub(in crate::http) struct KeyInput {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Never ends without it.
    expires_at: Option<DateTime<Utc>>,
}

impl KeyInput {
    fn read(body: &mut Body, now: Time) -> Self {
        Self {
            name: body.text("name").one_line().min(1).max(100).required(),
            expires_at: body
                .time("expires_at")
                .check(|at| if *at > now { Ok(()) } else { Err("must be in the future".into()) })
                .optional(),
        }
    }
}

/// Make an API key.
#[utoipa::path(
    post, path = "/auth/api-keys", tag = "auth", operation_id = "create_api_key",
    request_body = KeyInput, responses((status = CREATED, body = NewKey))
)]
pub(in crate::http) async fn create(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    mut body: Body,
) -> Result<(StatusCode, [(HeaderName, &'static str); 1], Json<NewKey>)> {
    let now = app.clock.now();
    let input = KeyInput::read(&mut body, now);
    body.finish()?;
    let key = format!("{PREFIX}{}", random_text().map_err(|error| Problem::internal(&error))?);
    let mut tx = app.db.begin().await?;
    let stored =
        tx.create_api_key(current.id, &input.name, &key[..SHOWN], &hash(&key), input.expires_at, now).await?.into();
    tx.commit().await?;
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(NewKey { key, stored })))
}

/// My API keys.
#[utoipa::path(
    get, path = "/auth/api-keys", tag = "auth", operation_id = "list_api_keys",
    params(Paging), responses((status = OK, body = List<KeyView>))
)]
pub(in crate::http) async fn list(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<List<KeyView>>> {
    let paging = Paging::read(&mut query);
    query.finish()?;
    let keys = app.db.read().await?.api_keys(current.id, paging.limit, paging.skip).await?;
    Ok(Json(paging.envelope(keys, KeyView::from)))
}

/// Take an API key away; it stops working at once.
#[utoipa::path(
    delete, path = "/auth/api-keys/{id}", tag = "auth", operation_id = "delete_api_key",
    params(("id" = i64, Path)), responses((status = NO_CONTENT))
)]
pub(in crate::http) async fn delete(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<ApiKeyId>,
) -> Result<StatusCode> {
    let mut tx = app.db.begin().await?;
    if !tx.delete_api_key(current.id, id).await? {
        return Err(Problem::not_found("API key"));
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<KeyInput>(|body| drop(KeyInput::read(body, Time::default())));
    }
}
