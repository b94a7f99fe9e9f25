//! A request on its way: as the guest wrote it, placeholders and all.

use http::{HeaderName, HeaderValue, Method, header};
use url::Url;

use super::super::secrets::{Known, Placeholders, json_text, query_text};
use crate::{
    Exchange, HostPattern, Reply,
    bindings::chatboost::plugin::http::{Error, Request},
};

/// Headers of one request.
const HEADERS_MAX: usize = 100;
/// Bytes of their names and values.
const HEADER_BYTES_MAX: usize = 32 << 10;
/// Bytes of an address.
const URL_BYTES_MAX: usize = 8 << 10;

/// Headers that are the host's alone: they say where a message goes, where it ends and how it is packed.
const OWN_HEADERS: [HeaderName; 12] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::ACCEPT_ENCODING,
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::FORWARDED,
];
/// The same, for which there is no constant.
const OWN_HEADER_NAMES: [&str; 4] = ["keep-alive", "proxy-connection", "http2-settings", "x-forwarded-host"];
/// Headers that speak for the sender and are not for whoever a host redirects to.
const CREDENTIALS: [HeaderName; 2] = [header::AUTHORIZATION, header::COOKIE];

/// A request, checked for form.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) method: String,
    pub(super) url: Url,
    headers: Vec<(HeaderName, String)>,
    body: Option<Vec<u8>>,
}

impl Outgoing {
    /// Reads what a guest asks for.
    pub(super) fn read(request: Request) -> Result<Self, Error> {
        let method = request.method.to_ascii_uppercase();
        let is_known = matches!(
            Method::from_bytes(method.as_bytes()),
            Ok(Method::GET
                | Method::HEAD
                | Method::POST
                | Method::PUT
                | Method::PATCH
                | Method::DELETE
                | Method::OPTIONS)
        );
        if !is_known {
            return Err(invalid(format!("“{}” is no method that can be used", short(&request.method))));
        }
        if request.url.len() > URL_BYTES_MAX {
            return Err(invalid(format!("the address is longer than {URL_BYTES_MAX} bytes")));
        }
        let url = Url::parse(&request.url).map_err(|error| invalid(format!("the address cannot be read: {error}")))?;
        let url = address(url)?;
        if request.headers.len() > HEADERS_MAX {
            return Err(invalid(format!("more than {HEADERS_MAX} headers")));
        }
        let bytes: usize = request.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        if bytes > HEADER_BYTES_MAX {
            return Err(invalid(format!("headers of more than {HEADER_BYTES_MAX} bytes")));
        }
        let headers =
            request.headers.into_iter().map(|(name, value)| header(&name, value)).collect::<Result<_, _>>()?;
        Ok(Self { method, url, headers, body: request.body })
    }

    /// Bytes that it sends, without those of the connection.
    pub(super) fn bytes(&self) -> u64 {
        let headers: usize = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
        (self.url.as_str().len() + headers + self.body.as_ref().map_or(0, Vec::len)) as u64
    }

    /// The exchange with every secret in its place, and whether there is one.
    pub(super) fn exchange(&self, secrets: &Placeholders) -> Result<(Exchange, bool), Error> {
        let mut has_secret = false;
        let mut bound = |text: &[u8]| -> Result<bool, Error> {
            let known = secrets.within(text);
            has_secret |= !known.is_empty();
            known.iter().try_for_each(|known| may_go(known, &self.url))?;
            Ok(!known.is_empty())
        };
        let mut url = self.url.clone();
        url.set_query(None);
        if let Some(known) = secrets.within(url.as_str().as_bytes()).first() {
            return Err(Error::Denied(format!(
                "the secret {} can stand in headers, in the query and in the body of a request, not in its path",
                known.name
            )));
        }
        if let Some(query) = self.url.query() {
            bound(query.as_bytes())?;
            url.set_query(Some(&String::from_utf8_lossy(&secrets.fill(query.as_bytes(), query_text))));
        }
        let mut headers = Vec::with_capacity(self.headers.len());
        for (name, value) in &self.headers {
            let value = if bound(value.as_bytes())? {
                let value = secrets.fill(value.as_bytes(), str::to_owned);
                HeaderValue::from_bytes(&value)
                    .map_err(|_| invalid(format!("the secret in the header {name} cannot stand in a header")))?;
                value
            } else {
                value.clone().into_bytes()
            };
            headers.push((name.as_str().to_owned(), value));
        }
        let body = match &self.body {
            Some(body) if bound(body)? => Some(secrets.fill(body, self.body_text())),
            body => body.clone(),
        };
        let exchange = Exchange { method: self.method.clone(), url, headers, body, timeout_ms: 0, body_bytes_max: 0 };
        Ok((exchange, has_secret))
    }

    /// How a text is written in the body.
    fn body_text(&self) -> fn(&str) -> String {
        let kind = self.headers.iter().find(|(name, _)| *name == header::CONTENT_TYPE).map_or("", |(_, value)| value);
        let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        if kind == "application/json" || kind.ends_with("+json") {
            json_text
        } else if kind == "application/x-www-form-urlencoded" {
            query_text
        } else {
            str::to_owned
        }
    }

    /// Where an answer sends it, if anywhere. What speaks for the sender is left behind when the origin changes.
    pub(super) fn redirected(&self, reply: &Reply, secrets: &Placeholders) -> Result<Option<Self>, Error> {
        if !matches!(reply.status, 301 | 302 | 303 | 307 | 308) {
            return Ok(None);
        }
        let Some((_, location)) = reply.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("location")) else {
            return Ok(None);
        };
        let broken = || Error::Unreachable("the answer redirects to something that is no address".into());
        let location = std::str::from_utf8(location).map_err(|_| broken())?;
        if location.len() > URL_BYTES_MAX {
            return Err(broken());
        }
        let url = address(self.url.join(location).map_err(|_| broken())?)?;
        let becomes_get =
            reply.status == 303 && self.method != "HEAD" || matches!(reply.status, 301 | 302) && self.method == "POST";
        let is_same_origin = url.origin() == self.url.origin();
        let keeps = |name: &HeaderName, value: &str| {
            let is_own = CREDENTIALS.contains(name) || !secrets.within(value.as_bytes()).is_empty();
            (is_same_origin || !is_own) && !(becomes_get && name.as_str().starts_with("content-"))
        };
        Ok(Some(Self {
            method: if becomes_get { "GET".into() } else { self.method.clone() },
            url,
            headers: self.headers.iter().filter(|(name, value)| keeps(name, value)).cloned().collect(),
            body: if becomes_get { None } else { self.body.clone() },
        }))
    }
}

/// An address without what could mislead whoever reads it.
fn address(mut url: Url) -> Result<Url, Error> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Error::Denied(format!("only http and https can be used, not {}", url.scheme())));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::Denied("the address must not carry a user name or password; use a header".into()));
    }
    url.set_fragment(None);
    let host = url.host_str().unwrap_or_default();
    let plain = host.trim_end_matches('.').to_owned();
    if plain.is_empty() {
        return Err(invalid("the address names no host".into()));
    }
    if plain != host {
        url.set_host(Some(&plain)).map_err(|_| invalid("the address names no host".into()))?;
    }
    Ok(url)
}

fn header(name: &str, value: String) -> Result<(HeaderName, String), Error> {
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| invalid(format!("“{}” is no name of a header", short(name))))?;
    if OWN_HEADERS.contains(&parsed) || OWN_HEADER_NAMES.contains(&parsed.as_str()) {
        return Err(Error::Denied(format!("the header {parsed} is set by the server alone")));
    }
    HeaderValue::from_str(&value).map_err(|_| invalid(format!("the value of the header {parsed} cannot be sent")))?;
    Ok((parsed, value))
}

/// Whether a secret is bound to the host of an address.
fn may_go(known: &Known, url: &Url) -> Result<(), Error> {
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let Some(pattern) = known.hosts.iter().find(|pattern| pattern.holds(url)) else {
        return Err(Error::Denied(format!(
            "the secret {} may not go to {host}: its line in the grant for this bot lacks `hosts`: [\"{host}\"]",
            known.name
        )));
    };
    let names_port = matches!(pattern, HostPattern::Exact(_, Some(_)) | HostPattern::Below(_, Some(_)));
    if url.scheme() != "https" && !names_port {
        return Err(Error::Denied(format!(
            "the secret {} goes over https; without it only to a host that is bound with its port",
            known.name
        )));
    }
    Ok(())
}

fn invalid(why: String) -> Error {
    Error::Invalid(why)
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}
