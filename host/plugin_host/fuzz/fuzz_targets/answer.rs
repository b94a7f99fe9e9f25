//! Whatever JSON a guest returns is data or a failure with a name.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugin_host::{Limits, read_answer};

fuzz_target!(|text: &str| {
    let _ = read_answer(text, &Limits::usual());
});
