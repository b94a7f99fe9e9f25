//! Host patterns of HTTP rules and secret bindings.

use std::fmt;

use url::{Host, Url};

/// A set of hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Every host and port.
    Any,
    /// One host, at the scheme's own port or at this one.
    Exact(String, Option<u16>),
    /// Every host below a domain, not the domain itself.
    Below(String, Option<u16>),
}

impl HostPattern {
    /// Reads `*`, `api.example.com`, `*.example.com`, `[::1]`, each but the first with `:port` or without.
    ///
    /// # Errors
    /// A sentence for the person who wrote it.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self::Any);
        }
        let bad = |why: &str| format!("“{text}” is no host: {why}");
        let (rest, below) = text.strip_prefix("*.").map_or((text, false), |rest| (rest, true));
        let (name, port) = match rest.rsplit_once(':') {
            Some((name, digits)) if !digits.ends_with(']') => {
                let port = digits.parse().ok().filter(|port| *port > 0);
                (name, Some(port.ok_or_else(|| bad("what follows the colon is no port"))?))
            }
            _ => (rest, None),
        };
        if name.contains('*') {
            return Err(bad("`*` stands alone, or for everything before the first dot"));
        }
        let host = Host::parse(name.trim_end_matches('.'))
            .map_err(|_| bad("write the name alone, for example `api.example.com`, without scheme and path"))?;
        let is_name = matches!(host, Host::Domain(_));
        match (below, is_name) {
            (true, true) => Ok(Self::Below(host.to_string(), port)),
            (true, false) => Err(bad("there is nothing below an address")),
            (false, _) => Ok(Self::Exact(host.to_string(), port)),
        }
    }

    /// Whether a URL is of one of these hosts.
    pub fn holds(&self, url: &Url) -> bool {
        let Some(host) = url.host_str().map(|host| host.trim_end_matches('.')) else { return false };
        match self {
            Self::Any => true,
            Self::Exact(name, port) => name == host && *port == url.port(),
            Self::Below(domain, port) => is_below(host, domain) && *port == url.port(),
        }
    }

    /// The hosts that are in both.
    pub fn and(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, pattern) | (pattern, Self::Any) => Some(pattern.clone()),
            (Self::Exact(a, p), Self::Exact(b, q)) => (a == b && p == q).then(|| self.clone()),
            (Self::Exact(name, p), Self::Below(domain, q)) => (is_below(name, domain) && p == q).then(|| self.clone()),
            (Self::Below(domain, p), Self::Exact(name, q)) => (is_below(name, domain) && p == q).then(|| other.clone()),
            (Self::Below(a, p), Self::Below(b, q)) if p == q => {
                if a == b || is_below(a, b) {
                    Some(self.clone())
                } else {
                    is_below(b, a).then(|| other.clone())
                }
            }
            (Self::Below(..), Self::Below(..)) => None,
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let port = match self {
            Self::Any => return f.write_str("*"),
            Self::Exact(name, port) => {
                f.write_str(name)?;
                port
            }
            Self::Below(domain, port) => {
                write!(f, "*.{domain}")?;
                port
            }
        };
        port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Whether a name is below a domain, at any depth. Addresses are below nothing.
fn is_below(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|front| front.len() > 1 && front.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(pattern: &str, url: &str) -> bool {
        HostPattern::parse(pattern).unwrap().holds(&url.parse().unwrap())
    }

    #[test]
    fn a_host_is_matched_as_the_url_is_really_read() {
        for (pattern, url) in [
            ("api.example.com", "https://api.example.com/v1"),
            ("api.example.com", "http://API.Example.COM./v1"),
            ("api.example.com", "https://api.example.com:443/"),
            ("api.example.com:8443", "https://api.example.com:8443/"),
            ("*.example.com", "https://a.b.example.com/"),
            ("bücher.example", "https://xn--bcher-kva.example/"),
            ("[::1]:8080", "http://[0:0::1]:8080/"),
            ("127.0.0.1", "http://2130706433/"),
            ("*", "https://anything:1/"),
        ] {
            assert!(holds(pattern, url), "{pattern} {url}");
        }
        for (pattern, url) in [
            ("api.example.com", "https://api.example.com@evil.test/"),
            ("api.example.com", "https://evil.test/api.example.com"),
            ("api.example.com", "https://evil.test#api.example.com"),
            ("api.example.com", "https://api.example.com.evil.test/"),
            ("api.example.com", "https://api.example.com:8443/"),
            ("api.example.com:8443", "https://api.example.com/"),
            ("api.example.com", "https://example.com/"),
            ("*.example.com", "https://example.com/"),
            ("*.example.com", "https://evilexample.com/"),
            ("*.example.com", "https://.example.com/"),
            ("example.com", "https://exаmple.com/"),
        ] {
            let is_url = url.parse::<Url>().is_ok();
            assert!(!is_url || !holds(pattern, url), "{pattern} {url}");
        }
    }

    #[test]
    fn what_is_no_host_is_told() {
        for text in [
            "",
            "https://a.test",
            "a.test/x",
            "a b",
            "*.*.test",
            "a*.test",
            "a.test:0",
            "a.test:x",
            "*.1.2.3.4",
            "u@a.test",
        ] {
            let told = HostPattern::parse(text);
            assert!(told.as_ref().is_err_and(|why| why.contains("is no host")), "{text}: {told:?}");
        }
    }

    #[test]
    fn both_is_what_each_holds() {
        let patterns = ["*", "a.b.test", "*.b.test", "*.test", "*.a.b.test", "a.b.test:81", "*.test:81", "c.test"];
        let urls = [
            "http://a.b.test",
            "http://x.a.b.test",
            "http://a.b.test:81",
            "http://c.test",
            "http://b.test",
            "http://q.test:81",
        ];
        for left in patterns.map(|p| HostPattern::parse(p).unwrap()) {
            for right in patterns.map(|p| HostPattern::parse(p).unwrap()) {
                let both = left.and(&right);
                assert_eq!(both, right.and(&left));
                for url in urls.map(|u| u.parse::<Url>().unwrap()) {
                    let held = both.as_ref().is_some_and(|both| both.holds(&url));
                    assert_eq!(held, left.holds(&url) && right.holds(&url), "{left} {right} {url}");
                }
            }
        }
    }
}
