//! What a handler leaves unread of a request's body.
//!
//! Were it left in the connection, the connection would be closed over it, and whoever still writes would learn that, and not
//! why: the answer may be lost with it. So it is read and thrown away before the answer leaves, up to a bound.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::{Body, Bytes, HttpBody},
    extract::Request,
    http::header,
};
use futures_util::StreamExt;
use http_body::{Frame, SizeHint};

/// Most bytes that are thrown away. Whoever sends more finds the connection closed.
const BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A request's body, as far as nobody has read it.
pub(super) struct Leftover(Arc<Mutex<Body>>);

/// The same for the handler.
struct Lent(Arc<Mutex<Body>>);

impl Leftover {
    /// Keeps hold of a request's body. None if it has none, or if its client waits to be told to send it.
    pub(super) fn of(request: &mut Request) -> Option<Self> {
        if request.body().is_end_stream() || request.headers().contains_key(header::EXPECT) {
            return None;
        }
        let body = Arc::new(Mutex::new(std::mem::take(request.body_mut())));
        *request.body_mut() = Body::new(Lent(body.clone()));
        Some(Self(body))
    }

    /// Reads it to its end.
    pub(super) async fn discard(self) {
        let body = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        if body.is_end_stream() {
            return;
        }
        let mut pieces = body.into_data_stream();
        let mut left = BYTES_MAX;
        let to_the_end = async {
            while let Some(Ok(piece)) = pieces.next().await {
                left = left.saturating_sub(piece.len());
                if left == 0 {
                    return;
                }
            }
        };
        // Whoever sends too slowly finds the connection closed.
        let _end = tokio::time::timeout(PATIENCE, to_the_end).await;
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner)).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}
