//! `http`: requests to granted hosts. Redirects are followed here, one exchange at a time, each checked like the first.

mod request;

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use wasmtime::Result;

use self::request::Outgoing;
use crate::{
    ExchangeError, Reply,
    bindings::chatboost::plugin::http::{Error, Host, Request, Response},
    run::state::State,
};

/// Redirects of one request.
const REDIRECTS_MAX: usize = 5;

impl Host for State {
    async fn send(&mut self, request: Request) -> Result<Result<Response, Error>> {
        self.host_call("http")?;
        let answer = self.follow(request).await;
        if let Err(Error::Denied(why)) = &answer {
            self.denied(why.as_str());
        }
        Ok(answer)
    }
}

impl State {
    async fn follow(&mut self, request: Request) -> Result<Response, Error> {
        let most = self.caller.limits.http_timeout_ms;
        let timeout = Duration::from_millis(request.timeout_ms.map_or(most, |ms| u64::from(ms).clamp(1, most)));
        let begun = Instant::now();
        let mut outgoing = Outgoing::read(request)?;
        for _ in 0..=REDIRECTS_MAX {
            let left = timeout.checked_sub(begun.elapsed()).ok_or(Error::TimedOut)?;
            let reply = self.hop(&outgoing, left).await?;
            match outgoing.redirected(&reply, &self.placeholders)? {
                Some(next) => outgoing = next,
                None => return Ok(response(reply)),
            }
        }
        Err(Error::Invalid(format!("more than {REDIRECTS_MAX} redirects")))
    }

    /// One exchange, checked and counted, the secrets put in on the way out and taken out on the way in.
    async fn hop(&mut self, outgoing: &Outgoing, left: Duration) -> Result<Reply, Error> {
        self.caller.rights.http(&outgoing.method, &outgoing.url).map_err(|denial| Error::Denied(denial.into()))?;
        let limits = &self.caller.limits;
        if self.meter.http_calls.load(Relaxed) >= limits.http_calls {
            return Err(Error::Quota(format!("a call may make {} requests", limits.http_calls)));
        }
        let (mut exchange, has_secret) = outgoing.exchange(&self.placeholders)?;
        let sent = outgoing.bytes();
        let used = self.meter.egress_bytes.load(Relaxed) + self.meter.ingress_bytes.load(Relaxed);
        let room = limits
            .http_bytes
            .checked_sub(used + sent)
            .filter(|room| *room > 0)
            .ok_or_else(|| Error::Quota(format!("a call may send and receive {} bytes", limits.http_bytes)))?;
        exchange.timeout_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
        exchange.body_bytes_max = room;
        self.meter.http_calls.fetch_add(1, Relaxed);
        self.meter.egress_bytes.fetch_add(sent, Relaxed);
        self.meter.secret_uses.fetch_add(u64::from(has_secret), Relaxed);
        let reply = self.meter.outside(self.caller.services.exchange(exchange)).await.map_err(|error| match error {
            ExchangeError::Refused(why) => Error::Denied(why),
            ExchangeError::Unreachable(why) => Error::Unreachable(why),
            ExchangeError::TimedOut => Error::TimedOut,
            ExchangeError::TooLarge => Error::TooLarge(room),
        });
        if matches!(reply, Err(Error::TooLarge(_))) {
            self.meter.ingress_bytes.fetch_add(room, Relaxed);
        }
        let mut reply = reply?;
        let headers: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
        let received = (headers + reply.body.len()) as u64;
        self.meter.ingress_bytes.fetch_add(received, Relaxed);
        if received > room {
            return Err(Error::TooLarge(room));
        }
        reply.body = self.placeholders.scrub(&reply.body);
        for (_, value) in &mut reply.headers {
            *value = self.placeholders.scrub(value);
        }
        Ok(reply)
    }
}

fn response(reply: Reply) -> Response {
    let headers = reply
        .headers
        .into_iter()
        .filter_map(|(name, value)| String::from_utf8(value).ok().map(|value| (name.to_ascii_lowercase(), value)));
    Response { status: reply.status, headers: headers.collect(), body: reply.body }
}
