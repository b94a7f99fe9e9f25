//! `webhook_action`: calls an HTTP service and keeps what it answers. The engine only says what to call.

use std::collections::BTreeMap;

use domain::{Effect, EffectOutcome, HttpEffect, HttpReply};
use serde_json::{Map, Value, json};

use crate::{
    config::Reader,
    issues::member,
    limits::{HTTP_HEADERS, HTTP_RETRIES, HTTP_TIMEOUT_SECONDS},
    nodes::Wake,
    path::Target,
    run::{Failure, Next, Run},
    template::{Data, Mode, Text},
};

const METHODS: [&str; 6] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"];
/// Headers that belong to the connection, not to the one who writes a flow.
const RESERVED_HEADERS: [&str; 6] =
    ["host", "content-length", "transfer-encoding", "connection", "upgrade", "proxy-authorization"];
const TIMEOUT_SECONDS: u32 = 10;
const RETRIES: u32 = 2;

/// `{url, method, headers?, body?, store_response_in?, timeout_seconds?, retries?, error_path?, next?}`.
#[derive(Debug)]
pub(crate) struct WebhookAction {
    url: Text,
    method: &'static str,
    headers: Vec<(String, Text)>,
    body: Option<Data>,
    store_in: Option<Target>,
    timeout_seconds: u32,
    retries: u32,
    error_path: Option<usize>,
    next: Option<usize>,
}

impl WebhookAction {
    pub(super) fn read(reader: &mut Reader<'_, '_>) -> Option<Self> {
        let url = read_url(reader);
        let method = read_method(reader);
        let headers = read_headers(reader);
        let body = match reader.get("body") {
            Some(body) => {
                let pointer = reader.at("body");
                reader.data_of(&pointer, body, Mode::Native)
            }
            None => None,
        };
        let store_in = reader.target("store_response_in");
        let timeout_seconds = reader.whole("timeout_seconds", 1, HTTP_TIMEOUT_SECONDS, TIMEOUT_SECONDS);
        let retries = reader.whole("retries", 0, HTTP_RETRIES, RETRIES);
        let error_path = reader.reference("error_path");
        let next = reader.reference("next");
        Some(Self {
            url: url?,
            method: method?,
            headers: headers?,
            body,
            store_in,
            timeout_seconds: timeout_seconds?,
            retries: retries?,
            error_path,
            next,
        })
    }

    pub(super) fn exits(&self) -> Vec<Option<usize>> {
        // Without an error path the flow does not end there: it fails, or goes on by `next`.
        if self.error_path.is_some() { vec![self.next, self.error_path] } else { vec![self.next] }
    }

    pub(super) fn enter(&self, run: &mut Run<'_>) -> Result<Next, Failure> {
        let url = run.text("url", &self.url)?;
        let url = url.trim().to_owned();
        let mut headers = BTreeMap::new();
        for (name, text) in &self.headers {
            let field = format!("headers.{name}");
            let value = run.text(&field, text)?.trim().to_owned();
            if value.chars().any(char::is_control) {
                return Err(Failure(format!("`{field}`: has a line break or another control character")));
            }
            headers.insert(name.clone(), value);
        }
        let body = match &self.body {
            Some(body) => Some(run.json("body", body)?).filter(|body| !body.is_null()),
            None => None,
        };
        if let Err(fault) = check_url(&url) {
            return self.unreachable(run, &format!("`url`: {fault}"), 0);
        }
        let idempotency_key = format!("{}-{}", run.execution().id, run.next_seq());
        // Values of headers, the query and the user part of the address may be secrets.
        let names: Vec<&String> = headers.keys().collect();
        let shown = without_secrets(&url);
        run.log(
            "requested",
            json!({"method": self.method, "url": shown, "headers": names, "idempotency_key": idempotency_key}),
        );
        let timeout_seconds = self.timeout_seconds.min(run.limits().http_timeout_seconds);
        let retries = self.retries.min(run.limits().http_retries);
        let method = self.method.to_owned();
        Ok(run.wait_for_effect(Effect::Http(HttpEffect {
            method,
            url,
            headers,
            body,
            timeout_seconds,
            retries,
            idempotency_key,
        })))
    }

    pub(super) fn resume(&self, run: &mut Run<'_>, wake: Wake) -> Result<Next, Failure> {
        match wake {
            Wake::Effect(EffectOutcome::Replied(reply)) => self.replied(run, reply),
            Wake::Effect(EffectOutcome::Unreachable { reason, attempts }) => self.unreachable(run, &reason, attempts),
            Wake::Effect(EffectOutcome::Plugin { .. }) | Wake::Input | Wake::Timer | Wake::Resume | Wake::Event(_) => {
                wake.unexpected()
            }
        }
    }

    fn replied(&self, run: &mut Run<'_>, reply: HttpReply) -> Result<Next, Failure> {
        let bad = reply.status >= 400;
        let mut error = bad.then(|| format!("the answer was HTTP {}", reply.status));
        if let Err(fault) = self.store(run, Some(reply.body), Some(reply.status), error.clone()) {
            if self.error_path.is_none() {
                return Err(Failure(format!("the answer cannot be kept: {}", fault.0)));
            }
            error = Some(format!("the answer cannot be kept: {}", fault.0));
            self.store(run, None, Some(reply.status), error.clone())?;
        }
        let detail = Map::from_iter([
            ("status".to_owned(), json!(reply.status)),
            ("attempts".to_owned(), json!(reply.attempts)),
            ("error".to_owned(), json!(error)),
        ]);
        if error.is_some() && self.error_path.is_some() {
            return Ok(run.leave("replied", "error_path", self.error_path, detail));
        }
        Ok(run.leave("replied", "next", self.next, detail))
    }

    fn unreachable(&self, run: &mut Run<'_>, reason: &str, attempts: u32) -> Result<Next, Failure> {
        if self.error_path.is_none() {
            run.log("unreachable", json!({"reason": reason, "attempts": attempts}));
            return Err(Failure(format!("no answer: {reason}")));
        }
        self.store(run, None, None, Some(reason.to_owned()))?;
        let detail = Map::from_iter([("reason".to_owned(), json!(reason)), ("attempts".to_owned(), json!(attempts))]);
        Ok(run.leave("unreachable", "error_path", self.error_path, detail))
    }

    /// Keeps an outcome. What is none becomes null, except that no error leaves no `_error`.
    fn store(
        &self,
        run: &mut Run<'_>,
        body: Option<Value>,
        status: Option<u16>,
        error: Option<String>,
    ) -> Result<(), Failure> {
        let Some(target) = &self.store_in else { return Ok(()) };
        run.assign(vec![
            (target.clone(), Some(body.unwrap_or_default())),
            (target.beside("_status"), Some(json!(status))),
            (target.beside("_error"), error.map(Value::from)),
        ])?;
        Ok(())
    }
}

fn read_method(reader: &mut Reader<'_, '_>) -> Option<&'static str> {
    let word = reader.required_str("method")?;
    let found = METHODS.into_iter().find(|method| method.eq_ignore_ascii_case(word.trim()));
    if found.is_none() {
        reader.error("unknown_value", "method", format!("`{word}` is none of {}", METHODS.join(", ")));
    }
    found
}

fn read_url(reader: &mut Reader<'_, '_>) -> Option<Text> {
    reader.required_str("url")?;
    let url = reader.template("url")?;
    if let Text::Plain(plain) = &url
        && let Err(fault) = check_url(plain.trim())
    {
        reader.error("invalid_url", "url", fault);
        return None;
    }
    Some(url)
}

/// Scheme, host and path of an address.
fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// Catches what is certainly wrong; whether the address may be called is for the one who calls it to say.
fn check_url(url: &str) -> Result<(), String> {
    let (scheme, rest) = url.split_once("://").unwrap_or_default();
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err("must begin with http:// or https://".to_owned());
    }
    if rest.split(['/', '?', '#']).next().unwrap_or_default().is_empty() {
        return Err("names no host".to_owned());
    }
    if url.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("has a space or line break in it; use the `urlencode` filter for variables".to_owned());
    }
    Ok(())
}

fn read_headers(reader: &mut Reader<'_, '_>) -> Option<Vec<(String, Text)>> {
    let Some(value) = reader.get("headers") else { return Some(Vec::new()) };
    let Value::Object(members) = value else {
        reader.wrong_type("headers", "an object of names and texts");
        return None;
    };
    if members.len() > HTTP_HEADERS {
        reader.error("out_of_range", "headers", format!("has more than {HTTP_HEADERS} headers"));
        return None;
    }
    let pointer = reader.at("headers");
    let read: Vec<Option<(String, Text)>> = members
        .iter()
        .map(|(name, value)| {
            let pointer = member(&pointer, name);
            let text = reader.text_of(&pointer, value)?;
            match header_fault(name, &text) {
                Some(fault) => {
                    reader.error_at("invalid_header", pointer, fault);
                    None
                }
                None => Some((name.clone(), text)),
            }
        })
        .collect();
    read.into_iter().collect()
}

fn header_fault(name: &str, text: &Text) -> Option<&'static str> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Some("is no name a header can have");
    }
    if RESERVED_HEADERS.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Some("is set by the server itself");
    }
    match text {
        Text::Plain(plain) if plain.chars().any(char::is_control) => {
            Some("has a line break or another control character")
        }
        Text::Plain(_) | Text::Template(_) => None,
    }
}
