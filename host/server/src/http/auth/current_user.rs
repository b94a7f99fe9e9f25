//! Who is asking.

use std::sync::Arc;

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};
use domain::UserId;
use storage::Role;

use super::{api_keys, tokens};
use crate::{
    app::App,
    http::problem::{Kind, Problem, Result},
};

/// The user whose access token or API key came with the request. An endpoint that takes one answers 401 without.
#[derive(Debug, Clone)]
pub struct CurrentUser {
    /// Whose things the request may see.
    pub id: UserId,
    /// The whole row.
    pub user: storage::User,
}

impl CurrentUser {
    /// Lets only admins pass.
    ///
    /// # Errors
    /// 403 for everyone else.
    pub fn must_be_admin(&self) -> Result<()> {
        match self.user.role {
            Role::Admin => Ok(()),
            Role::User => Err(Problem::new(Kind::FORBIDDEN, "this is for admins")),
        }
    }
}

impl FromRequestParts<Arc<App>> for CurrentUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self> {
        let credential = bearer(parts)?;
        let now = app.clock.now();
        let user = if credential.starts_with(api_keys::PREFIX) {
            let hash = api_keys::hash(credential);
            let mut tx = app.db.read().await?;
            tx.user_by_api_key(&hash, now).await?
        } else {
            match tokens::read(app.secrets.token_key(), credential, now) {
                Some(id) => app.db.read().await?.user(id).await?,
                None => None,
            }
        };
        match user {
            Some(user) if user.is_active => Ok(Self { id: user.id, user }),
            Some(_) => Err(unauthenticated("this account is switched off")),
            None => Err(unauthenticated("the token or key is not valid, or has ended")),
        }
    }
}

fn bearer(parts: &Parts) -> Result<&str> {
    let value = parts
        .headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| unauthenticated("send `Authorization: Bearer …` with an access token or an API key"))?;
    match value.to_str().ok().and_then(|value| value.split_once(' ')) {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => Ok(credential.trim()),
        _ => Err(unauthenticated("the header Authorization must be `Bearer` and a token or key")),
    }
}

pub(super) fn unauthenticated(detail: &str) -> Problem {
    Problem::new(Kind::UNAUTHENTICATED, detail)
}
