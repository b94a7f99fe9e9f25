//! Whatever is uploaded is read or refused, and quickly: nothing panics, nothing takes much memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_host::{StructureLimits, outline};

fuzz_target!(|bytes: &[u8]| {
    for allows_wasi in [false, true] {
        if let Err(findings) = outline(bytes, 4 << 20, &StructureLimits::usual(), allows_wasi) {
            assert!(!findings.is_empty());
        }
    }
});
