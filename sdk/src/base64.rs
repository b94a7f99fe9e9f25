//! Bytes as base64 with the standard alphabet, the other usual form of signatures.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Four digits for three bytes, filled up with `=`.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let number = (0..3).fold(0, |number, index| number << 8 | u32::from(chunk.get(index).copied().unwrap_or(0)));
        for index in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * index) & 63) as usize];
            text.push(if index <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

/// The bytes; none when the text is no base64. `=` at the end may be left out.
///
/// ```
/// use chatboost_sdk::base64;
///
/// assert_eq!(base64::encode(b"Ada"), "QWRh");
/// assert_eq!(base64::encode(b"Adam"), "QWRhbQ==");
/// assert_eq!(base64::decode("QWRhbQ=="), Some(b"Adam".to_vec()));
/// assert_eq!(base64::decode("QWRhbQ"), Some(b"Adam".to_vec()));
/// assert_eq!(base64::decode("QWRhb"), None);
/// assert_eq!(base64::decode("QW-h"), None);
/// ```
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    let padding = text.len() - digits.len();
    if digits.len() % 4 == 1 || padding > 2 || (padding > 0 && !text.len().is_multiple_of(4)) {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for chunk in digits.chunks(4) {
        let mut number = 0;
        for index in 0..4 {
            let digit = match chunk.get(index) {
                Some(digit) => DIGITS.iter().position(|known| known == digit)?,
                None => 0,
            };
            number = number << 6 | u32::try_from(digit).ok()?;
        }
        bytes.extend(&number.to_be_bytes()[1..chunk.len()]);
    }
    Some(bytes)
}
