//! What a call has used so far, readable from outside while it runs and after it was dropped.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use domain::Time;

use crate::{Limits, LogLevel, LogLine, Usage};

/// Counters of one call. One thread at a time writes them: the one that polls the call.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Nanoseconds on a processor, up to `since`.
    spent: AtomicU64,
    /// The thread's processor time when it went on with the guest.
    since: AtomicU64,
    /// The guest waits for a host call.
    is_in_host: AtomicBool,
    /// The guest has used up a slice without answering.
    pub(crate) is_long: AtomicBool,
    /// The call wants to be in the slow lane.
    pub(crate) wants_slow: AtomicBool,
    pub(crate) instantiate_us: AtomicU64,
    pub(crate) memory_bytes: AtomicU64,
    pub(crate) host_calls: AtomicU64,
    pub(crate) http_calls: AtomicU64,
    pub(crate) egress_bytes: AtomicU64,
    pub(crate) ingress_bytes: AtomicU64,
    pub(crate) kv_calls: AtomicU64,
    pub(crate) kv_bytes: AtomicU64,
    pub(crate) secret_uses: AtomicU64,
    pub(crate) instructions: AtomicU64,
    /// What of memory, tables or handles was refused.
    pub(crate) refused: Mutex<Option<String>>,
    logs: Mutex<Logs>,
    denials: Mutex<Vec<String>>,
}

/// Different denials of one call that are remembered.
const DENIALS_MAX: usize = 20;

#[derive(Debug, Default)]
struct Logs {
    lines: Vec<LogLine>,
    bytes: u64,
    dropped: u64,
}

impl Meter {
    /// The thread begins to poll the call.
    pub(crate) fn poll_begins(&self) {
        if !self.is_in_host.load(Relaxed) {
            self.since.store(thread_time(), Relaxed);
        }
    }

    /// The thread has polled the call.
    pub(crate) fn poll_ends(&self) {
        if !self.is_in_host.load(Relaxed) {
            self.spent.store(self.spent_now(), Relaxed);
        }
    }

    /// The guest begins to wait for the host.
    fn host_begins(&self) {
        self.spent.store(self.spent_now(), Relaxed);
        self.is_in_host.store(true, Relaxed);
    }

    /// The guest goes on.
    fn host_ends(&self) {
        self.since.store(thread_time(), Relaxed);
        self.is_in_host.store(false, Relaxed);
    }

    /// Leaves the slow lane, if the call is in it.
    pub(crate) async fn leave_slow_lane(&self) {
        if self.wants_slow.swap(false, Relaxed) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits for the host; the guest's time stands still.
    pub(crate) async fn outside<T>(&self, waits: impl Future<Output = T>) -> T {
        self.leave_slow_lane().await;
        self.host_begins();
        let result = waits.await;
        self.host_ends();
        result
    }

    /// Nanoseconds on a processor, asked by the thread that runs the guest.
    pub(crate) fn spent_now(&self) -> u64 {
        self.spent.load(Relaxed) + thread_time().saturating_sub(self.since.load(Relaxed))
    }

    /// Remembers what of the guest's resources was refused; the first one counts.
    pub(crate) fn refuse(&self, what: String) {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(what);
    }

    /// Remembers what was denied, each once.
    pub(crate) fn deny(&self, why: &str) {
        let mut denials = self.denials.lock().unwrap_or_else(PoisonError::into_inner);
        if denials.len() < DENIALS_MAX && !denials.iter().any(|known| known == why) {
            denials.push(why.to_owned());
        }
    }

    /// What was denied.
    pub(crate) fn take_denials(&self) -> Vec<String> {
        std::mem::take(&mut *self.denials.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a line, unless the limits are used up.
    pub(crate) fn log(
        &self,
        at: Time,
        level: LogLevel,
        message: &str,
        fields: Option<domain::JsonMap>,
        limits: &Limits,
    ) {
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let fields_bytes = fields.as_ref().map_or(0, |fields| serde_json::to_vec(fields).map_or(0, |text| text.len()));
        let bytes = (message.len() + fields_bytes) as u64;
        let lines = logs.lines.len() as u64;
        // The last words of a plugin that panics come after a flood as well: one more line, cut to fit.
        let is_last_word = level == LogLevel::Error && logs.dropped == 0 && lines == limits.log_lines;
        if (lines >= limits.log_lines && !is_last_word) || logs.bytes + bytes > limits.log_bytes {
            logs.dropped += 1;
            return;
        }
        logs.bytes += bytes;
        logs.lines.push(LogLine { at, level, message: message.to_owned(), fields });
    }

    /// The lines, the last of which says how many were dropped, if any.
    pub(crate) fn take_logs(&self, now: Time) -> Vec<LogLine> {
        let logs = std::mem::take(&mut *self.logs.lock().unwrap_or_else(PoisonError::into_inner));
        let mut lines = logs.lines;
        if logs.dropped > 0 {
            let message = format!("{} more lines were dropped: a call may log only so much", logs.dropped);
            lines.push(LogLine { at: now, level: LogLevel::Warn, message, fields: None });
        }
        lines
    }

    /// The last line of level error: where a guest says why it panics.
    pub(crate) fn last_words(&self) -> Option<String> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.lines.iter().rev().find(|line| line.level == LogLevel::Error).map(|line| line.message.clone())
    }

    /// Counts, asked when the call is no longer polled.
    pub(crate) fn add_to(&self, usage: &mut Usage) {
        usage.instantiate_us += self.instantiate_us.load(Relaxed);
        usage.cpu_us += self.spent.load(Relaxed) / 1_000;
        usage.peak_memory_bytes = usage.peak_memory_bytes.max(self.memory_bytes.load(Relaxed));
        usage.host_calls += self.host_calls.load(Relaxed);
        usage.http_calls += self.http_calls.load(Relaxed);
        usage.egress_bytes += self.egress_bytes.load(Relaxed);
        usage.ingress_bytes += self.ingress_bytes.load(Relaxed);
        usage.kv_calls += self.kv_calls.load(Relaxed);
        usage.secret_uses += self.secret_uses.load(Relaxed);
        let instructions = self.instructions.load(Relaxed);
        if instructions > 0 {
            usage.instructions = Some(usage.instructions.unwrap_or(0) + instructions);
        }
    }
}

/// Nanoseconds that this thread has been on a processor. Unlike elapsed time it does not grow while others run.
#[cfg(unix)]
fn thread_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(not(unix))]
fn thread_time() -> u64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    u64::try_from(START.get_or_init(std::time::Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX)
}
