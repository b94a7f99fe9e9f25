//! `GET /whatsapp/media/{message_id}`

use std::{io, sync::Arc};

use axum::{
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use domain::MessageId;
use futures_util::{StreamExt, TryStreamExt, stream};
use storage::MessageRow;
use whatsapp::media::essence;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        id::Id,
        problem::{Problem, Result},
    },
    media::{Fetched, FileRef},
};

/// So much of a file is fetched and, if that is all, checked before anything is answered.
const CHECKED_FIRST_BYTES: usize = 1024 * 1024;
/// What files without a usable type are.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The file of a message.
///
/// From where files are kept, else from Meta, which has received files for a week and uploaded ones for 30 days. The
/// connection breaks off before the end if the bytes turn out not to be those that Meta announced: a body that is as long
/// as `Content-Length`, or ends properly, is the right one.
#[utoipa::path(
    get, path = "/whatsapp/media/{message_id}", tag = "whatsapp", operation_id = "get_media",
    params(("message_id" = i64, Path, description = "Id of the message, as in the message history")),
    responses(
        (status = OK, description = "The file, with its own media type", content_type = "*/*"),
        (status = NOT_FOUND, description = "No such message, it has no file, or WhatsApp does not have it any more"),
        (status = CONFLICT, description = "The bot has no access token"),
        (status = BAD_GATEWAY, description = "Meta refused, or what it gave is not what it announced"),
    )
)]
pub(in crate::http) async fn get(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Id(id): Id<MessageId>,
) -> Result<Response> {
    let missing = || Problem::not_found("message");
    let mut tx = app.db.read().await?;
    let message = tx.message(id).await?.ok_or_else(missing)?;
    let bot = tx.bot(current.id, message.bot_id).await?.ok_or_else(missing)?;
    tx.commit().await?;
    let Some(file) = FileRef::of(&message.r#type, &message.content) else {
        return Err(Problem::not_found("file: the message has none that is at WhatsApp"));
    };
    let media = app.work.media();
    if let Some(kept) = media.kept(id).await? {
        let headers = headers(&message, kept.mime_type.as_deref(), Some(kept.size));
        let bytes =
            kept.bytes.inspect_err(|error| tracing::warn!(%error, "a kept file broke off")).map_err(io::Error::other);
        return Ok((headers, Body::from_stream(bytes)).into_response());
    }
    let mut fetched = media.fetch(&bot, &file).await?;
    let mut first = Vec::new();
    let mut is_whole = false;
    while first.len() < CHECKED_FIRST_BYTES && !is_whole {
        match fetched.chunk().await? {
            Some(bytes) => first.extend_from_slice(&bytes),
            None => is_whole = true,
        }
    }
    let size = if is_whole { Some(first.len() as u64) } else { fetched.size() };
    let headers = headers(&message, fetched.mime_type(), size);
    let body = if is_whole { Body::from(first) } else { Body::from_stream(rest(first.into(), fetched)) };
    Ok((headers, body).into_response())
}

/// What was fetched already, and then the rest as it comes.
fn rest(first: Bytes, fetched: Fetched) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    let later = stream::try_unfold(fetched, async |mut fetched| match fetched.chunk().await {
        Ok(bytes) => Ok(bytes.map(|bytes| (bytes, fetched))),
        Err(error) => {
            tracing::warn!(%error, "a file broke off on its way");
            Err(io::Error::other(error))
        }
    });
    stream::once(std::future::ready(Ok(first))).chain(later)
}

/// Files come from strangers: no browser may take one for a page of this server.
fn headers(message: &MessageRow, mime_type: Option<&str>, size: Option<u64>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mime_type = mime_type.filter(|text| essence(text).is_some()).and_then(|text| HeaderValue::from_str(text).ok());
    headers.insert(header::CONTENT_TYPE, mime_type.unwrap_or(HeaderValue::from_static(UNKNOWN_TYPE)));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    if let Some(size) = size {
        headers.insert(header::CONTENT_LENGTH, size.into());
    }
    let name = message.content.get("filename").and_then(|name| name.as_str()).filter(|name| !name.is_empty());
    let name = name.map_or_else(|| format!("{}-{}", message.r#type, message.id), str::to_owned);
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{}", encoded(&name))) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers
}

/// A text as RFC 8187 wants it in a header.
fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}
