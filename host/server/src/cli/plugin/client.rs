//! Speaking to a server as a plugin's author does: address and API key.

use clap::Args;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// Which server, as whom.
#[derive(Debug, Args)]
pub(super) struct Server {
    /// Address of the server
    #[arg(long, env = "CHATBOOST_URL", default_value = "http://127.0.0.1:8000")]
    server: String,
    /// API key, made with POST /auth/api-keys
    #[arg(long, env = "CHATBOOST_API_KEY", hide_env_values = true)]
    key: String,
}

/// A server with credentials.
pub(super) struct Api {
    base: String,
    key: String,
    client: Client,
}

impl Server {
    /// A client for it.
    pub(super) fn api(&self) -> Result<Api, String> {
        Api::new(&self.server, &self.key)
    }
}

impl Api {
    #[expect(clippy::disallowed_methods, reason = "the command line's own client: it calls what its user names")]
    pub(super) fn new(base: &str, key: &str) -> Result<Self, String> {
        whatsapp::client::install_tls();
        let client = Client::builder().build().map_err(|error| error.to_string())?;
        Ok(Self { base: base.trim_end_matches('/').to_owned(), key: key.to_owned(), client })
    }

    /// A request to fill in.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// Sends a request. Anything but a success is a text for people.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Value, String> {
        let answer = request.send().await.map_err(|error| format!("{} does not answer: {error}", self.base))?;
        let status = answer.status();
        let text = answer.text().await.map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_str(&text).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(body);
        }
        let mut lines = vec![match body["detail"].as_str().or_else(|| body["title"].as_str()) {
            Some(detail) => format!("{status}: {detail}"),
            None => format!("{status}: {text}"),
        }];
        for error in body["errors"].as_array().into_iter().flatten() {
            let (at, what) =
                (error["pointer"].as_str().unwrap_or_default(), error["detail"].as_str().unwrap_or_default());
            lines.push(if at.is_empty() { format!("  {what}") } else { format!("  {at}: {what}") });
        }
        for finding in body["findings"].as_array().into_iter().flatten() {
            let word = |name: &str| finding[name].as_str().unwrap_or_default();
            lines.push(format!("  {} {} ({})", word("at"), word("message"), word("code")));
        }
        Err(lines.join("\n"))
    }
}
