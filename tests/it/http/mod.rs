//! The API over HTTP.

mod auth;
mod bots;
mod contacts;
mod documentation;
mod flows;
mod nodes;
mod shell;
mod specification;
mod statistics;
mod templates;
mod triggers;
