//! HTTP requests to hosts that are granted. Capability `http`.
//!
//! ```
//! use chatboost_sdk::prelude::*;
//!
//! fn price(item: &str) -> Result<f64> {
//!     #[data]
//!     struct Price {
//!         amount: f64,
//!     }
//!     let key = secrets::placeholder("SHOP_KEY")?;
//!     let answer = http::get(format!("https://shop.example.com/items/{item}")).bearer(key).send()?.success()?;
//!     Ok(answer.json::<Price>()?.amount)
//! }
//! ```

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{Fault, Result};

/// A request.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// Absolute address, http or https.
    pub url: String,
    /// Names and values. `host` and those that belong to the connection are set by the host alone.
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "crate::capability::http::optional_bytes", default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Vec<u8>>,
    /// Milliseconds for everything, redirects included; the host's limit when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u32>,
}

/// `GET` an address.
pub fn get(url: impl Into<String>) -> Request {
    Request::new("GET", url)
}

/// `POST` to an address.
pub fn post(url: impl Into<String>) -> Request {
    Request::new("POST", url)
}

impl Request {
    /// A request without headers and body.
    pub fn new(method: &str, url: impl Into<String>) -> Self {
        Self { method: method.to_owned(), url: url.into(), ..Self::default() }
    }

    /// One more header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// `authorization: Bearer …`, mostly with a [placeholder](crate::secrets::placeholder).
    pub fn bearer(self, token: impl fmt::Display) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// The body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// A body in JSON.
    ///
    /// # Errors
    ///
    /// [`Fault::Permanent`] when the value cannot be JSON.
    pub fn json(self, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(|fault| Fault::permanent(format!("cannot be JSON: {fault}")))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// The time for everything, redirects included. Never more than the host's limit.
    pub fn timeout(mut self, time: Duration) -> Self {
        self.timeout_ms = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Makes the request. An answer is an answer, whatever its status.
    ///
    /// # Errors
    ///
    /// [`HttpError`] when there is none.
    pub fn send(self) -> Result<Response, HttpError> {
        crate::host::http_send(self)
    }
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Names in lower case. A value that is no UTF-8 is left out.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// The body.
    #[serde(with = "crate::bytes", default)]
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of a header; the name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Whether the status is one of success.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// [`Fault::Permanent`] with code `bad_answer` when it is none, or another than expected.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.body)
            .map_err(|fault| Fault::permanent(format!("the answer cannot be read: {fault}")).code("bad_answer"))
    }

    /// The same answer when its status is one of success.
    ///
    /// # Errors
    ///
    /// [`Fault::Retryable`] for 408, 425, 429 and 5xx, after the seconds of `retry-after` if there are any; otherwise
    /// [`Fault::Permanent`] with the code `http_<status>`.
    pub fn success(self) -> Result<Self> {
        let said = format!("the other side answered {}", self.status);
        match self.status {
            200..300 => Ok(self),
            408 | 425 | 429 | 500.. => {
                let seconds = self.header("retry-after").and_then(|value| value.trim().parse().ok());
                let fault = Fault::retryable(said);
                Err(seconds.map(Duration::from_secs).map_or(fault.clone(), |wait| fault.after(wait)))
            }
            status => Err(Fault::permanent(said).code(format!("http_{status}"))),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum HttpError {
    /// Not granted, or an address that no plugin may call; says which line of the manifest or the grant is missing.
    Denied(String),
    /// The request cannot be made as it is.
    Invalid(String),
    /// No connection, or a broken one.
    Unreachable(String),
    /// No complete answer in time.
    TimedOut,
    /// The body is longer than this many bytes.
    TooLarge(u64),
    /// The limit of calls or bytes is used up.
    Quota(String),
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied(text) | Self::Invalid(text) | Self::Unreachable(text) | Self::Quota(text) => f.write_str(text),
            Self::TimedOut => f.write_str("there was no complete answer in time"),
            Self::TooLarge(bytes) => write!(f, "the answer is longer than {bytes} bytes"),
        }
    }
}

impl std::error::Error for HttpError {}

impl From<HttpError> for Fault {
    fn from(error: HttpError) -> Self {
        let text = error.to_string();
        match error {
            HttpError::Unreachable(_) | HttpError::TimedOut => Self::retryable(text),
            HttpError::Denied(_) => Self::permanent(text).code("http_denied"),
            HttpError::Invalid(_) => Self::permanent(text).code("http_invalid"),
            HttpError::TooLarge(_) => Self::permanent(text).code("http_too_large"),
            HttpError::Quota(_) => Self::permanent(text).code("http_quota"),
        }
    }
}

mod optional_bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    struct Bytes(#[serde(with = "crate::bytes")] Vec<u8>);

    pub(crate) fn serialize<S: Serializer>(bytes: &Option<Vec<u8>>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.clone().map(Bytes).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<u8>>, D::Error> {
        Ok(Option::<Bytes>::deserialize(deserializer)?.map(|bytes| bytes.0))
    }
}
