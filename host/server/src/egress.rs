//! The egress guard: what flows may call. Only public addresses, unless the operator says otherwise.
//!
//! A name is resolved once, its addresses are checked, and the connection goes to a checked address: a name that answers
//! differently the next time gains nothing. Addresses written into a URL are checked before the request and again on
//! every redirect.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use reqwest::{
    Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};

use crate::config::{EgressConfig, EgressRule};

/// Most redirects followed.
const REDIRECTS_MAX: usize = 5;
/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Who knows the addresses of names. Asked once for each connection.
#[async_trait::async_trait]
pub trait Names: Send + Sync + std::fmt::Debug {
    /// The addresses of a name.
    ///
    /// # Errors
    /// When it has none, or nobody who knows answers.
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// The system's resolver.
#[derive(Debug)]
pub struct SystemNames;

#[async_trait::async_trait]
impl Names for SystemNames {
    async fn addresses(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|found| found.ip()).collect())
    }
}

/// What the operator lets flows call although it is not public (`EGRESS_ALLOW`), and who knows the addresses of names.
#[derive(Debug, Clone)]
pub struct EgressAllow {
    rules: Vec<EgressRule>,
    names: Arc<dyn Names>,
}

impl EgressAllow {
    /// Allows what the configuration lists, beside all that is public.
    pub fn new(config: &EgressConfig) -> Self {
        Self { rules: config.allow.clone(), names: config.names.clone() }
    }

    fn host(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.rules.iter().any(|rule| matches!(rule, EgressRule::Host(name) if name.eq_ignore_ascii_case(host)))
    }

    fn address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        is_public(address)
            || self.rules.iter().any(|rule| matches!(rule, EgressRule::Net(network) if network.contains(&address)))
    }

    /// Whether a URL may be called, as far as that can be told without resolving its name.
    ///
    /// # Errors
    /// A sentence for the flow's author.
    pub fn check(&self, url: &Url) -> Result<(), String> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(format!("only http and https URLs can be called, not {}", url.scheme()));
        }
        let address = match url.host() {
            Some(url::Host::Ipv4(address)) => IpAddr::V4(address),
            Some(url::Host::Ipv6(address)) => IpAddr::V6(address),
            Some(url::Host::Domain(_)) => return Ok(()),
            None => return Err("the URL names no host".into()),
        };
        if self.address(address) { Ok(()) } else { Err(refusal(&address.to_string())) }
    }
}

/// What every refusal of an address says.
pub const REFUSAL: &str = "is not a public address";

fn refusal(host: &str) -> String {
    format!("{host} {REFUSAL}; the operator can allow it with EGRESS_ALLOW")
}

/// A client that goes through the guard.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn client(allow: &Arc<EgressAllow>) -> reqwest::Result<reqwest::Client> {
    let on_redirect = allow.clone();
    let follow = redirect::Policy::custom(move |attempt| {
        if attempt.previous().len() > REDIRECTS_MAX {
            attempt.error("too many redirects")
        } else if let Err(reason) = on_redirect.check(attempt.url()) {
            attempt.error(reason)
        } else {
            attempt.follow()
        }
    });
    guarded(allow).redirect(follow).build()
}

/// A client that goes through the guard, follows no redirect and uses no connection twice.
///
/// # Errors
/// When the TLS library cannot be set up.
pub fn single_hop_client(allow: &Arc<EgressAllow>) -> reqwest::Result<reqwest::Client> {
    guarded(allow).redirect(redirect::Policy::none()).pool_max_idle_per_host(0).build()
}

#[expect(clippy::disallowed_methods, reason = "the one place that makes clients for calls of flows and plugins")]
fn guarded(allow: &Arc<EgressAllow>) -> reqwest::ClientBuilder {
    whatsapp::client::install_tls();
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("chatboost/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(GuardedResolver { allow: allow.clone() }))
}

/// A client that goes through the guard and follows no redirects: for files at Meta, with the token of a bot.
///
/// # Errors
/// When the TLS library cannot be set up.
#[expect(clippy::disallowed_methods, reason = "the one place that makes the client for files at Meta")]
pub fn client_for_files(allow: &Arc<EgressAllow>) -> reqwest::Result<reqwest::Client> {
    whatsapp::client::install_tls();
    reqwest::Client::builder()
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("chatboost/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(GuardedResolver { allow: allow.clone() }))
        .redirect(redirect::Policy::none())
        .build()
}

struct GuardedResolver {
    allow: Arc<EgressAllow>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allow = self.allow.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let found = allow.names.addresses(&host).await?;
            // The port is the address's own.
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|address| allow.host(&host) || allow.address(*address))
                .map(|address| SocketAddr::new(address, 0))
                .collect();
            if allowed.is_empty() {
                return Err(refusal(&host).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Whether an address is one of the public internet, by IANA's special-purpose address registries.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    let special = a == 0
        || v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_documentation()
        || a >= 224
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let s = v6.segments();
    // Addresses that carry an IPv4 address are as public as that one: NAT64 and 6to4.
    let embedded = match s {
        [0x64, 0xff9b, 0, 0, 0, 0, hi, lo] | [0x2002, hi, lo, ..] => Some((hi, lo)),
        _ => None,
    };
    if let Some((hi, lo)) = embedded {
        let [a, b] = hi.to_be_bytes();
        let [c, d] = lo.to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    // Global unicast is 2000::/3; within it, 2001::/23 is for protocols (Teredo among them), 2001:db8::/32 and
    // 3fff::/20 are for documentation.
    (0x2000..0x4000).contains(&s[0])
        && !(s[0] == 0x2001 && s[1] < 0x200)
        && !(s[0] == 0x2001 && s[1] == 0xdb8)
        && !(s[0] == 0x3fff && s[1] < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowing(rules: Vec<EgressRule>) -> EgressAllow {
        EgressAllow::new(&EgressConfig { allow: rules, ..EgressConfig::default() })
    }

    fn verdict(allow: &EgressAllow, url: &str) -> bool {
        allow.check(&url.parse().unwrap()).is_ok()
    }

    #[test]
    fn addresses_inside_are_refused_in_every_spelling() {
        let none = allowing(Vec::new());
        for url in [
            "http://127.0.0.1/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://10.1.2.3/",
            "http://169.254.169.254/latest/meta-data",
            "http://100.64.0.1/",
            "http://0.0.0.0/",
            "http://255.255.255.255/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://[2002:7f00:1::]/",
            "http://[fe80::1]/",
            "http://[fd00::1]/",
            "ftp://93.184.216.34/",
        ] {
            assert!(!verdict(&none, url), "{url}");
        }
        for url in ["http://93.184.216.34/", "https://[2606:4700::1111]/", "https://example.com/"] {
            assert!(verdict(&none, url), "{url}");
        }
    }

    #[test]
    fn the_operator_can_allow_hosts_and_networks() {
        let allow = allowing(vec![
            EgressRule::Net("127.0.0.1/32".parse().unwrap()),
            EgressRule::Net("10.0.0.0/8".parse().unwrap()),
            EgressRule::Host("crm.internal".into()),
        ]);
        assert!(verdict(&allow, "http://127.0.0.1:9000/"));
        assert!(verdict(&allow, "http://[::ffff:10.9.9.9]/"));
        assert!(!verdict(&allow, "http://127.0.0.2/"));
        assert!(allow.host("CRM.internal."));
    }

    #[tokio::test]
    async fn a_name_that_resolves_inside_is_refused() {
        let resolver = GuardedResolver { allow: Arc::new(allowing(Vec::new())) };
        let error = resolver.resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(error.to_string().contains("not a public address"), "{error}");
        let allow = Arc::new(allowing(vec![EgressRule::Host("localhost".into())]));
        assert!(GuardedResolver { allow }.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
