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
    #[arg(long, env = "CHATBOOST_API_KEY", hide_env_values = true)]
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
    pub(in crate::cli) fn api(&self) -> Result<Api, String> {
        Api::new(&self.server, &self.key)
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
