//! The ChatBoost server.
//!
//! [`config`] is what the operator wants, [`app::App`] everything long-lived, [`http`] the API, [`work`] what goes on in
//! the background. [`running`] starts and stops it all; [`cli`] is the program.

pub mod app;
mod changes;
pub mod cli;
pub mod config;
mod consent;
mod credentials;
pub mod egress;
mod essential;
mod failures;
mod findings;
mod gallery;
mod graves;
mod health;
mod host;
pub mod http;
mod ingest;
mod media;
mod metrics;
mod nul;
mod outbox;
mod outdated;
mod pause;
pub mod plugins;
mod pollers;
mod retention;
mod rotation;
mod runner;
pub mod running;
mod schedules;
pub mod secrets;
mod signals;
mod templates;
pub mod work;
