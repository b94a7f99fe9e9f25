//! Answers to requests at addresses of triggers.

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, header},
    response::Response,
};

/// Headers that belong to the connection or to this server's own pages, and are not a plugin's to set.
const OURS: [HeaderName; 9] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::TRAILER,
    header::TE,
    header::SET_COOKIE,
    header::CONTENT_SECURITY_POLICY,
    header::STRICT_TRANSPORT_SECURITY,
];

/// A plugin's headers as far as they are its own to set.
pub(super) fn headers(given: Vec<(String, String)>) -> HeaderMap {
    let header = |(name, value): (String, String)| {
        let name: HeaderName = name.parse().ok()?;
        Some((name, HeaderValue::from_str(&value).ok()?))
    };
    let own = given.into_iter().filter_map(header).filter(|(name, _)| !OURS.contains(name));
    own.fold(HeaderMap::new(), |mut headers, (name, value)| {
        headers.append(name, value);
        headers
    })
}

/// Whatever comes back from here shares its origin with the API: no page of it may run a script or read anything.
pub(super) fn guard(response: &mut Response) {
    let sandbox = HeaderValue::from_static("sandbox; default-src 'none'");
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, sandbox);
}
