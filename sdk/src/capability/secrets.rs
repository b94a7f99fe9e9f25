//! Secrets that a plugin can use and not see. Capability `secrets`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Fault;

/// Why there is no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "message", rename_all = "snake_case")]
pub enum SecretError {
    /// Not granted; says which line of the manifest or the grant is missing.
    Denied(String),
    /// Granted, but nobody has stored a value.
    Missing(String),
}

impl fmt::Display for SecretError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(text) | Self::Missing(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for SecretError {}

impl From<SecretError> for Fault {
    fn from(error: SecretError) -> Self {
        let code = match error {
            SecretError::Denied(_) => "secret_denied",
            SecretError::Missing(_) => "secret_missing",
        };
        Self::permanent(error.to_string()).code(code)
    }
}

/// A text that stands for the secret in this call. The host puts the secret in its place in headers, query and body of
/// requests to the hosts that the secret is bound to, and refuses requests that carry it elsewhere.
///
/// # Errors
///
/// [`SecretError`].
pub fn placeholder(name: &str) -> Result<String, SecretError> {
    crate::host::secret_placeholder(name)
}

/// HMAC-SHA256 with the secret as key.
///
/// # Errors
///
/// [`SecretError`].
pub fn hmac_sha256(name: &str, message: &[u8]) -> Result<Vec<u8>, SecretError> {
    crate::host::secret_hmac_sha256(name, message)
}

/// Whether a signature is the HMAC-SHA256 of the message with the secret as key. Takes the same time whatever differs.
///
/// # Errors
///
/// [`SecretError`].
pub fn is_hmac_sha256(name: &str, message: &[u8], signature: &[u8]) -> Result<bool, SecretError> {
    let expected = hmac_sha256(name, message)?;
    let differing = expected.iter().zip(signature).fold(0, |differing, (one, other)| differing | (one ^ other));
    Ok(expected.len() == signature.len() && differing == 0)
}
