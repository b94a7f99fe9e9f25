//! Signatures of requests to webhook triggers.

use axum::http::HeaderMap;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{SignatureEncoding, SignatureRule, Time};
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Whether the request is signed as the rule says. The error is a sentence for whoever sent it.
pub(super) fn check(
    rule: &SignatureRule,
    secret: &[u8],
    headers: &HeaderMap,
    body: &[u8],
    now: Time,
) -> Result<(), String> {
    let header = |name: &str| {
        let value = headers.get(name).ok_or_else(|| format!("the header {name} is missing"))?;
        value.to_str().map(str::trim).map_err(|_| format!("the header {name} cannot be read"))
    };
    let given = header(&rule.header)?;
    let given = given
        .strip_prefix(rule.prefix.as_str())
        .ok_or_else(|| format!("the header {} does not begin with {}", rule.header, rule.prefix))?;
    let given = match rule.encoding {
        SignatureEncoding::Hex => hex::decode(given).ok(),
        SignatureEncoding::Base64 => STANDARD.decode(given).ok(),
    };
    let given = given.ok_or_else(|| format!("the header {} cannot be read", rule.header))?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| "the secret cannot be used".to_owned())?;
    if let Some(name) = &rule.timestamp_header {
        let written = header(name)?;
        let seconds: i64 = written.parse().map_err(|_| format!("the header {name} is no time in seconds"))?;
        let apart = now.timestamp().saturating_sub(seconds).unsigned_abs();
        if apart > u64::from(rule.tolerance_seconds.unwrap_or_default()) {
            return Err("the request is too old, or from the future".to_owned());
        }
        mac.update(written.as_bytes());
        mac.update(b".");
    }
    mac.update(body);
    // Compares in constant time.
    mac.verify_slice(&given).map_err(|_| "the signature does not fit the body".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(parts: &[&[u8]]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }

    fn headers(all: &[(&'static str, String)]) -> HeaderMap {
        all.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn bodies_are_checked_in_both_writings() {
        let now = "2026-03-02T10:00:00Z".parse().unwrap();
        let rule = |encoding| SignatureRule {
            header: "x-signature".into(),
            prefix: "sha256=".into(),
            encoding,
            timestamp_header: None,
            tolerance_seconds: None,
        };
        for (encoding, written) in [
            (SignatureEncoding::Hex, hex::encode_upper(sign(&[b"body"]))),
            (SignatureEncoding::Base64, STANDARD.encode(sign(&[b"body"]))),
        ] {
            let good = headers(&[("x-signature", format!("sha256={written}"))]);
            assert_eq!(check(&rule(encoding), b"secret", &good, b"body", now), Ok(()));
            assert!(check(&rule(encoding), b"secret", &good, b"bodY", now).is_err());
            assert!(check(&rule(encoding), b"Secret", &good, b"body", now).is_err());
            assert!(check(&rule(encoding), b"secret", &headers(&[("x-signature", written)]), b"body", now).is_err());
        }
        assert!(check(&rule(SignatureEncoding::Hex), b"secret", &headers(&[]), b"body", now).is_err());
    }

    #[test]
    fn a_time_is_signed_along_and_must_be_near() {
        let now: Time = "2026-03-02T10:00:00Z".parse().unwrap();
        let rule = SignatureRule {
            header: "x-signature".into(),
            prefix: String::new(),
            encoding: SignatureEncoding::Hex,
            timestamp_header: Some("x-time".into()),
            tolerance_seconds: Some(300),
        };
        let signed = |seconds: i64| {
            let time = seconds.to_string();
            let written = hex::encode(sign(&[time.as_bytes(), b".", b"body"]));
            headers(&[("x-signature", written), ("x-time", time)])
        };
        for (away, fits) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            assert_eq!(check(&rule, b"secret", &signed(now.timestamp() - away), b"body", now).is_ok(), fits, "{away}");
        }
        let mut moved = signed(now.timestamp());
        moved.insert("x-time", (now.timestamp() - 1).to_string().parse().unwrap());
        assert!(check(&rule, b"secret", &moved, b"body", now).is_err(), "the time is part of what is signed");
    }
}
