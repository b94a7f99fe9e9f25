//! The id in a path.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use domain::Fault;

use super::problem::{Problem, Result};

/// The only parameter of a path, as an id.
#[derive(Debug, Clone, Copy)]
pub(super) struct Id<T>(pub(super) T);

impl<T: From<i64>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let params =
            RawPathParams::from_request_parts(parts, state).await.map_err(|error| Problem::internal(&error))?;
        match params.iter().next().map(|(name, value)| (name, value.parse::<i64>())) {
            Some((_, Ok(id))) => Ok(Self(id.into())),
            Some((name, Err(_))) => {
                Err(Problem::invalid(vec![Fault::new(format!("/path/{name}"), "must be a whole number")]))
            }
            None => Err(Problem::internal(&"a route without a parameter asks for one")),
        }
    }
}
