//! What stands between the network and every handler.

use std::{panic::AssertUnwindSafe, time::Duration};

use axum::{
    extract::Request,
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures_util::FutureExt;

use super::{
    leftover::Leftover,
    problem::{Kind, Problem},
};

/// How long a request may take, its body included. A client that sends slower gives up its place.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for those that bring or get a file.
const FILE_TIMEOUT: Duration = Duration::from_secs(600);
/// Where files are.
const FILES: &str = "/whatsapp/media";

/// Ends what takes too long, turns a panic into a problem, and adds the headers that every answer has. What a handler left
/// unread of a request is read first.
pub(super) async fn guard(mut request: Request, next: Next) -> Response {
    let leftover = Leftover::of(&mut request);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let patience = if path.starts_with(FILES) { FILE_TIMEOUT } else { REQUEST_TIMEOUT };
    let outcome = tokio::time::timeout(patience, AssertUnwindSafe(next.run(request)).catch_unwind()).await;
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!(%method, path, "a handler panicked");
            Problem::internal(&"panic").into_response()
        }
        Err(_) => {
            tracing::warn!(%method, path, "a request took too long");
            Problem::new(Kind::UNAVAILABLE, "the request took too long").into_response()
        }
    };
    if let Some(leftover) = leftover {
        leftover.discard().await;
    }
    dressed(response)
}

/// With the headers that every answer has.
pub(super) fn dressed(mut response: Response) -> Response {
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What is under no route.
pub(super) async fn unknown_route(request: Request) -> Problem {
    Problem::new(Kind::NOT_FOUND, format!("there is no {}", request.uri().path()))
}

/// A route with another method. axum adds the `Allow` header.
pub(super) async fn unknown_method(method: Method) -> Problem {
    Problem::new(Kind::METHOD_NOT_ALLOWED, format!("{method} is not for this path"))
}
