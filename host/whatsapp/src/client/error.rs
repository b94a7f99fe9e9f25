//! Why a request did not succeed, told by what the sender may do next.

use std::error::Error;

use crate::errors::{BACKOFF, GraphError, Retry, Scope, Verdict};

/// Why a request did not succeed. No variant holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// Meta understood and said no. Surely nothing was sent.
    #[error("{0}")]
    Refused(GraphError),
    /// No connection came about. Surely nothing was sent.
    #[error("no connection to Meta: {0}")]
    NotSent(String),
    /// The connection broke or timed out after the request may have gone out: it may have been sent. Sending again
    /// risks a second message; a status webhook with our callback data resolves the doubt.
    #[error("no answer from Meta: {0}")]
    Unknown(String),
    /// An HTTP 429 without a Graph error, as gateways give: not let through, so not accepted.
    #[error("Meta answered HTTP {http_status} without an error of its own")]
    Unavailable {
        /// The answer's HTTP status.
        http_status: u16,
    },
    /// An answer that is neither success nor Graph error. With a 2xx status the message was probably accepted, but
    /// its id is lost.
    #[error("HTTP {http_status} with an answer that cannot be read: {reason}")]
    Malformed {
        /// The answer's HTTP status.
        http_status: u16,
        /// What is wrong with it.
        reason: String,
    },
    /// The phone number id or token cannot be put into a request. Nothing was sent; the bot's settings are wrong.
    #[error("the request cannot be made: {0}")]
    Invalid(String),
}

impl SendError {
    /// Whether the message may be on its way although no id came back: not to be sent again at once.
    pub fn may_have_been_sent(&self) -> bool {
        match self {
            Self::Unknown(_) => true,
            Self::Malformed { http_status, .. } => (200..300).contains(http_status),
            Self::Refused(_) | Self::NotSent(_) | Self::Unavailable { .. } | Self::Invalid(_) => false,
        }
    }

    /// What to do about it. Where [`Self::may_have_been_sent`], the answer is `Later`: wait for a status first.
    pub fn verdict(&self) -> Verdict {
        match self {
            Self::Refused(error) => error.verdict(),
            Self::NotSent(_) | Self::Unavailable { .. } => Verdict::new(BACKOFF, Scope::App),
            _ if self.may_have_been_sent() => Verdict::new(Retry::Later { hours: 1 }, Scope::Message),
            Self::Invalid(_) => Verdict {
                problem: Some(crate::errors::Problem::CredentialsInvalid),
                ..Verdict::new(Retry::AfterHuman, Scope::Bot)
            },
            Self::Malformed { .. } | Self::Unknown(_) => Verdict::new(Retry::Never, Scope::Message),
        }
    }

    /// Sorts a failure of the transport by whether bytes may have left.
    pub(super) fn from_transport(error: reqwest::Error) -> Self {
        let error = error.without_url();
        if error.is_builder() {
            Self::Invalid(reason(&error))
        } else if error.is_connect() {
            Self::NotSent(reason(&error))
        } else {
            Self::Unknown(reason(&error))
        }
    }
}

/// Why no client could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// The base URL is unusable.
    #[error("the base URL of the WhatsApp API is not usable: {0}")]
    BaseUrl(String),
    /// The version is unusable.
    #[error("the version of the WhatsApp API must look like v22.0")]
    Version,
    /// TLS or the trusted certificates could not be set up.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// The causes of an error of reqwest, which it does not print by itself. The URL is left out: it names the number.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let causes = error.source().map(causes);
    match (error.is_timeout(), causes) {
        (true, Some(causes)) => format!("timed out: {causes}"),
        (true, None) => "timed out".to_owned(),
        (false, Some(causes)) => causes,
        (false, None) => "the request failed".to_owned(),
    }
}

/// An error with its causes.
pub(super) fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
