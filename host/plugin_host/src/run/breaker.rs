//! Circuit breakers: a plugin that the host has to stop again and again is left alone for a while.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{Clock, Time, plugin::FailureKind};

/// When a circuit opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerLimits {
    /// Failures of the host's finding one after another.
    pub failures: u32,
    /// How long no call is made then. Afterwards one is tried.
    pub rest: Duration,
}

/// One circuit per version of a plugin and tenant: what one tenant's settings break does not stop another's.
pub(crate) struct Breaker {
    limits: BreakerLimits,
    clock: Arc<dyn Clock>,
    circuits: Mutex<HashMap<(Arc<str>, i64), Circuit>>,
}

#[derive(Debug, Default)]
struct Circuit {
    failures: u32,
    open_until: Option<Time>,
    /// The one call that is tried after the rest.
    is_trying: bool,
}

/// A circuit that is not closed, for whoever looks after plugins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenCircuit {
    /// SHA-256 of the component.
    pub digest: String,
    /// Whose.
    pub tenant: i64,
    /// When a call is tried again.
    pub until: Time,
}

impl Breaker {
    pub(crate) fn new(limits: BreakerLimits, clock: Arc<dyn Clock>) -> Self {
        Self { limits, clock, circuits: Mutex::default() }
    }

    /// Whether a call may be made; if not, until when.
    pub(crate) fn ask(&self, digest: &Arc<str>, tenant: i64) -> Result<(), Time> {
        let mut circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        if circuits.is_empty() {
            return Ok(());
        }
        let Some(circuit) = circuits.get_mut(&(digest.clone(), tenant)) else { return Ok(()) };
        let Some(until) = circuit.open_until else { return Ok(()) };
        if self.clock.now() < until || circuit.is_trying {
            return Err(until);
        }
        circuit.is_trying = true;
        Ok(())
    }

    /// Takes note of what came of a call that was allowed.
    pub(crate) fn tell(&self, digest: &Arc<str>, tenant: i64, failure: Option<FailureKind>) {
        let mut circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        if circuits.is_empty() && failure.is_none() {
            return;
        }
        let key = (digest.clone(), tenant);
        match failure {
            None => {
                circuits.remove(&key);
            }
            Some(kind) if counts(kind) => {
                let circuit = circuits.entry(key).or_default();
                circuit.failures += 1;
                circuit.is_trying = false;
                if circuit.failures >= self.limits.failures {
                    let rest = chrono::Duration::from_std(self.limits.rest).unwrap_or(chrono::Duration::MAX);
                    circuit.open_until = Some(self.clock.now() + rest);
                }
            }
            Some(_) => {
                if let Some(circuit) = circuits.get_mut(&key) {
                    circuit.is_trying = false;
                }
            }
        }
    }

    pub(crate) fn open(&self) -> Vec<OpenCircuit> {
        let circuits = self.circuits.lock().unwrap_or_else(PoisonError::into_inner);
        let open = circuits.iter().filter_map(|((digest, tenant), circuit)| {
            let until = circuit.open_until?;
            Some(OpenCircuit { digest: digest.to_string(), tenant: *tenant, until })
        });
        open.collect()
    }
}

/// Whether a failure says something about the plugin.
fn counts(kind: FailureKind) -> bool {
    match kind {
        FailureKind::TimedOut | FailureKind::OutOfMemory | FailureKind::Trapped | FailureKind::InvalidOutput => true,
        // What is not granted is for the bot's owner to mend, and nothing is saved by not calling.
        FailureKind::Denied
        | FailureKind::Overloaded
        | FailureKind::CircuitOpen
        | FailureKind::Unavailable
        | FailureKind::HostError => false,
    }
}

#[cfg(test)]
mod tests {
    use domain::TestClock;

    use super::*;

    const TRAP: Option<FailureKind> = Some(FailureKind::Trapped);

    fn setup() -> (TestClock, Breaker, Arc<str>) {
        let clock = TestClock::at(Time::from_timestamp(1_700_000_000, 0).unwrap());
        let limits = BreakerLimits { failures: 3, rest: Duration::from_secs(30) };
        (clock.clone(), Breaker::new(limits, Arc::new(clock)), "abc".into())
    }

    #[test]
    fn opens_after_failures_in_a_row_and_tries_one_call_after_the_rest() {
        let (clock, breaker, digest) = setup();
        breaker.tell(&digest, 1, TRAP);
        breaker.tell(&digest, 1, TRAP);
        breaker.tell(&digest, 1, None);
        for _ in 0..3 {
            assert!(breaker.ask(&digest, 1).is_ok());
            breaker.tell(&digest, 1, TRAP);
        }
        assert!(breaker.ask(&digest, 1).is_err());
        assert_eq!(breaker.open().len(), 1);
        clock.advance(Duration::from_secs(30));
        assert!(breaker.ask(&digest, 1).is_ok());
        assert!(breaker.ask(&digest, 1).is_err(), "only one call is tried");
        breaker.tell(&digest, 1, TRAP);
        assert!(breaker.ask(&digest, 1).is_err(), "it failed, so the rest begins anew");
        clock.advance(Duration::from_secs(30));
        assert!(breaker.ask(&digest, 1).is_ok());
        breaker.tell(&digest, 1, None);
        assert!(breaker.ask(&digest, 1).is_ok());
        assert!(breaker.open().is_empty());
    }

    #[test]
    fn a_trial_that_says_nothing_of_the_plugin_leaves_room_for_another() {
        let (clock, breaker, digest) = setup();
        (0..3).for_each(|_| breaker.tell(&digest, 1, TRAP));
        clock.advance(Duration::from_secs(30));
        assert!(breaker.ask(&digest, 1).is_ok());
        breaker.tell(&digest, 1, Some(FailureKind::Overloaded));
        assert!(breaker.ask(&digest, 1).is_ok());
    }

    #[test]
    fn one_tenants_failures_are_not_anothers() {
        let (_, breaker, digest) = setup();
        (0..3).for_each(|_| breaker.tell(&digest, 1, TRAP));
        assert!(breaker.ask(&digest, 1).is_err());
        assert!(breaker.ask(&digest, 2).is_ok());
    }
}
