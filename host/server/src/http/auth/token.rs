//! `POST /auth/token`

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{current_user::unauthenticated, tokens};
use crate::{
    app::App,
    http::{
        body::{Body, FormOrJson},
        problem::{Problem, Result},
    },
};

/// A log-in, as OAuth2's password grant names it.
#[derive(Debug, Default, ToSchema)]
#[expect(dead_code, reason = "grant_type is only checked")]
pub(in crate::http) struct Login {
    /// User name or e-mail address.
    username: String,
    password: String,
    /// `password`, when given.
    grant_type: Option<String>,
}

impl Login {
    fn read(body: &mut Body) -> Self {
        Self {
            username: body.text("username").max(254).required(),
            password: body.text("password").max(1_000).required(),
            grant_type: body
                .text("grant_type")
                .or_empty()
                .check(|grant| if grant == "password" { Ok(()) } else { Err("must be password".into()) })
                .optional(),
        }
    }
}

/// An access token.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AccessToken {
    /// To be sent as `Authorization: Bearer …`.
    access_token: String,
    /// `bearer`
    token_type: &'static str,
    /// Seconds until it ends.
    expires_in: u64,
}

/// Log in.
#[utoipa::path(
    post, path = "/auth/token", tag = "auth", security(()),
    request_body(content((Login = "application/x-www-form-urlencoded"), (Login = "application/json"))),
    responses((status = OK, body = AccessToken), (status = UNAUTHORIZED, description = "Wrong name or password"))
)]
pub(in crate::http) async fn token(
    State(app): State<Arc<App>>,
    FormOrJson(mut body): FormOrJson,
) -> Result<([(HeaderName, &'static str); 1], Json<AccessToken>)> {
    let login = Login::read(&mut body);
    body.finish()?;
    let found = app.db.read().await?.user_credentials(&login.username).await?;
    let (user, hash) = found.unzip();
    let is_right = app.passwords.verify(login.password, hash).await?;
    let user = user.filter(|user| is_right && user.is_active);
    let user = user.ok_or_else(|| unauthenticated("wrong user name or password, or the account is switched off"))?;
    let lifetime = app.config.auth.access_token_lifetime;
    let access_token = tokens::issue(app.secrets.token_key(), user.id, app.clock.now(), lifetime)
        .map_err(|error| Problem::internal(&error))?;
    let token = AccessToken { access_token, token_type: "bearer", expires_in: lifetime.as_secs() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(token)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<Login>(|body| drop(Login::read(body)));
    }
}
