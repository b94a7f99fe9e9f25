//! What Meta's refusals are to a client of ours.

use whatsapp::client::SendError;

use crate::{
    http::problem::{Kind, Problem},
    media::{FetchError, StoreError},
    templates::SyncError,
};

/// Seconds after which Meta may answer again.
const RETRY_SECONDS: u32 = 5;

/// A request to Meta that did not succeed and can be made again.
pub(super) fn problem(error: &SendError) -> Problem {
    match error {
        SendError::Refused(graph) => Problem::new(Kind::REFUSED_BY_META, graph.message.clone())
            .with("code", graph.code)
            .with("details", graph.details.clone()),
        SendError::Invalid(what) => Problem::conflict(format!("the bot's WhatsApp settings are wrong: {what}")),
        other => Problem::new(Kind::UNAVAILABLE, other.to_string()).retry_after(RETRY_SECONDS),
    }
}

impl From<SyncError> for Problem {
    fn from(error: SyncError) -> Self {
        match error {
            SyncError::NoAccount => Self::conflict(error.to_string()),
            SyncError::Meta(error) => problem(&error),
            SyncError::Storage(error) if error.is_transient() => {
                Self::new(Kind::UNAVAILABLE, "the database is not available")
            }
            SyncError::Storage(error) => Self::internal(&error),
            SyncError::Endless | SyncError::Stopping => Self::new(Kind::UNAVAILABLE, error.to_string()),
        }
    }
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::NoCredentials => Self::conflict(error.to_string()),
            FetchError::Gone => Self::new(Kind::NOT_FOUND, error.to_string()),
            FetchError::TooLarge | FetchError::Corrupt | FetchError::Short | FetchError::Foreign => {
                Self::new(Kind::REFUSED_BY_META, error.to_string())
            }
            FetchError::Meta(error) => problem(&error),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Storage(error) => error.into(),
            StoreError::Fetch(error) => error.into(),
            error => {
                tracing::warn!(%error, "a file cannot be read");
                Self::new(Kind::UNAVAILABLE, "the media store does not answer").retry_after(RETRY_SECONDS)
            }
        }
    }
}
