//! The HTTP API. [`router()`] shows every route on one page; each endpoint is a file of its own.

pub mod auth;
pub mod body;
mod bots;
mod boundary;
mod contacts;
mod days;
mod docs;
mod door;
mod executions;
mod flows;
mod health;
mod hooks;
mod id;
mod leftover;
mod nodes;
mod once;
pub mod openapi;
mod page;
mod plugins;
pub mod problem;
mod router;
mod slashes;
mod templates;
mod triggers;
mod whatsapp;

use std::{future::Future, io};

use tokio::net::TcpListener;

pub(crate) use bots::input::sealed;
pub use door::Door;
pub(crate) use hooks::Pace;
pub use once::Running;
pub use router::{described, router};
pub(crate) use triggers::SIGNATURE_SECRET;

/// Answers requests until `stop` comes, then lets those in progress finish.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    router: axum::Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop).await
}
