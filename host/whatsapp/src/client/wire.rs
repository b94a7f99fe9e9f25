//! What carries requests to Meta where HTTP does not.

use std::{fmt, pin::Pin};

use bytes::Bytes;
use http::Request;

use super::SendError;

/// A request on its way: HTTP status and body of the answer, or why there is none.
pub type Carried = Pin<Box<dyn Future<Output = Result<(u16, Vec<u8>), SendError>> + Send>>;

/// Carries requests in place of HTTP: a simulation is Meta without a network. Files go over HTTP all the same.
pub trait Wire: fmt::Debug + Send + Sync {
    /// Carries one request, whose URI is a path. What the answer means is read by the client, as if it had come by HTTP.
    fn carry(&self, request: Request<Bytes>) -> Carried;
}
