//! Trailing slashes: optional on every path, whichever way the route is written.

use std::{collections::HashSet, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{Uri, uri::PathAndQuery},
    middleware::Next,
    response::Response,
};
use utoipa::openapi::OpenApi;

/// The paths that are written with a trailing slash, without it.
#[derive(Debug, Clone, Default)]
pub(super) struct Slashes(Arc<HashSet<String>>);

impl Slashes {
    /// Takes the paths from the description.
    pub(super) fn of(description: &OpenApi) -> Self {
        let paths = description.paths.paths.keys();
        Self(Arc::new(paths.filter_map(|path| path.strip_suffix('/')).map(str::to_owned).collect()))
    }

    /// The path as its route is written; nothing when it is so already. The pages under `/docs` link to each other
    /// and keep their slashes.
    fn straight(&self, path: &str) -> Option<String> {
        if path == "/docs" || path.starts_with("/docs/") || path == "/" {
            return None;
        }
        let bare = path.strip_suffix('/').unwrap_or(path);
        match (self.0.contains(bare), path.len() > bare.len()) {
            (true, false) => Some(format!("{bare}/")),
            (false, true) => Some(bare.to_owned()),
            _ => None,
        }
    }
}

/// Sends a request to the path as its route is written.
pub(super) async fn straighten(State(slashes): State<Slashes>, mut request: Request, next: Next) -> Response {
    if let Some(path) = slashes.straight(request.uri().path()) {
        let target = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        let mut parts = request.uri().clone().into_parts();
        if let Ok(target) = PathAndQuery::try_from(target) {
            parts.path_and_query = Some(target);
            if let Ok(uri) = Uri::from_parts(parts) {
                *request.uri_mut() = uri;
            }
        }
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_brought_to_their_route() {
        let slashes = Slashes(Arc::new(["/bots".to_owned(), "/bots/flows".to_owned()].into()));
        for (given, straight) in [
            ("/bots", Some("/bots/")),
            ("/bots/", None),
            ("/bots/7/", Some("/bots/7")),
            ("/bots/7", None),
            ("/bots/flows", Some("/bots/flows/")),
            ("/auth/me/", Some("/auth/me")),
            ("/auth/me//", Some("/auth/me/")),
            ("/docs/", None),
            ("/", None),
        ] {
            assert_eq!(slashes.straight(given).as_deref(), straight, "{given}");
        }
    }
}
