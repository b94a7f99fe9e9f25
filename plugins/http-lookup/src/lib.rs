//! A node that asks a web service and keeps parts of its answer.

use std::{collections::BTreeMap, time::Duration};

use chatboost_sdk::prelude::*;

/// A request, and what to keep of its answer.
#[config]
struct Lookup {
    /// `GET` or `POST`, …
    #[serde(default)]
    method: Method,
    /// Absolute address; its host must be granted.
    url: String,
    /// Names and values.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    /// The body, sent as JSON.
    #[serde(default)]
    body: Option<Value>,
    /// Sends the secret `LOOKUP_KEY` along.
    #[serde(default)]
    authorization: Option<Authorization>,
    /// What is kept: variables by path, each with a JSON pointer into the answer, e.g. `{"price": "/items/0/price"}`. An
    /// empty pointer keeps the whole.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// Pointers that must lead to something; otherwise the node is left by `not_found`.
    #[serde(default)]
    required: Vec<String>,
    /// How long to wait for the answer.
    #[serde(default = "ten")]
    #[schemars(range(min = 1, max = 30))]
    timeout_seconds: u32,
}

/// A method of HTTP.
#[derive(Debug, Clone, Default, chatboost_sdk::serde::Deserialize, chatboost_sdk::schemars::JsonSchema)]
#[serde(crate = "chatboost_sdk::serde", rename_all = "UPPERCASE")]
#[schemars(crate = "chatboost_sdk::schemars")]
enum Method {
    #[default]
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

/// How the secret is sent.
#[config]
struct Authorization {
    /// Name of the header.
    #[serde(default = "authorization")]
    header: String,
    /// What stands before the secret.
    #[serde(default = "bearer")]
    prefix: String,
}

fn ten() -> u32 {
    10
}

fn authorization() -> String {
    "authorization".to_owned()
}

fn bearer() -> String {
    "Bearer ".to_owned()
}

impl Node for Lookup {
    type State = ();

    fn spec() -> NodeSpec {
        NodeSpec::new("lookup", "HTTP lookup")
            .description("Asks a web service and puts parts of its answer into variables.")
            .category("Integrations")
            .exit("found", "Found")
            .exit("not_found", "Not found")
    }

    fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
        self.check()?;
        let answer = self.request(visit.call_id())?.send()?;
        if matches!(answer.status, 404 | 410) {
            return Ok(Outcome::next("not_found"));
        }
        let answer = answer.success()?;
        let found: Value = if answer.body.is_empty() { Value::Null } else { answer.json()? };
        let missing = self.required.iter().find(|pointer| found.pointer(pointer).is_none_or(Value::is_null));
        if let Some(pointer) = missing {
            log::info!("the answer has nothing at {pointer}"; "status" = answer.status);
            return Ok(Outcome::next("not_found"));
        }
        for (variable, pointer) in &self.keep {
            visit.set(variable, found.pointer(pointer).cloned().unwrap_or_default());
        }
        Ok(Outcome::next("found"))
    }
}

impl Lookup {
    fn request(&self, call_id: &str) -> Result<http::Request> {
        let method = match self.method {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        };
        let mut request =
            http::Request::new(method, &self.url).timeout(Duration::from_secs(self.timeout_seconds.into()));
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        if let Some(Authorization { header, prefix }) = &self.authorization {
            request = request.header(header, format!("{prefix}{}", secrets::placeholder("LOOKUP_KEY")?));
        }
        if !matches!(self.method, Method::Get) {
            // So that a repetition after a crash does nothing twice.
            request = request.header("idempotency-key", call_id);
        }
        match &self.body {
            Some(body) => request.json(body),
            None => Ok(request),
        }
    }

    fn check(&self) -> Result<()> {
        let bad = |pointer: &str| !pointer.is_empty() && !pointer.starts_with('/');
        if let Some((variable, pointer)) = self.keep.iter().find(|(_, pointer)| bad(pointer)) {
            let variable = variable.replace('~', "~0").replace('/', "~1");
            return Err(Fault::config(
                format!("/keep/{variable}"),
                format!("{pointer} is no JSON pointer: it begins with /"),
            ));
        }
        if let Some(index) = self.required.iter().position(|pointer| bad(pointer)) {
            let text = format!("{} is no JSON pointer: it begins with /", self.required[index]);
            return Err(Fault::config(format!("/required/{index}"), text));
        }
        if matches!(self.method, Method::Get) && self.body.is_some() {
            return Err(Fault::config("/body", "a GET has no body"));
        }
        Ok(())
    }
}

plugin! {
    title: "HTTP lookup",
    capabilities: Capabilities::none()
        .log()
        .http("*", &[], &[])
        .secret("LOOKUP_KEY", "Key of the web service, if it wants one"),
    nodes: [Lookup],
}
