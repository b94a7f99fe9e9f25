//! The API over HTTP.

mod auth;
mod bots;
mod contacts;
mod documentation;
mod flows;
mod nodes;
mod shell;
mod templates;
mod triggers;
