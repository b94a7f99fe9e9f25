//! Files: uploaded by bots, sent by people, handed out in two steps.

use std::collections::BTreeMap;

use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Multipart, Path, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::TimeDelta;
use domain::Time;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use whatsapp::media::{self, HEAD_BYTES};

use crate::{graph::Refusal, shared::Shared};

/// How long an address is good.
const LINK_MINUTES: i64 = 5;
/// Where addresses are below.
pub(crate) const LINKS: &str = "/lookaside";

/// A file at the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its id, as messages name it.
    pub id: String,
    /// Media type.
    pub mime_type: String,
    /// Hash as webhooks write it: in base64.
    pub sha256: String,
    /// Its bytes, which need not have that hash any more.
    pub bytes: Bytes,
}

/// All files and the addresses that were handed out.
#[derive(Debug, Default)]
pub(crate) struct Files {
    files: BTreeMap<String, File>,
    links: BTreeMap<String, (String, Time)>,
    next: u64,
    /// So many of the next addresses are dead when they are handed out.
    pub(crate) dead_links: u32,
    /// What stands before addresses instead of the emulator's own.
    pub(crate) elsewhere: Option<String>,
    /// How often bytes were handed out.
    pub(crate) reads: u64,
}

impl Files {
    /// Keeps a file. Its id is in a range of its own, so that it is never taken for a number's.
    pub(crate) fn put(&mut self, mime_type: &str, bytes: Bytes) -> File {
        self.next += 1;
        let file = File {
            id: format!("77{:014}", self.next),
            mime_type: mime_type.to_owned(),
            sha256: STANDARD.encode(Sha256::digest(&bytes)),
            bytes,
        };
        self.files.insert(file.id.clone(), file.clone());
        file
    }

    pub(crate) fn get(&self, id: &str) -> Option<File> {
        self.files.get(id).cloned()
    }

    /// Other bytes under the hash of those that were there.
    pub(crate) fn spoil(&mut self, id: &str, bytes: Bytes) {
        if let Some(file) = self.files.get_mut(id) {
            file.bytes = bytes;
        }
    }

    pub(crate) fn delete(&mut self, id: &str) -> bool {
        self.files.remove(id).is_some()
    }

    /// Whether an id looks like a file's, be it there or not.
    pub(crate) fn is_id(id: &str) -> bool {
        id.len() == 16 && id.starts_with("7700000000")
    }

    /// Where a file is, as Meta tells it: a fresh address each time.
    fn info(&mut self, id: &str, base: &str, now: Time) -> Option<Value> {
        let file = self.files.get(id)?;
        self.next += 1;
        let link = format!("{:x}", self.next);
        let mut until = now + TimeDelta::minutes(LINK_MINUTES);
        if self.dead_links > 0 {
            self.dead_links -= 1;
            until = now;
        }
        let hex =
            STANDARD.decode(&file.sha256).map(|bytes| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
        let base = self.elsewhere.as_deref().unwrap_or(base);
        let info = json!({
            "messaging_product": "whatsapp",
            "url": format!("{base}{LINKS}/{link}"),
            "mime_type": file.mime_type,
            "sha256": hex.unwrap_or_default(),
            // Meta writes it as a text in some answers.
            "file_size": file.bytes.len().to_string(),
            "id": file.id,
        });
        self.links.insert(link, (id.to_owned(), until));
        Some(info)
    }

    /// The file at an address.
    fn follow(&mut self, link: &str, now: Time) -> Option<File> {
        let (id, until) = self.links.get(link)?;
        let file = if now < *until { self.files.get(id).cloned() } else { None };
        self.reads += u64::from(file.is_some());
        file
    }
}

/// `GET /{media_id}`
pub(crate) fn info(shared: &Shared, id: &str) -> Result<Value, Refusal> {
    let (base, now) = (shared.base_url(), shared.config.clock.now());
    shared.state().files.info(id, &base, now).ok_or_else(Refusal::unknown_object)
}

/// `POST /{phone_number_id}/media`
pub(crate) async fn upload(shared: &Shared, headers: &HeaderMap, body: Bytes) -> Result<Value, Refusal> {
    let malformed = |what: &str| Refusal::of(100).details(what.to_owned());
    let mut request = Request::new(Body::from(body));
    if let Some(kind) = headers.get(header::CONTENT_TYPE) {
        request.headers_mut().insert(header::CONTENT_TYPE, kind.clone());
    }
    axum::extract::DefaultBodyLimit::disable().apply(&mut request);
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| malformed("the body is no form"))?;
    let (mut file, mut product) = (None, None);
    while let Some(field) = form.next_field().await.map_err(|_| malformed("the form is broken"))? {
        let (name, kind) = (field.name().unwrap_or_default().to_owned(), field.content_type().map(str::to_owned));
        let bytes = field.bytes().await.map_err(|_| malformed("the form is broken"))?;
        match name.as_str() {
            "file" => file = Some((kind, bytes)),
            "messaging_product" => product = Some(bytes),
            _ => {}
        }
    }
    if product.as_deref() != Some(b"whatsapp") {
        return Err(malformed("(#100) The parameter messaging_product is required."));
    }
    let Some((Some(kind), bytes)) = file else { return Err(malformed("(#100) The parameter file is required.")) };
    let Some(essence) = media::essence(&kind) else { return Err(malformed("the file's type is none")) };
    let head = &bytes[..bytes.len().min(HEAD_BYTES)];
    let check = media::File { essence: &essence, head, size: bytes.len() as u64 }.check();
    check.map_err(|fault| Refusal::of(131_053).details(fault))?;
    let id = shared.state().files.put(&essence, bytes).id;
    Ok(json!({ "id": id }))
}

/// `GET /lookaside/{link}`: the bytes, for whoever has a good token.
pub(crate) async fn bytes(State(shared): State<Arc<Shared>>, Path(link): Path<String>, headers: HeaderMap) -> Response {
    if crate::graph::token(&shared, &headers).is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let now = shared.config.clock.now();
    let file = shared.state().files.follow(&link, now);
    match file {
        Some(file) => ([(header::CONTENT_TYPE, file.mime_type)], file.bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
