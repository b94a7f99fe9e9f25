//! The time of a simulation, for all of its hosts.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::DateTime;
use domain::{Clock, Time};

/// When every simulation begins: 2026-03-02T09:00:00Z, in microseconds.
const BEGINNING: i64 = 1_772_442_000_000_000;

/// A clock that the simulation moves, together with the timers of its hosts: so these sleep as they do in production,
/// until the moment that they wait for.
#[derive(Debug, Clone)]
pub(super) struct SimClock(Arc<AtomicI64>);

impl SimClock {
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicI64::new(BEGINNING)))
    }

    pub(super) fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).unwrap_or(0), Ordering::SeqCst);
    }
}

impl Clock for SimClock {
    fn now(&self) -> Time {
        DateTime::from_timestamp_micros(self.0.load(Ordering::SeqCst)).unwrap_or_default()
    }
}
