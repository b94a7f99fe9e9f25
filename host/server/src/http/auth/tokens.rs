//! Access tokens: JSON Web Tokens signed with HMAC-SHA-256.
//!
//! `jsonwebtoken` leaves the cryptography to its user. Its own choices bring RSA along, which nothing here needs, so
//! this module plugs in the one algorithm there is.

use std::{sync::Once, time::Duration};

use chrono::DateTime;
use domain::{Time, UserId};
use hmac::{Hmac, Mac};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use signature::{Signer, Verifier};

/// What a token says.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    /// The user's id; a text, as the standard wants it.
    sub: String,
    /// When it was made, in seconds since 1970.
    iat: i64,
    /// When it ends, in seconds since 1970.
    exp: i64,
}

/// Makes a token for a user that lasts from `now` on for `lifetime`.
pub(super) fn issue(key: &[u8], user: UserId, now: Time, lifetime: Duration) -> Result<String, Error> {
    install();
    let iat = now.timestamp();
    let exp = iat.saturating_add_unsigned(lifetime.as_secs());
    jsonwebtoken::encode(
        &Header::new(Algorithm::HS256),
        &Claims { sub: user.to_string(), iat, exp },
        &EncodingKey::from_secret(key),
    )
}

/// The user whose token this is, if it is ours and has not ended.
pub(super) fn read(key: &[u8], token: &str, now: Time) -> Option<UserId> {
    install();
    let mut validation = Validation::new(Algorithm::HS256);
    // The library would ask the wall clock; time is compared below with the clock at hand.
    validation.validate_exp = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(key), &validation).ok()?.claims;
    let ends = DateTime::from_timestamp(claims.exp, 0)?;
    if now < ends { claims.sub.parse().ok().map(UserId) } else { None }
}

/// Tells the library, once per process, how to sign.
fn install() {
    static ONCE: Once = Once::new();
    static PROVIDER: CryptoProvider = CryptoProvider {
        signer_factory: |algorithm, key| match (algorithm, key.family()) {
            (Algorithm::HS256, AlgorithmFamily::Hmac) => Ok(Box::new(Hs256::new(key.as_bytes())?)),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        verifier_factory: |algorithm, key| match algorithm {
            Algorithm::HS256 => Ok(Box::new(Hs256::new(key.try_get_as_bytes()?)?)),
            _ => Err(ErrorKind::InvalidAlgorithm.into()),
        },
        key_utils: KeyUtils::new_unimplemented(),
    };
    ONCE.call_once(|| {
        // Fails only when another part of the program was faster with a provider of its own; then tests fail.
        let _ = PROVIDER.install_default();
    });
}

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new(key: &[u8]) -> Result<Self, Error> {
        <Hmac<Sha256> as Mac>::new_from_slice(key).map(Self).map_err(|_| ErrorKind::InvalidKeyFormat.into())
    }

    fn over(&self, message: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(message)
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(self.over(message).finalize().into_bytes().to_vec())
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        // In constant time.
        self.over(message).verify_slice(signature).map_err(|_| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_lasts_its_time_and_only_with_its_key() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let token = issue(b"key", UserId(7), now, Duration::from_secs(60)).unwrap();
        assert_eq!(read(b"key", &token, now), Some(UserId(7)));
        assert_eq!(read(b"key", &token, now + Duration::from_secs(59)), Some(UserId(7)));
        assert_eq!(read(b"key", &token, now + Duration::from_secs(60)), None);
        assert_eq!(read(b"another", &token, now), None);
    }

    #[test]
    fn tokens_of_others_are_refused() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let token = issue(b"key", UserId(7), now, Duration::from_secs(60)).unwrap();
        let (head, signature) = token.rsplit_once('.').unwrap();
        let (_, claims) = head.split_once('.').unwrap();
        // {"alg":"none"} and {"alg":"HS512"}
        for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzUxMiJ9"] {
            assert_eq!(read(b"key", &format!("{header}.{claims}."), now), None);
            assert_eq!(read(b"key", &format!("{header}.{claims}.{signature}"), now), None);
        }
        for token in ["", ".", "..", "a.b.c", &format!("{head}.AAAA"), &format!("{head}.")] {
            assert_eq!(read(b"key", token, now), None, "{token}");
        }
    }
}
