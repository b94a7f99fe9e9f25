//! The tests of the whole, as one program. `http` mirrors the tree of URLs, `storage` the nouns of storage.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod configuration;
mod contract;
mod crash;
mod http;
mod journey;
mod migrations;
mod moving;
mod plans;
mod plugins;
mod readme;
mod simulation;
mod startup;
mod storage;
