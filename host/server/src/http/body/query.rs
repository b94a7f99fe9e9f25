//! Query parameters.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

use super::Body;

/// The query, read like a body. Faults point to `/query/<name>`; parameters that nobody asks for are ignored.
#[derive(Debug)]
pub struct Query(pub Body);

impl<S: Sync> FromRequestParts<S> for Query {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        // `?bot_id=` says as much as no bot_id at all.
        Ok(Self(Body::of_texts(pairs.filter(|(_, value)| !value.is_empty()), "/query")))
    }
}
