//! The signature on a webhook: HMAC-SHA256 over the raw body, keyed with the app's secret (Meta, webhooks overview).

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The header that carries the signature, in lower case.
pub const HEADER: &str = "x-hub-signature-256";

/// What the header's value begins with; 64 hexadecimal digits follow.
const PREFIX: &str = "sha256=";

/// Whether `header` is the signature of `body` under `secret`. Compared in constant time, over the bytes exactly as
/// they arrived: parsing and printing the JSON again would change them. An empty secret verifies nothing, because
/// anybody can sign with it.
pub fn verify(secret: &str, body: &[u8], header: Option<&str>) -> bool {
    if secret.is_empty() {
        return false;
    }
    let mut claimed = [0_u8; 32];
    let Some(digits) = header.and_then(|h| h.trim().strip_prefix(PREFIX)) else { return false };
    if hex::decode_to_slice(digits, &mut claimed).is_err() {
        return false;
    }
    mac(secret, body).is_some_and(|mac| mac.verify_slice(&claimed).is_ok())
}

/// The header value Meta would send with `body`.
pub fn sign(secret: &str, body: &[u8]) -> String {
    let digest = mac(secret, body).map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
    format!("{PREFIX}{}", hex::encode(digest))
}

/// The keyed hash after reading `body`. HMAC takes keys of any length, so there always is one.
fn mac(secret: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(body);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_published_test_vector() {
        // RFC 4231, test case 2.
        assert_eq!(
            sign("Jefe", b"what do ya want for nothing?"),
            "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
    }

    #[test]
    fn accepts_its_own_signature_and_nothing_else() {
        let body = br#"{"a":"\u00e4"}"#;
        let good = sign("secret", body);
        assert_eq!(good.len(), 71);
        assert!(verify("secret", body, Some(&good)));
        assert!(!verify("other", body, Some(&good)));
        assert!(!verify("secret", "{\"a\":\"ä\"}".as_bytes(), Some(&good)));
        assert!(!verify("secret", body, None));
        assert!(!verify("", body, Some(&sign("", body))));
        for bad in ["", "sha256=", "sha1=abc", &good[7..], &good[..70], &format!("{good}0"), "sha256=zz"] {
            assert!(!verify("secret", body, Some(bad)), "{bad}");
        }
    }
}
