//! That a request is the shop's.

use chatboost_sdk::{HookRequest, Result, base64, config, hex, secrets};

/// Where a signature is, and how it is written.
#[config]
pub(crate) struct Signature {
    /// Name of the header.
    pub(crate) header: String,
    /// What stands before the signature, e.g. `sha256=`.
    #[serde(default)]
    prefix: String,
    /// How its bytes are written.
    #[serde(default)]
    encoding: Encoding,
}

/// How bytes are written.
#[config]
#[derive(Default)]
enum Encoding {
    #[default]
    Hex,
    Base64,
}

impl Signature {
    /// One in base64 with nothing before it.
    pub(crate) fn base64(header: &str) -> Self {
        Self { header: header.to_owned(), prefix: String::new(), encoding: Encoding::Base64 }
    }

    /// Whether a request has the right one: the HMAC-SHA256 of its body.
    pub(crate) fn fits(&self, request: &HookRequest) -> Result<bool> {
        let written = request.header(&self.header).and_then(|value| value.strip_prefix(self.prefix.as_str()));
        let decode = match self.encoding {
            Encoding::Hex => hex::decode,
            Encoding::Base64 => base64::decode,
        };
        match written.and_then(decode) {
            Some(signature) => Ok(secrets::is_hmac_sha256("WEBHOOK_SECRET", &request.body, &signature)?),
            None => Ok(false),
        }
    }
}
