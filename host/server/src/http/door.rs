//! What answers from when the address is listened on: until the server can work, that it cannot yet.

use std::sync::{Arc, OnceLock};

use axum::{Json, Router, extract::Request, response::IntoResponse};
use tower::ServiceExt;

use super::{
    boundary,
    health::Health,
    problem::{Kind, Problem},
};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<OnceLock<Router>>);

impl Door {
    /// From here on requests go to the server.
    pub fn open(&self, server: Router) {
        // It is opened once, by whoever starts the server.
        let _opened_before = self.0.set(server);
    }

    /// What the listener serves.
    pub fn router(&self) -> Router {
        let door = self.clone();
        Router::new().fallback(move |request: Request| async move {
            match door.0.get() {
                Some(server) => server.clone().oneshot(request).await.into_response(),
                None if is_alive(request.uri().path()) => Json(Health::OK).into_response(),
                None => boundary::dressed(Problem::new(Kind::UNAVAILABLE, "the server is starting").into_response()),
            }
        })
    }
}

/// Whether it is only asked whether the process runs.
fn is_alive(path: &str) -> bool {
    ["/health", "/health/live"].contains(&path.strip_suffix('/').unwrap_or(path))
}
