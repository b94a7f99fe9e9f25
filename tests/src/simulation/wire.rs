//! What the hosts of a simulation ask of Meta, until it is answered.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{body::Bytes, http::Request};
use serde_json::Value;
use tokio::sync::oneshot;
use whatsapp::client::{Carried, SendError, Wire};

/// What Meta says, or that nothing is heard of it.
pub(super) type Answer = Result<(u16, Vec<u8>), SendError>;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    /// The body; null for a question.
    pub(super) body: Value,
}

/// The requests of one host.
#[derive(Debug, Default)]
pub(super) struct Requests(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<u64, (Asked, oneshot::Sender<Answer>)>,
    next: u64,
}

impl Requests {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that wait for an answer, in the order in which they were made.
    pub(super) fn waiting(&self) -> Vec<(u64, Asked)> {
        let mut state = self.state();
        state.waiting.retain(|_, (_, answer)| !answer.is_closed());
        state.waiting.iter().map(|(id, (asked, _))| (*id, asked.clone())).collect()
    }

    /// How many were made so far.
    pub(super) fn changes(&self) -> u64 {
        self.state().next
    }

    pub(super) fn answer(&self, id: u64, answer: Answer) {
        if let Some((_, waiting)) = self.state().waiting.remove(&id) {
            // Who asked may be gone.
            let _ = waiting.send(answer);
        }
    }
}

/// The wire of a host.
#[derive(Debug)]
pub(super) struct SimWire(pub(super) Arc<Requests>);

impl Wire for SimWire {
    fn carry(&self, request: Request<Bytes>) -> Carried {
        let body = serde_json::from_slice(request.body()).unwrap_or(Value::Null);
        let asked = Asked { path: request.uri().path().to_owned(), body };
        let (answer, answered) = oneshot::channel();
        let mut state = self.0.state();
        let id = state.next;
        state.next += 1;
        state.waiting.insert(id, (asked, answer));
        drop(state);
        Box::pin(async move { answered.await.unwrap_or_else(|_| Err(SendError::Unknown("cut".into()))) })
    }
}
