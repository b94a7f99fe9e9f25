//! HTTP exchanges of plugins, through the egress guard.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;
use plugin_host::{Exchange, ExchangeError, Reply};
use reqwest::{Client, Method, header::HeaderName};

use crate::egress::{self, EgressAllow};

/// Headers that the host alone sets.
const HOSTS_OWN: [&str; 6] = ["host", "content-length", "transfer-encoding", "connection", "upgrade", "te"];
/// Most bytes of an answer's headers, names included.
const HEADER_BYTES_MAX: usize = 64 * 1024;

/// The guard and the client behind it, which follows no redirect and keeps no connection: what one tenant opened is never
/// another's.
#[derive(Debug)]
pub(super) struct Outside {
    allow: Arc<EgressAllow>,
    client: Client,
}

impl Outside {
    /// # Errors
    /// When the TLS library cannot be set up.
    pub(super) fn new(allow: EgressAllow) -> reqwest::Result<Self> {
        let allow = Arc::new(allow);
        Ok(Self { client: egress::single_hop_client(&allow)?, allow })
    }

    /// Makes an exchange. What it says of failures has nothing of the request in it, which may hold secrets.
    pub(super) async fn exchange(&self, exchange: Exchange) -> Result<Reply, ExchangeError> {
        self.allow.check(&exchange.url).map_err(ExchangeError::Refused)?;
        let method: Method =
            exchange.method.parse().map_err(|_| ExchangeError::Refused("the method cannot be sent".into()))?;
        let mut request = self.client.request(method, exchange.url).timeout(Duration::from_millis(exchange.timeout_ms));
        for (name, value) in exchange.headers {
            let name = HeaderName::try_from(name.as_str())
                .map_err(|_| ExchangeError::Refused("a header's name cannot be sent".into()))?;
            if !HOSTS_OWN.contains(&name.as_str()) {
                request = request.header(name, value);
            }
        }
        if let Some(body) = exchange.body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| trouble(&error))?;
        let status = response.status().as_u16();
        let headers: Vec<_> =
            response.headers().iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        if headers.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > HEADER_BYTES_MAX {
            return Err(ExchangeError::TooLarge);
        }
        let most = usize::try_from(exchange.body_bytes_max).unwrap_or(usize::MAX);
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| trouble(&error))?;
            if body.len() + chunk.len() > most {
                return Err(ExchangeError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, headers, body })
    }
}

fn trouble(error: &reqwest::Error) -> ExchangeError {
    if error.is_timeout() {
        return ExchangeError::TimedOut;
    }
    if error.is_builder() {
        return ExchangeError::Refused("a header or the address cannot be sent".into());
    }
    // The cause at the bottom says most, and is not the one that repeats the address.
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    let reason = cause.to_string();
    if reason.contains(egress::REFUSAL) { ExchangeError::Refused(reason) } else { ExchangeError::Unreachable(reason) }
}
