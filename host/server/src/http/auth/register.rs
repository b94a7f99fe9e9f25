//! `POST /auth/register`

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use storage::NewUser;
use utoipa::ToSchema;

use super::UserView;
use crate::{
    app::App,
    http::{
        body::Body,
        problem::{Kind, Problem, Result},
    },
};

/// Fewest characters of a password.
const PASSWORD_CHARS_MIN: usize = 8;
/// Most characters of a password.
const PASSWORD_CHARS_MAX: usize = 1_000;

/// A new account.
#[derive(Debug, Default, ToSchema)]
pub(in crate::http) struct Registration {
    /// Name to log in with; unique without regard to case, without `@` and spaces.
    #[schema(min_length = 1, max_length = 100)]
    username: String,
    /// Unique without regard to case.
    #[schema(max_length = 254)]
    email: String,
    #[schema(min_length = 8, max_length = 1000)]
    password: String,
    #[schema(max_length = 200)]
    full_name: Option<String>,
}

impl Registration {
    fn read(body: &mut Body) -> Self {
        Self {
            username: body
                .text("username")
                .one_line()
                .min(1)
                .max(100)
                .check(|name| match name.chars().any(|c| c == '@' || c.is_whitespace()) {
                    true => Err("must not contain @ or spaces".into()),
                    false => Ok(()),
                })
                .required(),
            email: body.text("email").one_line().max(254).check(|text| is_email(text)).required(),
            password: body.text("password").min(PASSWORD_CHARS_MIN).max(PASSWORD_CHARS_MAX).required(),
            full_name: body.text("full_name").or_empty().one_line().max(200).optional(),
        }
    }
}

/// Only what no mail server could do without: whether it is reached shows when it is written to.
pub(in crate::http) fn is_email(text: &str) -> std::result::Result<(), String> {
    match text.rsplit_once('@') {
        Some((local, host)) if !local.is_empty() && !host.is_empty() && !text.contains(char::is_whitespace) => Ok(()),
        _ => Err("must be an e-mail address".into()),
    }
}

/// Make an account. The first one is the admin's.
#[utoipa::path(
    post, path = "/auth/register", tag = "auth", security(()), request_body = Registration,
    responses(
        (status = CREATED, body = UserView),
        (status = FORBIDDEN, description = "Registration is closed"),
        (status = CONFLICT, description = "The user name or the e-mail address is taken"),
    )
)]
pub(in crate::http) async fn register(
    State(app): State<Arc<App>>,
    mut body: Body,
) -> Result<(StatusCode, Json<UserView>)> {
    let new = Registration::read(&mut body);
    body.finish()?;
    let mut tx = app.db.read().await?;
    if !app.config.auth.registration_open && tx.users(1, 0).await?.total > 0 {
        return Err(Problem::new(Kind::FORBIDDEN, "registration is closed"));
    }
    let taken = tx.is_user_taken(&new.username, &new.email).await?;
    drop(tx);
    refuse_taken(taken)?;

    let password_hash = app.passwords.hash(new.password).await?;
    let mut tx = app.db.begin().await?;
    let user = tx
        .create_user(
            NewUser {
                username: &new.username,
                email: &new.email,
                full_name: new.full_name.as_deref(),
                password_hash: &password_hash,
            },
            app.clock.now(),
        )
        .await
        .map_err(|error| match error {
            // Somebody was faster since the look above.
            storage::Error::Conflict(which) => taken_problem(&which),
            error => error.into(),
        })?;
    tx.commit().await?;
    Ok((StatusCode::CREATED, Json(user.into())))
}

fn refuse_taken(taken: (bool, bool)) -> Result<()> {
    match taken {
        (true, _) => Err(taken_problem("username")),
        (_, true) => Err(taken_problem("email")),
        _ => Ok(()),
    }
}

fn taken_problem(which: &str) -> Problem {
    let what = if which.contains("username") { "user name" } else { "e-mail address" };
    Problem::conflict(format!("this {what} is taken"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<Registration>(|body| drop(Registration::read(body)));
    }
}
