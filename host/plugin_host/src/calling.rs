//! One call, from admission to stored values.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use domain::plugin::{FailureKind, PluginOutcome};

use crate::{
    CallError, Called, Caller, Commit, Host, Loaded, Usage,
    run::{
        answers::Check,
        attempt::{Answer, Request, attempt},
        failure,
        meter::Meter,
        state::State,
    },
};

/// How often a call is made when others change the values that it depends on.
const KV_ATTEMPTS: u32 = 8;
/// Calls that were long, of which the host keeps in mind whose they were.
const LONG_MAX: usize = 10_000;

impl Host {
    /// A call from admission to stored values.
    pub(crate) async fn call<T>(
        &self,
        plugin: &Arc<Loaded>,
        caller: &Caller,
        request: Request,
        read: impl Fn(Answer, &Check<'_>) -> Result<T, CallError>,
        outcome: impl Fn(&T) -> Option<PluginOutcome>,
    ) -> Called<T> {
        let mut usage = Usage::default();
        let mut meter = Arc::new(Meter::default());
        if let Err(until) = self.breaker.ask(&plugin.digest, caller.tenant) {
            let message = format!("the plugin failed too often; it is tried again after {}", until.to_rfc3339());
            let failure = failure::plain(FailureKind::CircuitOpen, message);
            return Called { result: Err(failure.into()), usage, logs: Vec::new(), denials: Vec::new() };
        }
        let asked = Instant::now();
        let permit = match self.admission.enter(caller.tenant, &plugin.digest).await {
            Ok(permit) => Arc::new(permit),
            Err(why) => {
                let failure = failure::plain(FailureKind::Overloaded, format!("the plugin was not run: {why}"));
                self.breaker.tell(&plugin.digest, caller.tenant, Some(failure.kind));
                return Called { result: Err(failure.into()), usage, logs: Vec::new(), denials: Vec::new() };
            }
        };
        let begun = Instant::now();
        usage.queued_us = micros(begun - asked);
        let _ticking = self.ticker.call();
        // Kilobytes of texts, which every attempt only reads.
        let request = Arc::new(request);
        let attempts = async {
            for number in 0..KV_ATTEMPTS {
                if number > 0 {
                    meter.add_to(&mut usage);
                    meter = Arc::new(Meter::default());
                }
                let state =
                    State::new(caller.clone(), meter.clone(), plugin.has_wasi, matches!(*request, Request::Describe));
                let begins_slow = self.was_long(caller.tenant, &plugin.digest);
                let job = attempt(plugin.clone(), state, request.clone(), permit.clone(), begins_slow);
                let Ok((answer, left)) = self.lanes.run(meter.clone(), Box::pin(job)).await else {
                    return Err(failure::plain(FailureKind::HostError, "the call was lost").into());
                };
                let answer = answer.map_err(|error| failure::of(&error, &caller.limits, &meter))?;
                let check = Check { limits: &caller.limits, placeholders: &left.placeholders };
                let result = read(answer, &check)?;
                let Some(changes) = left.kv.changes(&caller.limits) else { return Ok(result) };
                let journal = outcome(&result);
                match caller.services.kv_commit(&changes, journal.as_ref()).await {
                    Ok(Commit::Done) => return Ok(result),
                    // What was too much for the store is told to the plugin when it looks again.
                    Ok(Commit::Conflict | Commit::OverQuota(_)) => {}
                    Err(error) => {
                        let message = format!("the plugin's values were not stored: {error}");
                        return Err(failure::plain(FailureKind::HostError, message).into());
                    }
                }
            }
            let message = format!("others changed the plugin's values {KV_ATTEMPTS} times while it worked on them");
            Err(failure::plain(FailureKind::Overloaded, message).into())
        };
        let wall = Duration::from_millis(caller.limits.wall_ms);
        let result = tokio::time::timeout(wall, attempts).await;
        let result = result.unwrap_or_else(|_| Err(failure::too_slow(&caller.limits, &meter).into()));
        self.note_length(caller.tenant, &plugin.digest, &meter);
        meter.add_to(&mut usage);
        usage.wall_us = micros(begun.elapsed());
        let failed = match &result {
            Err(CallError::Failure(failure)) => Some(failure.kind),
            _ => None,
        };
        self.breaker.tell(&plugin.digest, caller.tenant, failed);
        Called { result, usage, logs: meter.take_logs(caller.services.now()), denials: meter.take_denials() }
    }

    fn was_long(&self, tenant: i64, digest: &Arc<str>) -> bool {
        let long = self.long.lock().unwrap_or_else(PoisonError::into_inner);
        !long.is_empty() && long.contains(&(tenant, digest.clone()))
    }

    fn note_length(&self, tenant: i64, digest: &Arc<str>, meter: &Meter) {
        let is_long = meter.is_long.load(Relaxed);
        let mut long = self.long.lock().unwrap_or_else(PoisonError::into_inner);
        if is_long {
            if long.len() >= LONG_MAX {
                long.clear();
            }
            long.insert((tenant, digest.clone()));
        } else if !long.is_empty() {
            long.remove(&(tenant, digest.clone()));
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
