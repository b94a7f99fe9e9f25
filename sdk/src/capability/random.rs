//! Randomness fit for cryptography. Capability `random`. Without the grant calls end with the failure `denied`.

/// The most bytes of one call.
pub const BYTES_MAX: u32 = 4096;

/// So many bytes, at most [`BYTES_MAX`].
pub fn bytes(length: u32) -> Vec<u8> {
    crate::host::random_bytes(length.min(BYTES_MAX))
}

/// A number below `end`, each with the same probability; 0 when `end` is 0.
pub fn below(end: u32) -> u32 {
    let (mut word, drawn) = ([0; 8], bytes(8));
    let length = drawn.len().min(8);
    word[..length].copy_from_slice(&drawn[..length]);
    // The remainder of 64 bits favours none of 2^32 numbers by more than one in 2^32.
    let number = u64::from_le_bytes(word).checked_rem(u64::from(end)).unwrap_or(0);
    u32::try_from(number).unwrap_or(0)
}
