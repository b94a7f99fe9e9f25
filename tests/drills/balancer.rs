//! A load balancer: each webhook goes to the next host, whether that is well or not. What fails, Meta delivers again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use tokio::{net::TcpListener, task::JoinHandle};

/// How long a host may take to answer before it is given up. Longer than it waits for its database (5 s).
const PATIENCE: Duration = Duration::from_secs(8);

/// A running balancer; ends when dropped.
pub(crate) struct Balancer {
    shared: Arc<Shared>,
    url: String,
    serving: JoinHandle<()>,
}

struct Shared {
    http: reqwest::Client,
    state: Mutex<Inner>,
}

struct Inner {
    ports: Vec<u16>,
    next: usize,
    answers: BTreeMap<u16, u64>,
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Balancer {
    /// One in front of hosts on these ports of 127.0.0.1.
    pub(crate) async fn start(ports: Vec<u16>) -> Result<Self, String> {
        let state = Mutex::new(Inner { ports, next: 0, answers: BTreeMap::new() });
        let shared = Arc::new(Shared { http: client()?, state });
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let router = Router::new().route("/whatsapp/webhook", post(forward)).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            // Serving ends only with the task.
            let _never = axum::serve(listener, router).await;
        });
        Ok(Self { shared, url: format!("http://{address}/whatsapp/webhook"), serving })
    }

    /// Where webhooks are to go.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// From now on only these hosts get webhooks.
    pub(crate) fn aim(&self, ports: Vec<u16>) {
        self.shared.state().ports = ports;
    }

    /// How often hosts have answered so; 502 stands for no answer, too.
    pub(crate) fn answered(&self, status: u16) -> u64 {
        self.shared.state().answers.get(&status).copied().unwrap_or(0)
    }

    /// The answers of hosts that no webhook of Meta's may ever get, with how often: neither taken (200) nor put off.
    pub(crate) fn wrong_answers(&self) -> Vec<(u16, u64)> {
        let state = self.shared.state();
        let is_right = |status: u16| matches!(status, 200 | 502 | 503);
        state
            .answers
            .iter()
            .filter(|(status, _)| !is_right(**status))
            .map(|(status, count)| (*status, *count))
            .collect()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, Inner> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next_port(&self) -> u16 {
        let mut state = self.state();
        state.next += 1;
        state.ports[state.next % state.ports.len()]
    }
}

async fn forward(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let url = format!("http://127.0.0.1:{}/whatsapp/webhook", shared.next_port());
    let mut request = shared.http.post(url).body(body);
    for name in [header::CONTENT_TYPE.as_str(), whatsapp::signature::HEADER] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value.clone());
        }
    }
    let status = match request.send().await {
        Ok(answer) => answer.status(),
        Err(_) => StatusCode::BAD_GATEWAY,
    };
    *shared.state().answers.entry(status.as_u16()).or_default() += 1;
    status.into_response()
}

/// The client that hosts are asked with.
#[expect(clippy::disallowed_methods, reason = "the drills' own client, on this machine")]
pub(crate) fn client() -> Result<reqwest::Client, String> {
    whatsapp::client::install_tls();
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(PATIENCE).build();
    client.map_err(|error| error.to_string())
}
