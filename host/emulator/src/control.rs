//! The emulator's own paths, for people with curl and tests in another process. See the crate's documentation.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    Faults, Inbound, Limits, Sent, Signature, Ticket, account,
    shared::Shared,
    speech::{post_raw, say},
};

/// Longest a request may wait for sends.
const WAIT_MAX: Duration = Duration::from_mins(10);

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/emulator/sent", get(sent).delete(clear))
        .route("/emulator/say", post(speak))
        .route("/emulator/webhook", post(raw))
        .route("/emulator/faults", get(faults).post(set_faults))
        .route("/emulator/limits", get(limits).post(set_limits))
        .route("/emulator/callback", put(set_callback))
        .route("/emulator/transcript", get(transcript))
        .route("/emulator/deliveries", get(deliveries))
        .route("/emulator/refusals", get(refusals))
        .route("/emulator/reads", get(reads))
        .route("/emulator/templates", post(put_template))
        .route("/emulator/templates/change", post(change_template))
        .route("/emulator/files", post(put_file))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SentQuery {
    to: Option<String>,
    #[serde(default)]
    since: u64,
    wait_for: Option<u64>,
    #[serde(default = "default_timeout")]
    timeout_ms: u64,
}

fn default_timeout() -> u64 {
    10_000
}

async fn sent(State(shared): State<Arc<Shared>>, Query(query): Query<SentQuery>) -> Response {
    let matching = || -> Vec<Sent> {
        let state = shared.state();
        let fits = |sent: &&Sent| sent.seq >= query.since && query.to.as_ref().is_none_or(|to| *to == sent.to);
        state.log.sent().filter(fits).cloned().collect()
    };
    if let Some(wanted) = query.wait_for {
        let narrow = query.to.is_some() || query.since > 0;
        let count = || if narrow { matching().len() as u64 } else { *shared.accepted.borrow() };
        let enough = shared.until(|| count() >= wanted);
        // Too few in time is told by the total.
        let _waited = tokio::time::timeout(Duration::from_millis(query.timeout_ms).min(WAIT_MAX), enough).await;
    }
    let found = matching();
    Json(json!({ "total": *shared.accepted.borrow(), "sent": found })).into_response()
}

async fn clear(State(shared): State<Arc<Shared>>) -> Response {
    let cleared = crate::speech::clear(&shared);
    Json(json!({ "cleared": cleared })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Say {
    from: String,
    text: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    content: Option<Value>,
    name: Option<String>,
    username: Option<String>,
    bsuid: Option<String>,
    wamid: Option<String>,
    phone_number_id: Option<String>,
    context: Option<String>,
    #[serde(default)]
    wait: bool,
}

async fn speak(State(shared): State<Arc<Shared>>, Json(say_what): Json<Say>) -> Response {
    let Say { from, text, kind, content, name, username, bsuid, wamid, phone_number_id, context, wait } = say_what;
    let mut inbound = match (text, kind, content) {
        (Some(text), None, None) => Inbound::text(&from, &text),
        (None, Some(kind), Some(content)) => Inbound::new(&from, &kind, content),
        _ => return (StatusCode::BAD_REQUEST, "give either text, or type and content\n").into_response(),
    };
    inbound.name = name;
    inbound.username = username;
    inbound.bsuid = bsuid.or(inbound.bsuid);
    inbound.wamid = wamid;
    inbound.phone_number_id = phone_number_id;
    if let Some(wamid) = context {
        inbound = inbound.context(&wamid);
    }
    let Ticket { wamids, report } = say(&shared, &[inbound]);
    let mut answer = json!({ "wamid": wamids.first() });
    if wait {
        answer["delivery"] = match report.await {
            Ok(Ok(delivered)) => json!({ "delivered": true, "attempts": delivered.attempts }),
            Ok(Err(given_up)) => json!({ "delivered": false, "attempts": given_up.attempts, "last": given_up.last }),
            Err(_) => json!({ "delivered": false }),
        };
    }
    Json(answer).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery {
    #[serde(default)]
    signature: Signature,
}

async fn raw(State(shared): State<Arc<Shared>>, Query(query): Query<RawQuery>, body: Bytes) -> Response {
    match post_raw(&shared, &body, query.signature).await {
        Ok((status, text)) => Json(json!({ "http_status": status, "body": text })).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error}\n")).into_response(),
    }
}

async fn faults(State(shared): State<Arc<Shared>>) -> Json<Faults> {
    Json(shared.state().faults.clone())
}

async fn set_faults(State(shared): State<Arc<Shared>>, Json(faults): Json<Faults>) -> Json<Faults> {
    shared.state().faults = faults.clone();
    Json(faults)
}

async fn limits(State(shared): State<Arc<Shared>>) -> Json<Limits> {
    Json(shared.state().limits.clone())
}

async fn set_limits(State(shared): State<Arc<Shared>>, Json(limits): Json<Limits>) -> Json<Limits> {
    shared.state().limits = limits.clone();
    Json(limits)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Callback {
    url: Option<String>,
}

async fn set_callback(State(shared): State<Arc<Shared>>, Json(callback): Json<Callback>) -> StatusCode {
    shared.state().callback_url = callback.url;
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TranscriptQuery {
    phone: String,
}

async fn transcript(State(shared): State<Arc<Shared>>, Query(query): Query<TranscriptQuery>) -> String {
    let lines = shared.state().log.transcript(&query.phone);
    lines.iter().map(|line| format!("{line}\n")).collect()
}

async fn deliveries(State(shared): State<Arc<Shared>>) -> Response {
    let reports: Vec<_> = shared.state().deliveries.values().cloned().collect();
    Json(json!({ "pending": *shared.pending.borrow(), "deliveries": reports })).into_response()
}

async fn reads(State(shared): State<Arc<Shared>>) -> Response {
    let state = shared.state();
    Json(json!({ "reads": state.reads, "typings": state.typings })).into_response()
}

async fn refusals(State(shared): State<Arc<Shared>>) -> Response {
    let counts: serde_json::Map<String, Value> =
        shared.state().refusals.iter().map(|(code, count)| (code.to_string(), json!(count))).collect();
    Json(counts).into_response()
}

async fn put_template(State(shared): State<Arc<Shared>>, Json(definition): Json<Value>) -> Response {
    if !definition["name"].is_string() {
        return (StatusCode::BAD_REQUEST, "give a name\n").into_response();
    }
    let id = account::put_template(&shared, &definition);
    Json(json!({ "id": id })).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TemplateChange {
    name: String,
    language: String,
    status: Option<String>,
    reason: Option<String>,
    quality: Option<String>,
    category: Option<String>,
}

async fn change_template(State(shared): State<Arc<Shared>>, Json(change): Json<TemplateChange>) -> StatusCode {
    let TemplateChange { name, language, status, reason, quality, category } = change;
    let template = (name.as_str(), language.as_str());
    if let Some(status) = status {
        drop(account::set_template_status(&shared, template, &status, reason.as_deref()));
    }
    if let Some(score) = quality {
        drop(account::set_template_quality(&shared, template, &score));
    }
    if let Some(category) = category {
        drop(account::set_template_category(&shared, template, &category));
    }
    StatusCode::NO_CONTENT
}

async fn put_file(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let kind =
        headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("application/octet-stream");
    let file = shared.state().files.put(kind, body);
    Json(json!({ "id": file.id, "sha256": file.sha256, "mime_type": file.mime_type })).into_response()
}
