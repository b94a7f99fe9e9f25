//! The HTTP client of the Cloud API.

mod answer;
mod connections;
mod error;
mod media;
mod templates;
mod wire;

use std::{
    fmt,
    sync::{Arc, Once},
    time::Duration,
};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri,
    header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT},
};
use hyper_rustls::ConfigBuilderExt;
use reqwest::{Url, redirect};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;

use crate::send;
use connections::{Connections, IDLE};

pub use answer::{Accepted, NumberInfo, Throughput};
pub use error::{BuildError, SendError};
pub use media::{Download, DownloadError, MediaInfo, Upload, sha256};
pub use templates::TemplatePage;
pub use wire::{Carried, Wire};

/// The most bytes of an answer that are read. Meta's are below a kilobyte.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// Who asks.
const AGENT: &str = concat!("chatboost/", env!("CARGO_PKG_VERSION"));

/// How the client behaves. The default is right for Meta.
#[derive(Debug, Clone)]
pub struct Options {
    /// For a whole request, from connecting to the answer's last byte.
    pub timeout: Duration,
    /// For connecting.
    pub connect_timeout: Duration,
    /// Unused connections kept per host.
    pub idle_connections: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { timeout: Duration::from_secs(30), connect_timeout: Duration::from_secs(10), idle_connections: 64 }
    }
}

/// Speaks to the Graph API. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Client {
    /// For messages and questions.
    connections: Arc<Connections>,
    /// For files.
    files: reqwest::Client,
    /// For files that are elsewhere than at the base.
    elsewhere: reqwest::Client,
    /// Carries messages and questions, if not `connections`.
    wire: Option<Arc<dyn Wire>>,
    /// Base and version, without a slash at the end.
    root: Url,
    /// The base's host, as requests name it.
    host: HeaderValue,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("root", &self.root.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client for `{base_url}/{version}/…`, e.g. `https://graph.facebook.com` and `v22.0`. Plain http is allowed,
    /// for stand-ins of Meta.
    ///
    /// # Errors
    /// When the base is no http(s) URL, the version is empty or not one path segment, or TLS cannot be set up.
    pub fn new(base_url: &str, version: &str) -> Result<Self, BuildError> {
        Self::with_options(base_url, version, &Options::default())
    }

    /// [`Self::new`] with other time-outs or another pool.
    ///
    /// # Errors
    /// As [`Self::new`].
    #[expect(clippy::disallowed_methods, reason = "the one place that makes the client for Meta")]
    pub fn with_options(base_url: &str, version: &str, options: &Options) -> Result<Self, BuildError> {
        let mut base = Url::parse(base_url.trim()).map_err(|error| BuildError::BaseUrl(error.to_string()))?;
        let is_plain = base.query().is_none() && base.fragment().is_none();
        let is_anybodys = base.username().is_empty() && base.password().is_none();
        if !matches!(base.scheme(), "http" | "https") || !is_plain || !is_anybodys {
            return Err(BuildError::BaseUrl("must be an http or https URL without user, password and query".into()));
        }
        if !is_segment(version) {
            return Err(BuildError::Version);
        }
        let unusable = |error: &dyn fmt::Display| BuildError::BaseUrl(error.to_string());
        let port = base.port().map_or_else(String::new, |port| format!(":{port}"));
        let host = format!("{}{port}", base.host_str().unwrap_or_default());
        let origin: Uri = format!("{}://{host}", base.scheme()).parse().map_err(|error| unusable(&error))?;
        let host = HeaderValue::try_from(host).map_err(|error| unusable(&error))?;
        let tls = tls(base.scheme() == "https").map_err(|error| BuildError::Tls(error.to_string()))?;
        let files = reqwest::Client::builder()
            .tls_backend_preconfigured(tls.clone())
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.idle_connections)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            // A redirect would carry the token elsewhere; Meta sends none.
            .redirect(redirect::Policy::none())
            // Where files go is configured, not picked up from the environment.
            .no_proxy()
            .user_agent(AGENT)
            .build()
            .map_err(|error| BuildError::Tls(error::reason(&error)))?;
        base.set_path(&format!("{}/{version}", base.path().trim_end_matches('/')));
        Ok(Self {
            connections: Connections::new(origin, tls, options),
            elsewhere: files.clone(),
            files,
            wire: None,
            root: base,
            host,
        })
    }

    /// The client with something else than HTTP to carry messages and questions.
    #[must_use]
    pub fn over(self, wire: Arc<dyn Wire>) -> Self {
        Self { wire: Some(wire), ..self }
    }

    /// Sends one message; `body` as made by [`send::request`]. Tries once: there is no idempotency key at Meta, so
    /// trying again is a decision of the outbox.
    ///
    /// # Errors
    /// Says whether the message may have been sent ([`SendError::may_have_been_sent`]) and what to do about it
    /// ([`SendError::verdict`]).
    pub async fn send(&self, phone_number_id: &str, token: &str, body: &Value) -> Result<Accepted, SendError> {
        let (status, bytes) = self.post_message(phone_number_id, token, body).await?;
        Accepted::parse(&bytes)
            .ok_or_else(|| SendError::Malformed { http_status: status, reason: "the answer names no message".into() })
    }

    /// Marks an inbound message and those before it as read, and with `typing` shows that an answer is coming.
    ///
    /// # Errors
    /// As [`Self::send`]. Doing it twice does no harm.
    pub async fn mark_read(
        &self,
        phone_number_id: &str,
        token: &str,
        wamid: &str,
        typing: bool,
    ) -> Result<(), SendError> {
        self.post_message(phone_number_id, token, &send::mark_read(wamid, typing)).await.map(|_| ())
    }

    /// Asks Meta about a number: the check that id and token belong together.
    ///
    /// # Errors
    /// As [`Self::send`]. Asking twice does no harm.
    pub async fn number(&self, phone_number_id: &str, token: &str) -> Result<NumberInfo, SendError> {
        let fields = "?fields=id,display_phone_number,verified_name,quality_rating,throughput";
        let request = self.question(phone_number_id, fields, token)?;
        let (status, bytes) = self.perform(request, ANSWER_BYTES_MAX).await?;
        NumberInfo::parse(&bytes)
            .ok_or_else(|| SendError::Malformed { http_status: status, reason: "the answer names no number".into() })
    }

    async fn post_message(&self, id: &str, token: &str, body: &Value) -> Result<(u16, Vec<u8>), SendError> {
        let mut request = self.request(Method::POST, id, "/messages", token, body.to_string().into())?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.perform(request, ANSWER_BYTES_MAX).await
    }

    /// Performs a request. `Ok` is the status and body of a success.
    async fn perform(&self, request: Request<Bytes>, bytes_max: usize) -> Result<(u16, Vec<u8>), SendError> {
        let (status, bytes) = match &self.wire {
            Some(wire) => wire.carry(request).await?,
            None => self.connections.request(request, bytes_max).await?,
        };
        if (200..300).contains(&status) { Ok((status, bytes)) } else { Err(answer::refusal(&bytes, status)) }
    }

    fn question(&self, id: &str, rest: &str, token: &str) -> Result<Request<Bytes>, SendError> {
        self.request(Method::GET, id, rest, token, Bytes::new())
    }

    fn request(
        &self,
        method: Method,
        id: &str,
        rest: &str,
        token: &str,
        body: Bytes,
    ) -> Result<Request<Bytes>, SendError> {
        check(id, token)?;
        let invalid = |error: &dyn fmt::Display| SendError::Invalid(error.to_string());
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|error| invalid(&error))?;
        bearer.set_sensitive(true);
        Request::builder()
            .method(method)
            .uri(format!("{}/{id}{rest}", self.root.path()))
            .header(HOST, self.host.clone())
            .header(AUTHORIZATION, bearer)
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .body(body)
            .map_err(|error| invalid(&error))
    }
}

/// Refuses what cannot be put into a request. Both come from a bot's owner: neither may reach another path or smuggle a
/// header.
fn check(id: &str, token: &str) -> Result<(), SendError> {
    if !is_segment(id) {
        return Err(SendError::Invalid("the phone number id is not one".into()));
    }
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(SendError::Invalid("the access token is empty or holds characters no token has".into()));
    }
    Ok(())
}

/// The certificates that the system trusts; none without TLS, which spares loading them: small containers have none.
fn tls(is_used: bool) -> Result<ClientConfig, rustls::Error> {
    install_tls();
    let config = if is_used {
        ClientConfig::builder().try_with_platform_verifier()?
    } else {
        ClientConfig::builder().with_root_certificates(RootCertStore::empty())
    };
    Ok(config.with_no_client_auth())
}

/// Whether a text is safe as one segment of a path.
fn is_segment(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.'))
        && !text.starts_with('.')
}

/// Chooses the cryptography of TLS for the process, unless something did before. For whoever else makes HTTP clients
/// in this process; [`Client::new`] calls it by itself. May be called any number of times.
pub fn install_tls() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error only says that a provider is installed already, which serves as well.
        let _already = rustls::crypto::ring::default_provider().install_default();
    });
}
