//! Web services that answer as a test tells them to.

use std::{cell::RefCell, rc::Rc};

use serde::Serialize;
use serde_json::Value;

use crate::http::{HttpError, Request, Response};

/// Shared between a harness and the call that it makes.
pub(crate) type Shared = Rc<RefCell<FakeHttp>>;

/// What is answered, and what was asked.
#[derive(Debug, Default)]
pub(crate) struct FakeHttp {
    scripted: Vec<Scripted>,
    pub(crate) asked: Vec<Request>,
    /// What is wrong with requests, to be told when the call is over.
    pub(crate) complaints: Vec<String>,
}

/// An answer to one request, made by [`Harness::answers`](crate::testing::Harness::answers).
#[derive(Debug, Clone)]
pub struct Scripted {
    method: String,
    url: String,
    body: Option<Value>,
    headers: Vec<(String, String)>,
    result: Result<Response, HttpError>,
}

impl Scripted {
    /// The answer to a request with this method and address. It is 204 until something else is said.
    pub fn new(method: &str, url: &str) -> Self {
        let result = Ok(Response { status: 204, ..Response::default() });
        Self { method: method.to_owned(), url: url.to_owned(), body: None, headers: vec![], result }
    }

    /// The request must have this body, as JSON.
    pub fn when_json(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// The request must have this header, secrets in place.
    pub fn when_header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers in JSON.
    pub fn json(self, status: u16, body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).unwrap_or_else(|fault| panic!("an answer that cannot be JSON: {fault}"));
        self.response(status, body).header("content-type", "application/json")
    }

    /// Answers in text.
    pub fn text(self, status: u16, body: &str) -> Self {
        self.response(status, body.as_bytes().to_vec()).header("content-type", "text/plain")
    }

    /// One more header of the answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Ok(response) = &mut self.result {
            response.headers.push((name.to_ascii_lowercase(), value.to_owned()));
        }
        self
    }

    /// Does not answer.
    pub fn error(mut self, error: HttpError) -> Self {
        self.result = Err(error);
        self
    }

    fn response(mut self, status: u16, body: Vec<u8>) -> Self {
        self.result = Ok(Response { status, headers: vec![], body });
        self
    }

    fn is_for(&self, request: &Request) -> bool {
        self.method.eq_ignore_ascii_case(&request.method) && self.url == request.url
    }

    /// What is wrong with a request for this answer.
    fn complaint(&self, request: &Request) -> Option<String> {
        if let Some(expected) = &self.body {
            let body = request.body.as_deref().unwrap_or_default();
            let found: Value = serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into());
            if found != *expected {
                return Some(format!("{} {} came with the body {found}, not {expected}", self.method, self.url));
            }
        }
        let has = |name: &str, value: &str| {
            request.headers.iter().any(|(known, found)| known.eq_ignore_ascii_case(name) && found == value)
        };
        let missing = self.headers.iter().find(|(name, value)| !has(name, value));
        missing.map(|(name, value)| format!("{} {} came without the header {name}: {value}", self.method, self.url))
    }
}

impl FakeHttp {
    pub(crate) fn script(&mut self, scripted: Scripted) {
        self.scripted.push(scripted);
    }

    /// Answers a request: with the first of the answers for it, each of which serves once.
    pub(crate) fn exchange(&mut self, request: Request) -> Result<Response, HttpError> {
        let found = self.scripted.iter().position(|scripted| scripted.is_for(&request));
        let result = match found {
            Some(index) => {
                let scripted = self.scripted.remove(index);
                self.complaints.extend(scripted.complaint(&request));
                scripted.result
            }
            None => {
                self.complaints.push(format!("nothing answers {} {}", request.method, request.url));
                Err(HttpError::Unreachable("the test has no answer".to_owned()))
            }
        };
        self.asked.push(request);
        result
    }

    /// Answers that nobody asked for.
    pub(crate) fn left_over(&self) -> Vec<String> {
        self.scripted.iter().map(|scripted| format!("{} {}", scripted.method, scripted.url)).collect()
    }
}
