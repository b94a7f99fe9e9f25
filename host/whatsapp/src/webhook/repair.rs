//! Makes a body harmless before it is read: what no JSON text or database could hold becomes U+FFFD.

use std::borrow::Cow;

use memchr::memchr;

/// The escape that stands for the replacement character: six bytes, as long as what it replaces.
const REPLACEMENT: &str = "\\ufffd";

/// Turns a body into text that a JSON parser and a database accept: invalid UTF-8, escaped surrogates without their
/// other half, and escaped NULs are replaced. Everything else stays as it is, byte for byte. A single lone surrogate
/// would otherwise make the strict parser refuse the whole batch, and PostgreSQL refuses any text with a NUL.
pub(super) fn repair(body: &[u8]) -> Cow<'_, str> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Whether all is well is told more quickly than what is not.
    let mut text = str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed);
    for start in unusable_escapes(text.as_bytes()) {
        text.to_mut().replace_range(start..start + REPLACEMENT.len(), REPLACEMENT);
    }
    text
}

/// Where the unusable `\uXXXX` begin.
fn unusable_escapes(bytes: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(start) = memchr(b'\\', bytes.get(at..).unwrap_or_default()).map(|step| at + step) {
        at = start + 2;
        let Some(unit) = unit_at(bytes, start) else { continue };
        at = start + 6;
        match unit {
            0xD800..=0xDBFF if matches!(unit_at(bytes, at), Some(0xDC00..=0xDFFF)) => at += 6,
            0 | 0xD800..=0xDFFF => found.push(start),
            _ => {}
        }
    }
    found
}

/// The UTF-16 unit of the `\uXXXX` that begins at `start`, if one does.
fn unit_at(bytes: &[u8], start: usize) -> Option<u16> {
    let digits = bytes.get(start..start + 6)?.strip_prefix(b"\\u")?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unusable_escapes_change() {
        for (before, after) in [
            (r#""\ud83d\udc4d""#, r#""\ud83d\udc4d""#),
            (r#""\ud83d""#, r#""\ufffd""#),
            (r#""\udc4d\ud83d""#, r#""\ufffd\ufffd""#),
            (r#""\ud83d\ud83d\udc4d""#, r#""\ufffd\ud83d\udc4d""#),
            (r#""a\u0000b""#, r#""a\ufffdb""#),
            (r#""\\u0000 \\ud83d""#, r#""\\u0000 \\ud83d""#),
            (r#""\\\u0000""#, r#""\\\ufffd""#),
            (r#""\u00""#, r#""\u00""#),
            (r#""\u00e4\n""#, r#""\u00e4\n""#),
        ] {
            assert_eq!(repair(before.as_bytes()), after);
        }
    }

    #[test]
    fn harmless_bodies_are_not_copied() {
        assert!(matches!(repair("{\"a\":\"ä\"}".as_bytes()), Cow::Borrowed(_)));
    }

    #[test]
    fn invalid_utf8_and_byte_order_marks_are_no_obstacle() {
        assert_eq!(repair(b"\xef\xbb\xbf{\"a\":\"\xff\"}"), "{\"a\":\"\u{fffd}\"}");
        assert_eq!(repair(b"\"\\"), "\"\\");
    }
}
