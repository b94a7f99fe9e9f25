//! What must hold whatever strangers write, for a fuzzer to make up what they write. `tests/fuzz/run --help` says how; what
//! is looked for here for minutes, `tests/it/fuzz.rs` of `plugin_host` looks for in every test run for a moment.

use domain::plugin::FailureKind;
use plugin_host::{CallError, Limits, StructureLimits, outline, read_answer};

/// Bytes of an upload, at most.
const UPLOAD_BYTES_MAX: usize = 4 << 20;

/// Whatever is uploaded is read, or refused with reasons.
///
/// # Panics
/// When it is refused without one.
pub fn upload(bytes: &[u8]) {
    for allows_wasi in [false, true] {
        if let Err(findings) = outline(bytes, UPLOAD_BYTES_MAX, &StructureLimits::usual(), allows_wasi) {
            assert!(!findings.is_empty() && findings.iter().all(|finding| !finding.message.is_empty()));
        }
    }
}

/// Whatever JSON a guest returns is data without a NUL, or a failure that names it.
///
/// # Panics
/// When it is neither.
pub fn answer(text: &str) {
    match read_answer(text, &Limits::usual()) {
        Ok(step) => {
            let stored =
                serde_json::to_string(&step).unwrap_or_else(|error| panic!("a step cannot be stored: {error}"));
            // A backslash that is itself escaped escapes nothing.
            assert!(!stored.replace(r"\\", "").contains(r"\u0000"), "{stored}");
        }
        Err(CallError::Failure(failure)) => assert_eq!(failure.kind, FailureKind::InvalidOutput),
        Err(other) => panic!("{other:?}"),
    }
}
