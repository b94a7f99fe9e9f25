//! The ceiling: what HTTP alone can do. Verifies the signature, answers, posts one reply, keeps nothing.

use std::sync::Arc;

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::options::Ceiling;

struct Bare {
    graph: String,
    secret: String,
    http: reqwest::Client,
}

/// Serves until it is killed. Says where on its first line.
#[tokio::main]
pub(crate) async fn serve(options: &Ceiling) -> Result<(), String> {
    whatsapp::client::install_tls();
    #[expect(clippy::disallowed_methods, reason = "posts to the generator, on this machine")]
    let http = reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .tcp_nodelay(true)
        .build()
        .map_err(|error| error.to_string())?;
    let bare = Bare { graph: options.graph.clone(), secret: options.secret.clone(), http };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    println!("{}", listener.local_addr().map_err(|error| error.to_string())?);
    let router = Router::new().route("/whatsapp/webhook", post(receive)).with_state(Arc::new(bare));
    axum::serve(listener, router).await.map_err(|error| error.to_string())
}

async fn receive(State(bare): State<Arc<Bare>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let signature = headers.get("x-hub-signature-256").and_then(|value| value.to_str().ok()?.strip_prefix("sha256="));
    let Some(signature) = signature.and_then(|hex| hex::decode(hex).ok()) else { return StatusCode::UNAUTHORIZED };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(bare.secret.as_bytes()) else { return StatusCode::UNAUTHORIZED };
    mac.update(&body);
    if mac.verify_slice(&signature).is_err() {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(webhook) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let message = &webhook["entry"][0]["changes"][0]["value"]["messages"][0];
    let reply = json!({
        "messaging_product": "whatsapp",
        "to": message["from"],
        "type": "text",
        "text": {"body": format!("re {}", message["text"]["body"].as_str().unwrap_or_default())},
    });
    tokio::spawn(async move {
        // What becomes of it is not this server's concern: it keeps nothing.
        let _ = bare.http.post(&bare.graph).bearer_auth("load").json(&reply).send().await;
    });
    StatusCode::OK
}
