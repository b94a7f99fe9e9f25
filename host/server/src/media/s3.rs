//! The HTTP client of the bucket: ours, so that there is one HTTP and TLS stack in the program.

use std::{error::Error as _, time::Duration};

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::{
    ClientOptions,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpResponseBody, HttpService,
    },
};
use reqwest::{Body, Client, Request, Url, redirect};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the bucket may be silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// Hands the bucket's client to whoever asks for one.
#[derive(Debug)]
pub(super) struct Connector(Client);

/// A client that `object_store` can use.
#[derive(Debug)]
struct Service(Client);

impl Connector {
    /// The bucket is the operator's choice, so it needs no egress guard.
    #[expect(clippy::disallowed_methods, reason = "the one place that makes the client of the media store")]
    pub(super) fn new() -> reqwest::Result<Self> {
        whatsapp::client::install_tls();
        let client = Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .redirect(redirect::Policy::none())
            .user_agent(concat!("chatboost/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }
}

impl HttpConnector for Connector {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(Service(self.0.clone())))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let mut request = Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(Body::wrap(body));
        let response = self.0.execute(request).await.map_err(failure)?;
        let (parts, body) = http::Response::<Body>::from(response).into_parts();
        Ok(HttpResponse::from_parts(parts, HttpResponseBody::new(body.map_err(failure))))
    }
}

/// Sorts a failure by whether it may be tried again.
fn failure(error: reqwest::Error) -> HttpError {
    let is_io = error.source().is_some_and(|source| source.to_string().contains("connection"));
    let kind = if error.is_connect() {
        HttpErrorKind::Connect
    } else if error.is_timeout() {
        HttpErrorKind::Timeout
    } else if error.is_decode() {
        HttpErrorKind::Decode
    } else if error.is_request() || is_io {
        HttpErrorKind::Interrupted
    } else {
        HttpErrorKind::Unknown
    };
    // The URL of a request names the bucket, which is no secret, but is nothing to repeat in every log line either.
    HttpError::new(kind, error.without_url())
}
