//! A client of the API.

use std::time::{Duration, Instant};

use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};

/// Longest time for one answer.
const PATIENCE: Duration = Duration::from_secs(90);
/// What every test user's password is.
const PASSWORD: &str = "correct horse";

/// A client of the API, logged in or not.
#[derive(Debug, Clone)]
pub struct Api {
    base_url: String,
    token: Option<String>,
    client: Client,
}

/// What the server said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status code.
    pub status: u16,
    /// Header names and values.
    pub headers: HeaderMap,
    /// The body as text.
    pub text: String,
    asked: String,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// A header, empty when it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body of an answer that must have this status.
    #[track_caller]
    pub fn must_be(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {}", self.asked, self.text);
        self.json()
    }

    /// The problem document of an answer that must have this status, checked for its form.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        let body = self.must_be(status);
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.asked);
        assert_eq!(body["status"], status, "{body}");
        assert!(body["type"].as_str().is_some_and(|kind| kind.starts_with("/problems/")), "{body}");
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
        body
    }

    /// The pointers of a 422, sorted.
    #[track_caller]
    pub fn faults(&self) -> Vec<String> {
        let body = self.problem(422);
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("{}: no errors in {body}", self.asked));
        let mut pointers: Vec<_> =
            errors.iter().map(|error| error["pointer"].as_str().expect("a pointer").to_owned()).collect();
        pointers.sort();
        pointers
    }
}

impl Api {
    /// A client of the server at `http://host:port`, not logged in.
    #[expect(clippy::disallowed_methods, reason = "the tests' own client")]
    pub fn at(base_url: &str) -> Self {
        whatsapp::client::install_tls();
        let client = Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE).build().expect("a client");
        Self { base_url: base_url.to_owned(), token: None, client }
    }

    /// The same, once the server answers.
    pub async fn wait_for(base_url: &str) -> Self {
        let api = Self::at(base_url);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match api.client.get(format!("{base_url}/health/ready")).send().await {
                Ok(answer) if answer.status().is_success() => return api,
                outcome if Instant::now() > deadline => panic!("{base_url} does not answer: {outcome:?}"),
                _ => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// The client of a new user of this name.
    pub async fn registered(&self, username: &str) -> Self {
        let user = json!({ "username": username, "email": format!("{username}@example.com"), "password": PASSWORD });
        self.send(Method::POST, "/auth/register", Some(&user)).await.must_be(201);
        self.logged_in(username).await
    }

    /// The client of a user who is registered.
    pub async fn logged_in(&self, username: &str) -> Self {
        let login = json!({ "username": username, "password": PASSWORD });
        let token = self.send(Method::POST, "/auth/token", Some(&login)).await.must_be(200);
        self.with_token(token["access_token"].as_str().expect("a token"))
    }

    /// The client with this access token or API key.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The client that has not logged in.
    pub fn anonymous(&self) -> Self {
        Self { token: None, ..self.clone() }
    }

    /// The access token or API key.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// Sends a request, with a JSON body or none.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let body = body.map(|body| ("application/json", body.to_string().into_bytes()));
        self.send_raw(method, path, body).await
    }

    /// Posts a JSON body with a header.
    pub async fn post_with(&self, path: &str, header: (&str, &str), body: &Value) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base_url)).header(header.0, header.1);
        let request = request.header("content-type", "application/json").body(body.to_string());
        self.answer(format!("POST {path}"), request).await
    }

    /// Sends a request with any body.
    pub async fn send_raw(&self, method: Method, path: &str, body: Option<(&str, Vec<u8>)>) -> Answer {
        let asked = format!("{method} {path}");
        let mut request = self.client.request(method, format!("{}{path}", self.base_url));
        if let Some((kind, bytes)) = body {
            request = request.header("content-type", kind).body(bytes);
        }
        self.answer(asked, request).await
    }

    async fn answer(&self, asked: String, mut request: RequestBuilder) -> Answer {
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap_or_else(|error| panic!("{asked}: {error:?}"));
        Answer { status, headers, text, asked }
    }

    /// Posts bytes with headers of the caller's choice, and tells the status.
    pub async fn post_bytes(&self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> u16 {
        let mut request = self.client.post(format!("{}{path}", self.base_url)).body(body.to_vec());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap_or_else(|error| panic!("POST {path}: {error:?}")).status().as_u16()
    }

    /// The bytes of what is there, or why they did not come to a proper end.
    pub async fn bytes(&self, path: &str) -> Result<Vec<u8>, String> {
        let mut request = self.client.get(format!("{}{path}", self.base_url));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(|error| error.to_string())?;
        if !answer.status().is_success() {
            return Err(answer.status().to_string());
        }
        answer.bytes().await.map(Vec::from).map_err(|error| error.to_string())
    }

    async fn succeed(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        let answer = self.send(method, path, body).await;
        assert!((200..300).contains(&answer.status), "{}: {} {}", answer.asked, answer.status, answer.text);
        answer.json()
    }

    /// What is there. It must be.
    pub async fn get(&self, path: &str) -> Value {
        self.succeed(Method::GET, path, None).await
    }

    /// Makes something. It must work.
    pub async fn post(&self, path: &str, body: Value) -> Value {
        self.succeed(Method::POST, path, Some(&body)).await
    }

    /// Changes something. It must work.
    pub async fn put(&self, path: &str, body: Value) -> Value {
        self.succeed(Method::PUT, path, Some(&body)).await
    }

    /// Deletes something. It must work.
    pub async fn delete(&self, path: &str) {
        self.succeed(Method::DELETE, path, None).await;
    }

    /// A new bot's id.
    pub async fn bot(&self, name: &str) -> i64 {
        self.post("/bots/", json!({ "name": name })).await["id"].as_i64().expect("an id")
    }

    /// The id of a new flow that says one text.
    pub async fn flow(&self, bot: i64, text: &str) -> i64 {
        let node = json!({
            "type": "send_message", "config": { "message_type": "text", "content": { "text": text } },
        });
        let flow = json!({ "bot_id": bot, "name": text, "nodes": [node] });
        self.post("/bots/flows/", flow).await["id"].as_i64().expect("an id")
    }
}
