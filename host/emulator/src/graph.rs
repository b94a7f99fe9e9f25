//! The Graph API itself: what Meta would answer.

use std::{collections::HashMap, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{ConnectInfo, Query, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use domain::Address;
use serde_json::{Value, json};
use whatsapp::errors;

use crate::{
    faults::Failure,
    files::{self, Files},
    limits,
    shared::Shared,
    wire::Cord,
};

/// A refusal in Meta's form.
pub(crate) struct Refusal {
    http_status: u16,
    kind: &'static str,
    code: i64,
    subcode: Option<i64>,
    message: Option<&'static str>,
    details: Option<String>,
    transient: bool,
}

impl Refusal {
    pub(crate) fn of(code: i64) -> Self {
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

    /// An id that Meta does not know, or that the token may not see.
    pub(crate) fn unknown_object() -> Self {
        let refusal = Self { http_status: 400, subcode: Some(33), kind: "GraphMethodException", ..Self::of(100) };
        refusal.details("No object of this id exists, or the token may not use it.")
    }

    pub(crate) fn details(self, details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..self }
    }

    /// The answer; counted by code.
    pub(crate) fn answer(self, shared: &Shared) -> Response {
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
    let call = match route(&shared, &method, uri.path(), &headers) {
        Ok(call) => call,
        Err(refusal) => return refusal.answer(&shared),
    };
    let result = match call {
        Call::Send(id) => return send(&shared, &id, bearer(&headers), &body, &cord).await,
        Call::Info(id) => return info(&shared, &id),
        Call::Upload => files::upload(&shared, &headers, body).await,
        Call::File(id) => files::info(&shared, &id),
        Call::DeleteFile(id) => {
            let deleted = shared.state().files.delete(&id);
            if deleted { Ok(json!({ "success": true })) } else { Err(Refusal::unknown_object()) }
        }
        Call::Templates => templates(&shared, &method, &uri, &body).await,
        Call::Template(id) => shared.state().catalogue.by_id(&id).ok_or_else(Refusal::unknown_object),
    };
    match result {
        Ok(answer) => Json(answer).into_response(),
        Err(refusal) => refusal.answer(&shared),
    }
}

/// What a request asks for, with the id of what it is about.
enum Call {
    Send(String),
    Info(String),
    Upload,
    File(String),
    DeleteFile(String),
    Templates,
    Template(String),
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
    let is_template = shared.state().catalogue.by_id(id).is_some();
    match (method, rest) {
        (&Method::GET, []) if Files::is_id(id) => Ok(Call::File((*id).to_owned())),
        (&Method::DELETE, []) if Files::is_id(id) => Ok(Call::DeleteFile((*id).to_owned())),
        (&Method::GET, []) if is_template => Ok(Call::Template((*id).to_owned())),
        (_, ["message_templates"]) if *id == shared.config.number.waba_id => Ok(Call::Templates),
        (_, ["message_templates"]) => Err(Refusal::unknown_object()),
        (&Method::POST, ["media"]) if known => Ok(Call::Upload),
        (&Method::POST, ["messages"]) if known => Ok(Call::Send((*id).to_owned())),
        (&Method::GET, []) if known => Ok(Call::Info((*id).to_owned())),
        (&Method::POST, ["messages" | "media"]) => Err(Refusal::unknown_object()),
        (&Method::GET, []) => Err(Refusal { kind: "GraphMethodException", ..Refusal::of(803) }),
        _ => Err(Refusal { message: Some("Unknown path or method"), http_status: 404, ..Refusal::of(100) }),
    }
}

/// `v22.0`
fn is_version(text: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    text.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(a, b)| digits(a) && digits(b))
}

/// The access token; empty when there is none.
fn bearer(headers: &HeaderMap) -> &str {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(|text| text.strip_prefix("Bearer ")).unwrap_or_default().trim()
}

pub(crate) fn token(shared: &Shared, headers: &HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(header::AUTHORIZATION) {
        return Err(Refusal::of(104));
    }
    let token = bearer(headers);
    let good = shared.config.token.as_deref().map_or(!token.is_empty(), |wanted| wanted == token);
    if good { Ok(()) } else { Err(Refusal { subcode: Some(463), ..Refusal::of(190) }) }
}

/// `…/message_templates`: the list, a new one, one less.
async fn templates(shared: &Shared, method: &Method, uri: &Uri, body: &[u8]) -> Result<Value, Refusal> {
    let reads = shared.state().reads_fault;
    if reads.delay_ms > 0 {
        tokio::time::sleep(Duration::from_millis(reads.delay_ms)).await;
    }
    if let Some(refusal) = reads.refusal() {
        return Err(refusal);
    }
    let query = Query::<HashMap<String, String>>::try_from_uri(uri).map(|query| query.0).unwrap_or_default();
    let id = format!("88{:014}", shared.next_id());
    let mut state = shared.state();
    match *method {
        Method::GET => {
            let given = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.starts_with("after="));
            let base = format!("{}{}?{}", shared.base_url(), uri.path(), given.collect::<Vec<_>>().join("&"));
            Ok(state.catalogue.page(&base, &|name| query.get(name).cloned()))
        }
        Method::POST => {
            let body = serde_json::from_slice(body).map_err(|_| Refusal::of(100).details("The body is not JSON."))?;
            state.catalogue.create(id, &body)
        }
        Method::DELETE => {
            let name = query.get("name").map(String::as_str).unwrap_or_default();
            if state.catalogue.delete(name) { Ok(json!({ "success": true })) } else { Err(Refusal::unknown_object()) }
        }
        _ => Err(Refusal { message: Some("Unknown path or method"), http_status: 404, ..Refusal::of(100) }),
    }
}

fn info(shared: &Shared, id: &str) -> Response {
    let number = shared.number(id).unwrap_or_else(|| shared.config.number.clone());
    Json(json!({
        "id": number.phone_number_id,
        "display_phone_number": number.display_phone_number,
        "verified_name": "Emulated business",
        "quality_rating": "GREEN",
        "throughput": { "level": shared.state().limits.level(&number.phone_number_id) },
    }))
    .into_response()
}

/// `POST …/messages`: a send, or marking as read.
async fn send(shared: &Arc<Shared>, id: &str, token: &str, body: &[u8], cord: &Cord) -> Response {
    let answer = match serde_json::from_slice::<Value>(body) {
        Ok(body) if body.get("status").is_some() => mark_read(shared, &body),
        Ok(body) => accept(shared, id, token, body, cord),
        Err(_) => Refusal::of(100).details("The body is not JSON.").answer(shared),
    };
    let delay = shared.state().faults.delay_ms;
    if delay > 0 {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if cord.is_held() {
        // Ends when the client hangs up.
        std::future::pending::<()>().await;
    }
    answer
}

/// `{messaging_product, status: "read", message_id, typing_indicator?}`
fn mark_read(shared: &Shared, body: &Value) -> Response {
    let wamid = body["message_id"].as_str().filter(|wamid| wamid.starts_with("wamid."));
    let (Some(wamid), Some("read")) = (wamid, body["status"].as_str()) else {
        return Refusal::of(131_009).details("status must be read, and message_id that of a message").answer(shared);
    };
    let is_typing = body.pointer("/typing_indicator/type").and_then(Value::as_str) == Some("text");
    let mut state = shared.state();
    state.reads.push(wamid.to_owned());
    if is_typing {
        state.typings.push(wamid.to_owned());
    }
    drop(state);
    Json(json!({ "success": true })).into_response()
}

fn accept(shared: &Arc<Shared>, id: &str, token: &str, body: Value, cord: &Cord) -> Response {
    let faults = whatsapp::limits::envelope(&body);
    let kind = whatsapp::limits::message_type(&body).unwrap_or_default().to_owned();
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
    let fit = if kind == "template" { shared.state().catalogue.check(&body["template"]) } else { Ok(()) };
    if let Err(refusal) = fit {
        return refusal.answer(shared);
    }
    let fate = shared.fate(&to, &kind);
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
        Failure::None | Failure::AcceptThenDrop | Failure::AcceptThenSilence | Failure::FailLater { .. } => {}
    }
    let account = shared.number(id).map(|number| number.waba_id).unwrap_or_default();
    if let Err(code) = shared.count(&limits::Call { token, account: &account, number: id, to: &to }) {
        return Refusal::of(code).answer(shared);
    }
    let sent = shared.accept(id, &to, by_phone, &kind, body);
    let mut contact = json!({ "input": input });
    contact[if by_phone { "wa_id" } else { "user_id" }] = json!(to);
    if let Some(person) = shared.state().people.get(&to) {
        contact["wa_id"] = json!(person.wa_id);
        contact["user_id"] = json!(person.bsuid);
    }
    let mut message = json!({ "id": sent.wamid });
    if kind == "template" {
        message["message_status"] = json!("accepted");
    }
    let failed = if let Failure::FailLater { code } = fate { Some(code) } else { None };
    shared.follow_up(sent, failed);
    match fate {
        Failure::AcceptThenDrop => cord.cut(),
        Failure::AcceptThenSilence => cord.hold(),
        _ => {}
    }
    Json(json!({ "messaging_product": "whatsapp", "contacts": [contact], "messages": [message] })).into_response()
}
