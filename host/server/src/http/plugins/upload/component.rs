//! Taking a component off a request.

use axum::{
    body::{Body, BodyDataStream},
    extract::Request,
    http::header,
};
use domain::Fault;
use futures_util::StreamExt;

use crate::{
    http::problem::{Kind, Problem, Result},
    plugins::Plugins,
};

/// Name of the field of a form that has the component.
const FIELD: &str = "component";
/// What a form may have beside the component.
const FORM_BYTES: usize = 16 * 1024;
/// Most bytes that are read of a component that is too large; then the connection ends.
const DRAINED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// Reads a component of at most `bytes_max`.
pub(super) async fn read(request: Request, bytes_max: usize, plugins: &Plugins) -> Result<Vec<u8>> {
    let media_type =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let boundary = match essence.as_str() {
        "application/wasm" => None,
        "multipart/form-data" => {
            let boundary = multer::parse_boundary(media_type);
            Some(boundary.map_err(|_| Problem::new(Kind::MALFORMED, "the form has no boundary"))?)
        }
        _ => {
            let detail = "send the component as application/wasm, or as the field `component` of multipart/form-data";
            return Err(Problem::new(Kind::UNSUPPORTED_MEDIA_TYPE, detail));
        }
    };
    let room = if boundary.is_some() { bytes_max.saturating_add(FORM_BYTES) } else { bytes_max };
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > room) {
        drain(Body::into_data_stream(request.into_body())).await;
        return Err(too_large(bytes_max));
    }
    let busy = || Problem::new(Kind::UNAVAILABLE, "too many plugins are being uploaded at once");
    let _turn = plugins.upload_turn().ok_or_else(busy)?;
    let stream = Body::into_data_stream(request.into_body());
    match boundary {
        None => collect(stream, bytes_max).await,
        Some(boundary) => field(stream, boundary, bytes_max).await,
    }
}

async fn collect(mut stream: BodyDataStream, bytes_max: usize) -> Result<Vec<u8>> {
    let mut component = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|_| ended())?;
        if component.len() + chunk.len() > bytes_max {
            drain(stream).await;
            return Err(too_large(bytes_max));
        }
        component.extend_from_slice(&chunk);
    }
    Ok(component)
}

/// Reads on without keeping anything: a client that is still sending would not see the answer.
async fn drain(mut stream: BodyDataStream) {
    let mut bytes = 0;
    while bytes < DRAINED_BYTES_MAX
        && let Some(Ok(chunk)) = stream.next().await
    {
        bytes += chunk.len();
    }
}

async fn field(stream: BodyDataStream, boundary: String, bytes_max: usize) -> Result<Vec<u8>> {
    let limit = multer::SizeLimit::new()
        .whole_stream(bytes_max.saturating_add(FORM_BYTES) as u64)
        .for_field(FIELD, bytes_max as u64);
    let mut form = multer::Multipart::with_constraints(stream, boundary, multer::Constraints::new().size_limit(limit));
    let broken = |error: multer::Error| match error {
        multer::Error::FieldSizeExceeded { .. } | multer::Error::StreamSizeExceeded { .. } => too_large(bytes_max),
        multer::Error::StreamReadFailed(_) | multer::Error::IncompleteStream => ended(),
        error => Problem::new(Kind::MALFORMED, format!("the form cannot be read: {error}")),
    };
    while let Some(field) = form.next_field().await.map_err(broken)? {
        if field.name() == Some(FIELD) {
            return Ok(field.bytes().await.map_err(broken)?.to_vec());
        }
    }
    Err(Problem::invalid(vec![Fault::new(format!("/{FIELD}"), "is missing")]))
}

fn too_large(bytes_max: usize) -> Problem {
    let detail = format!("a component may have at most {bytes_max} bytes (PLUGIN_MAX_UPLOAD_KB)");
    Problem::new(Kind::TOO_LARGE, detail)
}

fn ended() -> Problem {
    Problem::new(Kind::MALFORMED, "the body ended early")
}
