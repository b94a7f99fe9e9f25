//! The tests of the whole, as one program. `http` mirrors the tree of URLs, `storage` the nouns of storage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod configuration;
mod crash;
mod http;
mod journey;
mod readme;
mod storage;
