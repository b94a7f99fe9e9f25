//! Who wrote what when, and which reply belongs to it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use tokio::sync::oneshot;

/// The longest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;

/// One message of a contact.
struct Written {
    at: Instant,
    replied: bool,
}

/// One contact's conversation.
#[derive(Default)]
struct Conversation {
    written: Vec<Written>,
    /// The highest message that was replied to, and one more.
    next: usize,
    waiter: Option<oneshot::Sender<()>>,
}

/// Latencies in microseconds.
pub(crate) struct Latency(Histogram<u64>);

impl Default for Latency {
    #[expect(clippy::expect_used, reason = "the bounds are constants that the crate accepts")]
    fn default() -> Self {
        // Three digits are more than the noise of any machine leaves.
        Self(Histogram::new_with_max(LATENCY_MAX_US, 3).expect("bounds of a histogram"))
    }
}

impl Latency {
    pub(crate) fn record(&mut self, took: Duration) {
        self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(LATENCY_MAX_US));
    }

    /// A percentile in milliseconds.
    pub(crate) fn ms(&self, percentile: f64) -> f64 {
        u32::try_from(self.0.value_at_percentile(percentile)).map_or(f64::MAX, f64::from) / 1000.0
    }

    /// The share of latencies above a bound.
    pub(crate) fn share_above(&self, bound: Duration) -> f64 {
        if self.0.is_empty() {
            return 0.0;
        }
        let bound = u64::try_from(bound.as_micros()).unwrap_or(LATENCY_MAX_US);
        #[expect(clippy::cast_precision_loss, reason = "a share, shown with two digits")]
        let share = 1.0 - self.0.count_between(0, bound) as f64 / self.0.len() as f64;
        share
    }
}

/// What happened so far.
pub(crate) struct Score {
    contacts: Vec<Conversation>,
    by_phone: HashMap<String, usize>,
    pub(crate) acks: Latency,
    pub(crate) replies: Latency,
    pub(crate) written: u64,
    pub(crate) replied: u64,
    pub(crate) doubled: u64,
    pub(crate) disordered: u64,
    pub(crate) unknown: u64,
    /// Webhooks that were not answered 200.
    pub(crate) refused: u64,
    /// When each reply came since the beginning, and its latency: for the plot.
    pub(crate) trace: Vec<(Duration, Duration)>,
    pub(crate) began: Instant,
}

impl Score {
    pub(crate) fn new(contacts: usize) -> Self {
        Self {
            contacts: (0..contacts).map(|_| Conversation::default()).collect(),
            by_phone: (0..contacts).map(|at| (phone(at), at)).collect(),
            acks: Latency::default(),
            replies: Latency::default(),
            written: 0,
            replied: 0,
            doubled: 0,
            disordered: 0,
            unknown: 0,
            refused: 0,
            trace: Vec::new(),
            began: Instant::now(),
        }
    }

    /// A contact writes its next message: its number, and what resolves with the reply.
    pub(crate) fn write(&mut self, contact: usize) -> (usize, oneshot::Receiver<()>) {
        let (waiter, reply) = oneshot::channel();
        let conversation = &mut self.contacts[contact];
        conversation.written.push(Written { at: Instant::now(), replied: false });
        conversation.waiter = Some(waiter);
        self.written += 1;
        (conversation.written.len() - 1, reply)
    }

    /// The server sent a reply to a message.
    pub(crate) fn reply(&mut self, phone: &str, message: usize) {
        let now = Instant::now();
        let Some(conversation) = self.by_phone.get(phone).and_then(|at| self.contacts.get_mut(*at)) else {
            self.unknown += 1;
            return;
        };
        let Some(written) = conversation.written.get_mut(message) else {
            self.unknown += 1;
            return;
        };
        if written.replied {
            self.doubled += 1;
            return;
        }
        written.replied = true;
        self.replied += 1;
        if message < conversation.next {
            self.disordered += 1;
        }
        conversation.next = conversation.next.max(message + 1);
        let took = now - written.at;
        self.replies.record(took);
        self.trace.push((now - self.began, took));
        if message + 1 == conversation.written.len()
            && let Some(waiter) = conversation.waiter.take()
        {
            // Whoever waited may have given up.
            let _ = waiter.send(());
        }
    }

    /// Starts counting anew; what was written before stays answered.
    pub(crate) fn reset(&mut self) {
        let Self { contacts, by_phone, .. } = std::mem::replace(self, Self::new(0));
        self.contacts = contacts;
        self.by_phone = by_phone;
    }
}

/// The phone number of a contact.
pub(crate) fn phone(contact: usize) -> String {
    format!("1650{contact:07}")
}
