//! Whether a contact agrees to get messages that it did not ask for, and who said so.

use serde::{Deserialize, Serialize};

/// Where a change of a contact's agreement came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConsentSource {
    /// The contact wrote a stop or start word.
    Keyword,
    /// The contact switched offers off or on in WhatsApp, as a `user_preferences` webhook told.
    UserPreferences,
    /// Meta refused a message because the contact wants no marketing (code 131050).
    MetaError,
    /// Somebody set it by API.
    Api,
}

impl ConsentSource {
    /// Meta's code for a marketing message to somebody who wants none.
    pub const OPTED_OUT_CODE: i64 = 131_050;

    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Keyword => "keyword",
            Self::UserPreferences => "user_preferences",
            Self::MetaError => "meta_error",
            Self::Api => "api",
        }
    }

    /// Reads the word of the database.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "keyword" => Self::Keyword,
            "user_preferences" => Self::UserPreferences,
            "meta_error" => Self::MetaError,
            "api" => Self::Api,
            _ => return None,
        })
    }
}
