//! The Graph API itself: what Meta would answer.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use domain::Address;
use serde_json::{Value, json};
use whatsapp::{errors, limits};

use crate::{faults::Failure, shared::Shared, wire::Cord};

/// A refusal in Meta's form.
struct Refusal {
    http_status: u16,
    kind: &'static str,
    code: i64,
    subcode: Option<i64>,
    message: Option<&'static str>,
    details: Option<String>,
    transient: bool,
}

impl Refusal {
    fn of(code: i64) -> Self {
        Self {
            http_status: errors::usual_http_status(code),
            kind: "OAuthException",
            code,
            subcode: None,
            message: None,
            details: None,
            transient: false,
        }
    }

    fn details(self, details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..self }
    }

    /// The answer; counted by code.
    fn answer(self, shared: &Shared) -> Response {
        *shared.state().refusals.entry(self.code).or_default() += 1;
        let meaning = errors::meaning(self.code).unwrap_or("refused by the emulator");
        let mut error = json!({
            "message": self.message.map_or_else(|| format!("(#{}) {meaning}", self.code), str::to_owned),
            "type": self.kind,
            "code": self.code,
            "fbtrace_id": format!("A{:016x}", shared.next_id()),
        });
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        if let Some(details) = self.details {
            error["error_data"] = json!({ "messaging_product": "whatsapp", "details": details });
        }
        if self.transient {
            error["is_transient"] = json!(true);
        }
        let status = StatusCode::from_u16(self.http_status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, Json(json!({ "error": error }))).into_response()
    }
}

/// Every path that is not the emulator's own.
pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(cord): ConnectInfo<Cord>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if shared.is_stopped() {
        cord.cut();
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let refusal = match route(&shared, &method, uri.path(), &headers) {
        Ok(Call::Send(id)) => return send(&shared, &id, &body, &cord).await,
        Ok(Call::Info(id)) => return info(&shared, &id),
        Err(refusal) => refusal,
    };
    refusal.answer(&shared)
}

/// What a request asks for, with the phone number id.
enum Call {
    Send(String),
    Info(String),
}

fn route(shared: &Shared, method: &Method, path: &str, headers: &HeaderMap) -> Result<Call, Refusal> {
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let [version, id, rest @ ..] = segments.as_slice() else {
        return Err(Refusal { message: Some("Unknown path"), http_status: 404, ..Refusal::of(100) });
    };
    if !is_version(version) {
        return Err(Refusal { message: Some("The version must look like v22.0"), ..Refusal::of(100) });
    }
    token(shared, headers)?;
    let known = shared.number(id).is_some();
    match (method, rest) {
        (&Method::POST, ["messages"]) if known => Ok(Call::Send((*id).to_owned())),
        (&Method::GET, []) if known => Ok(Call::Info((*id).to_owned())),
        (&Method::POST, ["messages"]) => {
            let refusal =
                Refusal { http_status: 400, subcode: Some(33), kind: "GraphMethodException", ..Refusal::of(100) };
            Err(refusal.details("No object of this id exists, or the token may not use it."))
        }
        (&Method::GET, []) => Err(Refusal { kind: "GraphMethodException", ..Refusal::of(803) }),
        _ => Err(Refusal { message: Some("Unknown path or method"), http_status: 404, ..Refusal::of(100) }),
    }
}

/// `v22.0`
fn is_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(a, b)| digits(a) && digits(b))
}

fn token(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Err(Refusal::of(104)) };
    let token = value.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default().trim();
    let good = shared.config.token.as_deref().map_or(!token.is_empty(), |wanted| wanted == token);
    if good { Ok(()) } else { Err(Refusal { subcode: Some(463), ..Refusal::of(190) }) }
}

fn info(shared: &Shared, id: &str) -> Response {
    let number = shared.number(id).unwrap_or_else(|| shared.config.number.clone());
    Json(json!({
        "id": number.phone_number_id,
        "display_phone_number": number.display_phone_number,
        "verified_name": "Emulated business",
        "quality_rating": "GREEN",
        "throughput": { "level": "STANDARD" },
    }))
    .into_response()
}

/// `POST …/messages`: a send, or marking as read.
async fn send(shared: &Arc<Shared>, id: &str, body: &[u8], cord: &Cord) -> Response {
    let answer = match serde_json::from_slice::<Value>(body) {
        Ok(body) if body.get("status").is_some() => mark_read(shared, &body),
        Ok(body) => accept(shared, id, body, cord),
        Err(_) => Refusal::of(100).details("The body is not JSON.").answer(shared),
    };
    let delay = shared.state().faults.delay_ms;
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    answer
}

/// `{messaging_product, status: "read", message_id, typing_indicator?}`
fn mark_read(shared: &Shared, body: &Value) -> Response {
    let wamid = body["message_id"].as_str().filter(|wamid| wamid.starts_with("wamid."));
    let (Some(wamid), Some("read")) = (wamid, body["status"].as_str()) else {
        return Refusal::of(131_009).details("status must be read, and message_id that of a message").answer(shared);
    };
    shared.state().reads.push(wamid.to_owned());
    Json(json!({ "success": true })).into_response()
}

fn accept(shared: &Arc<Shared>, id: &str, body: Value, cord: &Cord) -> Response {
    let faults = limits::envelope(&body);
    let kind = limits::message_type(&body).unwrap_or_default().to_owned();
    if !faults.is_empty() {
        let details: Vec<String> = faults.iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
        let code = if kind == "interactive" { 131_009 } else { 100 };
        return Refusal::of(code).details(details.join("; ")).answer(shared);
    }
    let (input, by_phone) = match (body["to"].as_str(), body["recipient"].as_str()) {
        (Some(to), _) => (to.to_owned(), body["recipient_type"] != "group"),
        (None, recipient) => (recipient.unwrap_or_default().to_owned(), false),
    };
    let to = match Address::parse(&input) {
        Ok(Address::Phone(digits)) if by_phone => digits,
        _ => input.clone(),
    };
    if shared.number(id).is_some_and(|number| number.display_phone_number == to) {
        return Refusal::of(131_021).answer(shared);
    }
    let fate = shared.fate(&to);
    match fate {
        Failure::Code { code, http_status, details, transient } => {
            let refusal = Refusal { details, transient, ..Refusal::of(code) };
            return Refusal { http_status: http_status.unwrap_or(refusal.http_status), ..refusal }.answer(shared);
        }
        Failure::Gateway { http_status } => {
            let status = StatusCode::from_u16(http_status).unwrap_or(StatusCode::BAD_GATEWAY);
            return (status, "<html><body>upstream failed</body></html>").into_response();
        }
        Failure::DropBeforeAccept => {
            cord.cut();
            return StatusCode::OK.into_response();
        }
        Failure::None | Failure::AcceptThenDrop | Failure::FailLater { .. } => {}
    }
    let sent = shared.accept(id, &to, by_phone, &kind, body);
    let mut contact = json!({ "input": input });
    contact[if by_phone { "wa_id" } else { "user_id" }] = json!(to);
    let mut message = json!({ "id": sent.wamid });
    if kind == "template" {
        message["message_status"] = json!("accepted");
    }
    let failed = if let Failure::FailLater { code } = fate { Some(code) } else { None };
    shared.follow_up(sent, failed);
    if fate == Failure::AcceptThenDrop {
        cord.cut();
    }
    Json(json!({ "messaging_product": "whatsapp", "contacts": [contact], "messages": [message] })).into_response()
}
