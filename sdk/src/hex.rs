//! Bytes as hexadecimal digits, the form of most signatures.

/// Two lower-case digits a byte.
pub fn encode(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0'))
        .collect()
}

/// The bytes; none when the text is anything but pairs of digits, in either case.
///
/// ```
/// use chatboost_sdk::hex;
///
/// assert_eq!(hex::decode("00Ff"), Some(vec![0, 255]));
/// assert_eq!(hex::decode("0"), None);
/// assert_eq!(hex::decode("+1"), None);
/// assert_eq!(hex::encode(&[0, 255]), "00ff");
/// ```
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(|&[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect()
}
