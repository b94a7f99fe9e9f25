//! What a path under `/plugins` names.

use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::request::Parts,
};
use domain::{BotId, Fault};

use crate::http::problem::{Problem, Result};

/// The parameters of a path. Names are compared with what is stored; a name that cannot be one is simply not there.
#[derive(Debug, Clone)]
pub(in crate::http) struct Place(Vec<(String, String)>);

impl Place {
    fn part(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The plugin's name.
    pub(super) fn name(&self) -> &str {
        self.part("name")
    }

    /// The version.
    pub(super) fn version(&self) -> &str {
        self.part("version")
    }

    /// The secret's name.
    pub(super) fn secret(&self) -> &str {
        self.part("secret")
    }

    /// The bot's id.
    pub(super) fn bot(&self) -> Result<BotId> {
        let wrong = |_| Problem::invalid(vec![Fault::new("/path/bot_id", "must be a whole number")]);
        self.part("bot_id").parse().map(BotId).map_err(wrong)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Place {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let params =
            RawPathParams::from_request_parts(parts, state).await.map_err(|error| Problem::internal(&error))?;
        let params: Vec<_> = params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        // The databases refuse NUL.
        if params.iter().any(|(_, value)| value.contains('\0')) {
            return Err(Problem::not_found("plugin"));
        }
        Ok(Self(params))
    }
}
