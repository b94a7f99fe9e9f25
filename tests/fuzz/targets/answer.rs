//! The JSON that guests return.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| fuzz::answer(text));
