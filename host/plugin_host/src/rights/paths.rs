//! Path prefixes of HTTP rules.

/// Whether a path, as it stands in a URL, is at or below a prefix, by whole segments, however a server may read it: a
/// path that hides slashes or dots behind percent signs is below none but the empty one.
pub(crate) fn begins(path: &str, prefix: &str) -> bool {
    let prefix = prefix.trim_end_matches('/');
    if prefix.is_empty() {
        return true;
    }
    is_plain(path) && path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The prefix of what is below both.
pub(crate) fn both(left: &str, right: &str) -> Option<String> {
    if begins(left, right) { Some(left.to_owned()) } else { begins(right, left).then(|| right.to_owned()) }
}

/// A fault in a prefix that somebody wrote.
pub(crate) fn fault(prefix: &str) -> Option<String> {
    let well = prefix.starts_with('/') && !prefix.contains(['?', '#', '\\', ' ', '*']) && is_plain(prefix);
    (!well).then(|| format!("“{prefix}” is no path prefix: write for example `/v1/orders`"))
}

fn is_plain(path: &str) -> bool {
    let mut text = path.to_owned();
    // Decoded until nothing changes: a proxy on the way may decode once more than the server.
    for _ in 0..4 {
        let steps_up = text.split('/').any(|segment| {
            let name = segment.split(';').next().unwrap_or_default();
            name == "." || name == ".."
        });
        if steps_up || text.contains('\\') || has_hidden_slash(&text) {
            return false;
        }
        let decoded = decode(&text);
        if decoded == text {
            return true;
        }
        text = decoded;
    }
    false
}

fn has_hidden_slash(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains("%2f") || lower.contains("%5c")
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_hold_by_whole_segments() {
        for (path, prefix) in
            [("/v1", "/v1"), ("/v1/", "/v1"), ("/v1/a", "/v1/"), ("/anything", ""), ("/a%20b/c", "/a%20b")]
        {
            assert!(begins(path, prefix), "{path} {prefix}");
        }
        for (path, prefix) in [("/v10", "/v1"), ("/", "/v1"), ("//v1", "/v1"), ("/V1", "/v1")] {
            assert!(!begins(path, prefix), "{path} {prefix}");
        }
    }

    #[test]
    fn hidden_ways_up_are_below_nothing() {
        for path in [
            "/v1/%2e%2e/admin",
            "/v1/..%2fadmin",
            "/v1/%252e%252e/admin",
            "/v1/%25252e%25252e%25252fadmin",
            "/v1/..;/admin",
            "/v1/..;x=1/admin",
            "/v1/%5c..%5cadmin",
            "/v1/..\\admin",
            "/v1/../admin",
        ] {
            assert!(!begins(path, "/v1"), "{path}");
        }
    }

    #[test]
    fn the_longer_of_two_prefixes_holds() {
        assert_eq!(both("/v1", "/v1/orders"), Some("/v1/orders".into()));
        assert_eq!(both("/v1/orders", ""), Some("/v1/orders".into()));
        assert_eq!(both("/v1", "/v2"), None);
    }
}
