//! `Idempotency-Key`: a request that is done once, however often it is sent.
//!
//! The key is taken on in the transaction that does the work, so either both stand or neither. When the same request
//! comes again it gets the first one's answer; when that was never given, because the server died or the client hung
//! up, the answer is made of what the first request has made, as it is by then.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Json,
    body::Bytes,
    extract::FromRequestParts,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use domain::{Fault, UserId};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use storage::{KeptRequest, RequestKey, Tx};
use utoipa::IntoParams;

use super::{
    body::Body,
    problem::{Problem, Result},
};
use crate::app::App;

/// The header's name.
const HEADER: &str = "Idempotency-Key";
/// Most characters of a key.
const KEY_CHARS_MAX: usize = 255;
/// How long an answer is kept.
const KEPT: TimeDelta = TimeDelta::hours(24);

/// What the API description says of the header.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes what `Once` reads")]
pub(super) struct OnceParams {
    /// A name for this request, of the client's choice: visible ASCII characters. For 24 hours, the same request with
    /// the same key is not done again but gets the first one's answer. With another body or query it is a 422, and while
    /// the first one still runs a 409.
    #[param(rename = "Idempotency-Key", required = false, min_length = 1, max_length = 255, pattern = "^[!-~]+$")]
    key: Option<String>,
}

/// Requests with a key that this host works on.
#[derive(Debug, Clone, Default)]
pub struct Running(Arc<Mutex<HashSet<RequestKey>>>);

impl Running {
    /// Enters a request; nothing when it is there already.
    fn enter(&self, key: &RequestKey) -> Option<Entry> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone());
        is_new.then(|| Entry { running: self.clone(), key: key.clone() })
    }
}

/// A request's place among those that run; it leaves when dropped, also when its client hangs up.
#[derive(Debug)]
struct Entry {
    running: Running,
    key: RequestKey,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.running.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// A request that may have a key. An endpoint that takes one must answer through [`Once::begin`].
#[derive(Debug)]
pub(super) struct Once {
    key: Option<String>,
    path: String,
    digest: Sha256,
}

impl<S: Send + Sync> FromRequestParts<S> for Once {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let mut digest = Sha256::new();
        digest.update(parts.uri.query().unwrap_or_default());
        digest.update("\n");
        let mut values = parts.headers.get_all(HEADER).iter();
        let key = match (values.next().map(HeaderValue::as_bytes), values.next()) {
            (None, _) => None,
            (Some(key), None) => Some(
                read(key).ok_or_else(|| fault(&format!("must have 1 to {KEY_CHARS_MAX} visible ASCII characters")))?,
            ),
            (Some(_), Some(_)) => return Err(fault("must not be given more than once")),
        };
        Ok(Self { key, path: parts.uri.path().to_owned(), digest })
    }
}

fn read(key: &[u8]) -> Option<String> {
    let is_fine = (1..=KEY_CHARS_MAX).contains(&key.len()) && key.iter().all(u8::is_ascii_graphic);
    is_fine.then(|| String::from_utf8_lossy(key).into_owned())
}

fn fault(detail: &str) -> Problem {
    Problem::invalid(vec![Fault::new(format!("/header/{HEADER}"), detail)])
}

/// How a request begins.
pub(super) enum Begun {
    /// It is the first, or has no key: do it in this transaction.
    First(Tx, Ticket),
    /// It was done, and nobody is known to have been told: say what became of the thing with this id.
    Untold(i64, Ticket),
    /// It was answered.
    Answered(Response),
}

/// The right to answer a request.
#[derive(Debug)]
pub(super) struct Ticket(Option<(RequestKey, Entry)>);

impl Once {
    /// The same request with its body, before anything was read from it.
    pub(super) fn with(mut self, body: &Body) -> Self {
        body.digest(&mut self.digest);
        self
    }

    /// Takes the request on, or finds it done.
    pub(super) async fn begin(self, app: &App, user: UserId) -> Result<Begun> {
        let Some(key) = self.key else { return Ok(Begun::First(app.db.begin().await?, Ticket(None))) };
        let key = RequestKey { user, path: self.path, key };
        let digest = hex::encode(self.digest.finalize());
        let entry = app.requests.enter(&key).ok_or_else(still_running)?;
        let now = app.clock.now();
        let mut tx = app.db.begin().await?;
        let host = app.work.host();
        if tx.claim_request(&key, &digest, host, now - KEPT, now).await? {
            return Ok(Begun::First(tx, Ticket(Some((key, entry)))));
        }
        let kept = tx.kept_request(&key).await?.ok_or_else(still_running)?;
        tx.commit().await?;
        if kept.digest != digest {
            return Err(fault("was used for another request; a key belongs to one body and query"));
        }
        match kept {
            KeptRequest { status: Some(status), answer: Some(answer), .. } => {
                Ok(Begun::Answered(again(status, answer)))
            }
            // Were it this host's, it would have been among those that run.
            kept if kept.host_is_alive && kept.host_id != host => Err(still_running()),
            KeptRequest { resource_id: Some(id), .. } => Ok(Begun::Untold(id, Ticket(Some((key, entry))))),
            _ => Err(Problem::internal(&"a kept request has neither answer nor resource")),
        }
    }
}

impl Ticket {
    /// The key, to be noted with what the request makes.
    pub(super) fn key(&self) -> Option<&RequestKey> {
        self.0.as_ref().map(|(key, _)| key)
    }

    /// Answers the request and keeps the answer. Faults of ours are not kept: the next one may fare better.
    pub(super) async fn answer<T: Serialize>(self, app: &App, outcome: Result<(StatusCode, Json<T>)>) -> Response {
        let response = outcome.into_response();
        let Some((key, _entry)) = self.0 else { return response };
        let status = response.status();
        if status.is_server_error() && status != StatusCode::BAD_GATEWAY {
            return response;
        }
        let (parts, body) = response.into_parts();
        // It is in memory already and cannot be too long.
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
        if let Err(error) = keep(app, &key, status, &body).await {
            tracing::warn!(%error, "an answer could not be kept; a repeated request gets a newer one");
        }
        Response::from_parts(parts, body.into())
    }
}

/// Writes the answer down. Where the work was not done there is no row, and nothing is kept.
async fn keep(app: &App, key: &RequestKey, status: StatusCode, body: &Bytes) -> storage::Result<()> {
    let mut tx = app.db.begin().await?;
    tx.keep_answer(key, status.as_u16(), &String::from_utf8_lossy(body)).await?;
    tx.commit().await
}

fn still_running() -> Problem {
    Problem::conflict(format!("the first request with this {HEADER} is still running")).retry_after(1)
}

/// An answer as it was given.
fn again(status: i64, answer: String) -> Response {
    let status = u16::try_from(status).ok().and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.unwrap_or(StatusCode::OK);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    (status, [(header::CONTENT_TYPE, kind)], answer).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_visible_ascii_of_limited_length() {
        for fine in ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "~!", &"k".repeat(255)] {
            assert_eq!(read(fine.as_bytes()).as_deref(), Some(fine));
        }
        for wrong in ["", " ", "a b", "ä", "tab\t", &"k".repeat(256)] {
            assert_eq!(read(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
