//! Taking the body off a request.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::header,
};

use super::{Body, parse};
use crate::http::problem::{Kind, Problem, Result};

/// Most bytes of a body, unless the endpoint says otherwise.
pub const BODY_BYTES_MAX: usize = 2 * 1024 * 1024;

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let media_type = media_type(&request);
        if !is_json(&media_type) {
            return Err(unsupported("application/json"));
        }
        Ok(Self::new(parse(&read(request).await?)?))
    }
}

/// A body that may be a form too, as OAuth2 clients send it.
#[derive(Debug)]
pub struct FormOrJson(pub Body);

impl<S: Sync> FromRequest<S> for FormOrJson {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self> {
        let media_type = media_type(&request);
        if is_json(&media_type) {
            return Ok(Self(Body::new(parse(&read(request).await?)?)));
        }
        if media_type != "application/x-www-form-urlencoded" {
            return Err(unsupported("application/x-www-form-urlencoded or application/json"));
        }
        let bytes = read(request).await?;
        Ok(Self(Body::of_texts(url::form_urlencoded::parse(&bytes).into_owned(), "")))
    }
}

fn media_type(request: &Request) -> String {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(media_type: &str) -> bool {
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}

fn unsupported(wanted: &str) -> Problem {
    Problem::new(Kind::UNSUPPORTED_MEDIA_TYPE, format!("send the body as {wanted}"))
}

async fn read(request: Request) -> Result<Bytes> {
    let too_large = || Problem::new(Kind::TOO_LARGE, format!("the body may have at most {BODY_BYTES_MAX} bytes"));
    let announced = request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: usize| length > BODY_BYTES_MAX) {
        return Err(too_large());
    }
    axum::body::to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(|error| {
        let cause = std::error::Error::source(&error);
        if cause.is_some_and(|cause| cause.to_string().contains("length limit")) {
            too_large()
        } else {
            Problem::new(Kind::MALFORMED, "the body ended early")
        }
    })
}
