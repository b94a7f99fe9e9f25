//! Errors as RFC 9457 problem documents.

use axum::{
    Json,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{Html, IntoResponse, Response},
};
use domain::Fault;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::body::Body;

/// What kinds of problems there are. The slug is part of the API: programs compare `type` with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// Last part of `type`.
    pub slug: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// `title`.
    pub title: &'static str,
    /// What the page at `type` says about it.
    pub help: &'static str,
}

macro_rules! kinds {
    ($($name:ident $slug:literal $status:ident $title:literal $help:literal)*) => {
        impl Kind {
            $(#[doc = $title] pub const $name: &'static Kind =
                &Kind { slug: $slug, status: StatusCode::$status, title: $title, help: $help };)*

            /// All kinds.
            pub const ALL: &'static [&'static Kind] = &[$(Kind::$name),*];
        }
    };
}

kinds! {
    MALFORMED "malformed" BAD_REQUEST "The request cannot be read"
        "The body is no JSON, ends early, or is not UTF-8."
    UNAUTHENTICATED "unauthenticated" UNAUTHORIZED "No valid credentials"
        "Log in at /auth/token, or make an API key, and send it as `Authorization: Bearer …`."
    FORBIDDEN "forbidden" FORBIDDEN "Not allowed"
        "Your role is too low for this, or the operator has switched it off."
    NOT_FOUND "not-found" NOT_FOUND "Not found"
        "There is no such thing, or it is not yours."
    METHOD_NOT_ALLOWED "method-not-allowed" METHOD_NOT_ALLOWED "Method not allowed"
        "The path exists, but not with this method; the header `Allow` lists those it has."
    CONFLICT "conflict" CONFLICT "Conflict"
        "It stands against what is there already, e.g. a name that is taken or a state that does not allow it."
    WINDOW_CLOSED "window-closed" CONFLICT "The 24-hour window is closed"
        "The contact wrote more than 24 hours ago, or Meta has said so. Until it writes again WhatsApp takes only templates: send one."
    OPTED_OUT "opted-out" CONFLICT "The contact has opted out"
        "The contact wants no marketing messages, and the template is one. Only the contact can take that back, or you if it told you."
    TEMPLATE_BLOCKED "template-blocked" CONFLICT "The template cannot be sent"
        "WhatsApp has paused, disabled, rejected or deleted the message template. `/whatsapp/templates` shows why; with `refresh=true` it asks Meta anew."
    TOO_LARGE "too-large" PAYLOAD_TOO_LARGE "Body too large"
        "The body is larger than this endpoint takes."
    UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" UNSUPPORTED_MEDIA_TYPE "Media type not supported"
        "Send the body as JSON with `Content-Type: application/json`."
    INVALID "invalid" UNPROCESSABLE_ENTITY "The request is not valid"
        "The request was read, but says something that cannot be. `errors` lists every fault; `pointer` tells where, in the body or under /query, /path and /header."
    RATE_LIMITED "rate-limited" TOO_MANY_REQUESTS "Too many requests"
        "Wait for the seconds of `Retry-After`."
    INTERNAL "internal" INTERNAL_SERVER_ERROR "Internal error"
        "A fault of the server, which has logged it."
    REFUSED_BY_META "refused-by-meta" BAD_GATEWAY "WhatsApp refused"
        "Meta refused for good; `code` and `details` are Meta's."
    UNAVAILABLE "unavailable" SERVICE_UNAVAILABLE "Temporarily unavailable"
        "The database or Meta does not answer, or there is too much to do. Try again after the seconds of `Retry-After`."
}

impl Kind {
    /// The URI in `type`, relative to the server.
    pub fn uri(&self) -> String {
        format!("/problems/{}", self.slug)
    }
}

/// An error on its way to the client.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: &'static Kind,
    detail: String,
    errors: Vec<Fault>,
    extensions: Map<String, Value>,
    retry_after: Option<u32>,
}

/// Why handlers stop early.
pub type Result<T> = std::result::Result<T, Problem>;

impl Problem {
    /// A problem of this kind; `detail` is a sentence about this very case.
    pub fn new(kind: &'static Kind, detail: impl Into<String>) -> Self {
        let retry_after = matches!(kind, Kind::RATE_LIMITED | Kind::UNAVAILABLE).then_some(1);
        Self { kind, detail: detail.into(), errors: Vec::new(), extensions: Map::new(), retry_after }
    }

    /// The thing is not there, or not the caller's: both look the same.
    pub fn not_found(what: &str) -> Self {
        Self::new(Kind::NOT_FOUND, format!("there is no such {what}"))
    }

    /// It stands against what is there.
    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(Kind::CONFLICT, detail)
    }

    /// The request is well-formed but invalid; lists every fault.
    pub fn invalid(errors: Vec<Fault>) -> Self {
        let detail = match errors.as_slice() {
            [one] if one.pointer.is_empty() => one.detail.clone(),
            [one] => format!("{} {}", one.pointer, one.detail),
            _ => format!("{} faults", errors.len()),
        };
        Self { errors, ..Self::new(Kind::INVALID, detail) }
    }

    /// The same problem with `Retry-After` in seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same problem with a member of its own.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extensions.insert(name.into(), value.into());
        self
    }

    /// What kind it is.
    pub fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// A fault of ours: logged here, once, and not shown.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::new(Kind::INTERNAL, "the server has logged what went wrong")
    }
}

impl From<storage::Error> for Problem {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::Conflict(_) => Self::conflict("another one has the same unique value"),
            storage::Error::Dangling(_) => Self::conflict("something that it refers to was deleted meanwhile"),
            error if error.is_transient() => {
                tracing::warn!(cause = %error, "the database is not available");
                Self::new(Kind::UNAVAILABLE, "the database is not available")
            }
            error => Self::internal(&error),
        }
    }
}

/// A problem document, as the API description shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDocument {
    /// Stable URI of the kind of problem, e.g. `/problems/invalid`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status again.
    pub status: u16,
    /// This very case in words.
    pub detail: String,
    /// Every single fault, when there are some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Option<Vec<FaultDocument>>)]
    pub errors: Vec<Fault>,
    /// Members that only some kinds have.
    #[serde(flatten)]
    #[schema(ignore)]
    pub extensions: Map<String, Value>,
}

/// One fault of a request.
#[derive(Debug, ToSchema)]
#[schema(as = Fault)]
#[expect(dead_code, reason = "only describes domain::Fault")]
pub struct FaultDocument {
    /// JSON pointer into the body, or `/query/<name>`, `/path/<name>` or `/header/<name>`.
    pointer: String,
    /// What is wrong there.
    detail: String,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = ProblemDocument {
            kind: self.kind.uri(),
            title: self.kind.title.into(),
            status: self.kind.status.as_u16(),
            detail: self.detail,
            errors: self.errors,
            extensions: self.extensions,
        };
        let mut response = (self.kind.status, Json(document)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.kind == Kind::UNAUTHENTICATED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// `GET /problems/{slug}`: says in words what a `type` means.
pub async fn page(axum::extract::Path(slug): axum::extract::Path<String>) -> Response {
    match Kind::ALL.iter().find(|kind| kind.slug == slug) {
        Some(kind) => {
            let safe: [(HeaderName, &str); 1] = [(header::CONTENT_SECURITY_POLICY, "default-src 'none'")];
            let html = format!(
                "<!DOCTYPE html><meta charset=utf-8><title>{title}</title><h1>{title}</h1><p>HTTP {status}</p><p>{help}</p>",
                title = kind.title,
                status = kind.status.as_u16(),
                help = kind.help
            );
            (safe, Html(html)).into_response()
        }
        None => Problem::not_found("kind of problem").into_response(),
    }
}

impl From<Body> for Problem {
    fn from(body: Body) -> Self {
        Self::invalid(body.into_faults())
    }
}
