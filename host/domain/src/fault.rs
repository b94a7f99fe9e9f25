//! One thing wrong with an input, placed by a JSON pointer.

use serde::{Deserialize, Serialize};

/// One thing wrong with an input. Checks return all of them, not only the first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// RFC 6901 pointer to the culprit, relative to what was checked; empty for the whole.
    pub pointer: String,
    /// Sentence for people, without the field's name.
    pub detail: String,
}

impl Fault {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into() }
    }

    /// The same fault seen from an enclosing document: `prefix` is put before the pointer.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        Self { pointer: format!("{prefix}{}", self.pointer), detail: self.detail }
    }
}
