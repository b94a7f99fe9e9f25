//! Time as a parameter: the one place that reads the wall clock, and a clock that tests move by hand.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};

/// An instant in UTC, with microsecond precision wherever it is stored.
pub type Time = DateTime<Utc>;

/// Tells the time. Handed to whatever needs it; nothing else reads the wall clock.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present, cut to microseconds, which is what PostgreSQL keeps: a stored time reads back equal.
    fn now(&self) -> Time;

    /// How long to sleep in real time until `at` comes, and at most `cap`. A clock that tests move answers `cap`,
    /// because real time says nothing about it; moving it wakes the sleepers instead (see [`Clock::on_move`]).
    fn until(&self, at: Time, cap: Duration) -> Duration {
        (at - self.now()).to_std().unwrap_or(Duration::ZERO).min(cap)
    }

    /// Registers a callback to run whenever the clock is moved by hand. The system clock never is.
    fn on_move(&self, _wake: Arc<dyn Fn() + Send + Sync>) {}
}

/// The computer's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Time {
        let now = Utc::now();
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }
}

type Wakers = Arc<Mutex<Vec<Arc<dyn Fn() + Send + Sync>>>>;

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct TestClock {
    micros: Arc<AtomicI64>,
    wakers: Wakers,
}

impl std::fmt::Debug for TestClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TestClock").field(&self.now()).finish()
    }
}

impl TestClock {
    /// A clock that shows `start` until moved.
    pub fn at(start: Time) -> Self {
        Self { micros: Arc::new(AtomicI64::new(start.timestamp_micros())), wakers: Arc::default() }
    }

    /// Moves the clock forward and wakes whoever sleeps by it.
    pub fn advance(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.micros.fetch_add(micros, Ordering::SeqCst);
        let wakers = self.wakers.lock().map(|w| w.clone()).unwrap_or_default();
        for wake in wakers {
            wake();
        }
    }
}

impl Clock for TestClock {
    fn now(&self) -> Time {
        DateTime::from_timestamp_micros(self.micros.load(Ordering::SeqCst)).unwrap_or_default()
    }

    fn until(&self, at: Time, cap: Duration) -> Duration {
        if at <= self.now() { Duration::ZERO } else { cap }
    }

    fn on_move(&self, wake: Arc<dyn Fn() + Send + Sync>) {
        if let Ok(mut wakers) = self.wakers.lock() {
            wakers.push(wake);
        }
    }
}
