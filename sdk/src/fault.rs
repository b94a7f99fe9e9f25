//! What a plugin says went wrong.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// What goes wrong in a plugin and is told to the host. The flow takes the node's `error` exit, or fails.
///
/// A panic is no way to tell anything: it counts against the plugin, and contacts' flows fail with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// The configuration is wrong, although it fits the schema.
    InvalidConfig {
        /// JSON pointer into the configuration, e.g. `/hours/0/from`.
        pointer: String,
        /// Sentence for the person who edits the flow.
        message: String,
    },
    /// It may pass by itself: worth another attempt.
    Retryable {
        /// Sentence for people.
        message: String,
        /// Milliseconds to wait before it; the host chooses when absent.
        retry_after_ms: Option<u64>,
    },
    /// Another attempt would not mend it.
    Permanent {
        /// Sentence for people.
        message: String,
        /// Word for programs, e.g. `order_not_found`.
        code: Option<String>,
    },
}

/// What calls of a plugin return.
pub type Result<T, E = Fault> = std::result::Result<T, E>;

impl Fault {
    /// The configuration is wrong at a JSON pointer, e.g. `/hours/0/from`; empty for the whole.
    pub fn config(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::InvalidConfig { pointer: pointer.into(), message: message.into() }
    }

    /// It may pass by itself.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self::Retryable { message: message.into(), retry_after_ms: None }
    }

    /// Another attempt would not mend it.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::Permanent { message: message.into(), code: None }
    }

    /// How long to wait before the next attempt. Makes a retryable fault of any other.
    ///
    /// ```
    /// use chatboost_sdk::Fault;
    ///
    /// let fault = Fault::retryable("the shop is busy").after(std::time::Duration::from_secs(2));
    /// assert_eq!(fault, Fault::Retryable { message: "the shop is busy".into(), retry_after_ms: Some(2000) });
    /// ```
    pub fn after(self, wait: Duration) -> Self {
        Self::Retryable {
            message: self.message().to_owned(),
            retry_after_ms: Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// A word for programs. Makes a permanent fault of any other.
    pub fn code(self, code: impl Into<String>) -> Self {
        Self::Permanent { message: self.message().to_owned(), code: Some(code.into()) }
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidConfig { message, .. } | Self::Retryable { message, .. } | Self::Permanent { message, .. } => {
                message
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidConfig { pointer, message } if !pointer.is_empty() => write!(f, "{pointer}: {message}"),
            _ => f.write_str(self.message()),
        }
    }
}

impl std::error::Error for Fault {}
