//! Speaking to a server through its API, as its users do.

use clap::Args;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// Which server, as whom.
#[derive(Debug, Args)]
pub(in crate::cli) struct Server {
    /// Address of the server
    #[arg(long, env = "CHATBOOST_URL", default_value = "http://127.0.0.1:8000")]
    server: String,
    /// API key, made with POST /auth/api-keys
    #[arg(long, env = "CHATBOOST_API_KEY", default_value = "", hide_default_value = true, hide_env_values = true)]
    key: String,
}

/// A server with credentials.
pub(in crate::cli) struct Api {
    base: String,
    key: String,
    client: Client,
}

impl Server {
    /// A client for it.
    ///
    /// # Errors
    /// When the address or the key can be none.
    pub(in crate::cli) fn api(&self) -> Result<Api, String> {
        let is_address = reqwest::Url::parse(&self.server)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
        if !is_address {
            let given = &self.server;
            return Err(format!("`{given}` is no address of a server; write for example http://127.0.0.1:8000"));
        }
        let key = self.key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what = if key.is_empty() { "lacks its value" } else { "is no API key" };
            return Err(format!("CHATBOOST_API_KEY (or --key) {what}; POST /auth/api-keys makes one"));
        }
        Api::new(&self.server, key)
    }

    /// Where it is.
    pub(in crate::cli) fn address(&self) -> &str {
        &self.server
    }
}

impl Api {
    /// A server that the user named, which may be anywhere.
    #[expect(clippy::disallowed_methods, reason = "the command line's own client: it calls what its user names")]
    fn new(base: &str, key: &str) -> Result<Self, String> {
        whatsapp::client::install_tls();
        let client = Client::builder().build().map_err(|error| error.to_string())?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), key: key.to_owned(), client })
    }

    /// A server in this process: no proxy stands before it, and no certificate is needed.
    #[expect(clippy::disallowed_methods, reason = "the command line's own client: it calls this very process")]
    pub(in crate::cli) fn local(base: &str, token: &str) -> Result<Self, String> {
        whatsapp::client::install_tls();
        let client = Client::builder().no_proxy().tls_certs_only([]).build().map_err(|error| error.to_string())?;
        Ok(Self { base: base.to_owned(), key: token.to_owned(), client })
    }

    /// Posts JSON.
    pub(in crate::cli) async fn post(&self, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self.send(self.request(Method::POST, path).json(body)).await;
        answer.map_err(|error| format!("POST {path} answered {error}"))
    }

    /// A request to fill in.
    pub(in crate::cli) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// Sends a request. Anything but a success is a text for people.
    pub(in crate::cli) async fn send(&self, request: RequestBuilder) -> Result<Value, String> {
        let answer =
            request.send().await.map_err(|error| format!("{} does not answer: {}", self.base, cause(&error)))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let said = body["detail"].as_str().or_else(|| body["title"].as_str()).unwrap_or(&text);
        let mut lines = Vec::new();
        for error in body["errors"].as_array().into_iter().flatten() {
            let (at, what) =
                (error["pointer"].as_str().unwrap_or_default(), error["detail"].as_str().unwrap_or_default());
            lines.push(if at.is_empty() { what.to_owned() } else { format!("{at}: {what}") });
        }
        for finding in body["findings"].as_array().into_iter().flatten() {
            let word = |name: &str| finding[name].as_str().unwrap_or_default();
            let at = finding["at"].as_str().map(|at| format!("{at}: ")).unwrap_or_default();
            lines.push(format!("{at}{} ({})", word("message"), word("code")));
        }
        // What says all that there is to say is not said twice.
        match lines.as_slice() {
            [only] if only.contains(said) => Err(format!("{status}: {only}")),
            [] => Err(format!("{status}: {said}")),
            _ => Err(format!("{status}: {said}\n  {}", lines.join("\n  "))),
        }
    }
}

/// What is at the bottom of an error: it says most, e.g. that the connection was refused.
fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
