//! `POST /whatsapp/media`

use std::{io::SeekFrom, sync::Arc};

use axum::{
    Json,
    extract::{
        DefaultBodyLimit, FromRequest, Multipart, Request, State,
        multipart::{Field, MultipartError},
    },
    http::StatusCode,
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{BotId, Fault};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::{
    fs::File,
    io::{AsyncSeekExt, AsyncWriteExt},
};
use utoipa::ToSchema;
use whatsapp::{
    client::Upload,
    media::{self, BYTES_MAX, HEAD_BYTES, UPLOAD_DAYS},
};

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        problem::{Kind, Problem, Result},
        whatsapp::meta,
    },
};

/// Most bytes of a request: the largest file, and what stands around it.
const REQUEST_BYTES_MAX: usize = 101 * 1024 * 1024;
/// Most characters of a file name.
const FILENAME_CHARS_MAX: usize = 240;
/// Most bytes of the field `type`.
const TYPE_BYTES_MAX: usize = 200;

/// A file to be uploaded.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes the body; Parts reads it")]
pub(in crate::http) struct MediaUpload {
    /// The file, with its media type. JPEG and PNG: 5 MB; MP4 and 3GPP video, AAC, AMR, MP3, M4A and Ogg audio: 16 MB; WebP
    /// stickers: 100 KB, or 500 KB if they move; all others are documents: 100 MB.
    #[schema(value_type = String, format = Binary)]
    file: Vec<u8>,
    /// The media type, if the file's part does not say it.
    r#type: Option<String>,
}

/// A file at Meta, to be sent as `media_id`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct UploadedMedia {
    /// Meta's id.
    id: String,
    /// What it can be sent as: `image`, `video`, `audio`, `sticker` or `document`.
    media_type: String,
    mime_type: String,
    filename: String,
    /// In bytes.
    size: u64,
    /// In hexadecimal.
    sha256: String,
    /// When Meta deletes it.
    expires_at: DateTime<Utc>,
}

/// Upload a file, to be sent by its id.
///
/// The file is checked first and then passed on to Meta.
#[utoipa::path(
    post, path = "/whatsapp/media", tag = "whatsapp", operation_id = "upload_media",
    params(("bot_id" = i64, Query, description = "The bot that will send it")),
    request_body(content = MediaUpload, content_type = "multipart/form-data"),
    responses(
        (status = CREATED, body = UploadedMedia),
        (status = NOT_FOUND, description = "No such bot"),
        (status = CONFLICT, description = "The bot has no WhatsApp credentials"),
        (status = BAD_GATEWAY, description = "Meta refused; `code` and `details` are Meta's"),
    )
)]
pub(in crate::http) async fn upload(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
    mut request: Request,
) -> Result<(StatusCode, Json<UploadedMedia>)> {
    let bot = query.id::<BotId>("bot_id").needed();
    let Some(bot) = bot else { return Err(query.into()) };
    query.finish()?;
    let mut tx = app.db.read().await?;
    let bot = tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    tx.commit().await?;

    DefaultBodyLimit::max(REQUEST_BYTES_MAX).apply(&mut request);
    let form = Multipart::from_request(request, &()).await.map_err(|_| {
        Problem::new(Kind::UNSUPPORTED_MEDIA_TYPE, "send a form of the type multipart/form-data with its boundary")
    })?;
    let desk = app.work.media();
    let busy = |_| Problem::new(Kind::UNAVAILABLE, "too many uploads at once").retry_after(5);
    let _place = desk.uploads.try_acquire().map_err(busy)?;
    let Parts { file, mime_type } = read(&app, form).await?;

    let fault = |detail: String| Problem::invalid(vec![Fault::new("/file", detail)]);
    let Some(Spooled { mut content, head, size, hash, filename, declared }) = file else {
        return Err(fault("is missing".into()));
    };
    let given = declared.filter(|declared| declared != "application/octet-stream").or(mime_type);
    let Some(given) = given else { return Err(fault("does not say its media type".into())) };
    let Some(essence) = media::essence(&given) else { return Err(fault(format!("has {given:?} as its media type"))) };
    let kind = media::File { essence: &essence, head: &head, size }.check().map_err(fault)?;

    content.seek(SeekFrom::Start(0)).await.map_err(|error| Problem::internal(&error))?;
    let credentials = app.work.credentials(&bot).ok_or_else(|| {
        Problem::conflict(
            "the bot has no WhatsApp phone number id and access token, or WhatsApp is switched off for it",
        )
    })?;
    let file = Upload { mime_type: essence.clone(), filename: filename.clone(), body: content.into(), size };
    let token = credentials.access_token.reveal();
    let sent = desk.client().upload(&credentials.phone_number_id, token, file).await;
    let view = UploadedMedia {
        id: sent.map_err(|error| meta::problem(&error))?,
        media_type: kind.as_str().to_owned(),
        mime_type: essence,
        filename,
        size,
        sha256: hex::encode(hash),
        expires_at: app.clock.now() + TimeDelta::days(UPLOAD_DAYS),
    };
    Ok((StatusCode::CREATED, Json(view)))
}

/// What the form held.
#[derive(Default)]
struct Parts {
    file: Option<Spooled>,
    /// The field `type`.
    mime_type: Option<String>,
}

/// A file on our disk, nameless, so that it goes with its handle. It is read to its end before a byte goes to Meta: only
/// then are its size and its hash known.
struct Spooled {
    content: File,
    head: Vec<u8>,
    size: u64,
    hash: [u8; 32],
    filename: String,
    /// The media type that its part has.
    declared: Option<String>,
}

async fn read(app: &App, mut form: Multipart) -> Result<Parts> {
    let mut parts = Parts::default();
    while let Some(mut field) = form.next_field().await.map_err(|error| broken(&error))? {
        match field.name() {
            Some("file") if parts.file.is_some() => {
                return Err(Problem::invalid(vec![Fault::new("/file", "must be there only once")]));
            }
            Some("file") => parts.file = Some(spool(app, field).await?),
            Some("type") => parts.mime_type = Some(text(field).await?),
            // What else a form may bring along is passed over.
            _ => while field.chunk().await.map_err(|error| broken(&error))?.is_some() {},
        }
    }
    Ok(parts)
}

async fn text(mut field: Field<'_>) -> Result<String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > TYPE_BYTES_MAX {
            return Err(Problem::invalid(vec![Fault::new("/type", "is too long")]));
        }
    }
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

async fn spool(app: &App, mut field: Field<'_>) -> Result<Spooled> {
    let internal = |error: std::io::Error| Problem::internal(&error);
    let declared = field.content_type().map(str::to_owned);
    let filename = filename(field.file_name().unwrap_or_default());
    let folder = app.config.data_dir.clone();
    let made = tokio::task::spawn_blocking(move || tempfile::tempfile_in(folder)).await;
    let mut content = File::from_std(made.map_err(|error| Problem::internal(&error))?.map_err(internal)?);
    let (mut head, mut size, mut hasher) = (Vec::new(), 0, Sha256::new());
    while let Some(chunk) = field.chunk().await.map_err(|error| broken(&error))? {
        size += chunk.len() as u64;
        if size > BYTES_MAX {
            return Err(Problem::new(Kind::TOO_LARGE, format!("a file may have at most {BYTES_MAX} bytes")));
        }
        let wanted = HEAD_BYTES.saturating_sub(head.len()).min(chunk.len());
        head.extend_from_slice(&chunk[..wanted]);
        hasher.update(&chunk);
        content.write_all(&chunk).await.map_err(internal)?;
    }
    content.flush().await.map_err(internal)?;
    Ok(Spooled { content, head, size, hash: hasher.finalize().into(), filename, declared })
}

/// The last part of a file's name, without what a terminal or a path would stumble over.
fn filename(given: &str) -> String {
    let last = given.rsplit(['/', '\\']).next().unwrap_or_default();
    let clean: String = last.chars().filter(|c| !c.is_control()).take(FILENAME_CHARS_MAX).collect();
    let clean = clean.trim();
    if clean.is_empty() { "file".into() } else { clean.to_owned() }
}

fn broken(error: &MultipartError) -> Problem {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(Kind::TOO_LARGE, format!("a request may have at most {REQUEST_BYTES_MAX} bytes"));
    }
    Problem::new(Kind::MALFORMED, format!("the form cannot be read: {}", error.body_text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_only_a_name() {
        for (given, clean) in [
            ("holiday.png", "holiday.png"),
            ("C:\\Users\\ada\\ü.pdf", "ü.pdf"),
            ("../../etc/passwd", "passwd"),
            ("a\nb\u{0}.txt", "ab.txt"),
            ("", "file"),
            ("x/", "file"),
        ] {
            assert_eq!(filename(given), clean, "{given:?}");
        }
        assert_eq!(filename(&"ä".repeat(500)).chars().count(), FILENAME_CHARS_MAX);
    }
}
