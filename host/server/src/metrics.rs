//! Counters of things that happen, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

/// Names and meanings, in the order of the indexes below.
const COUNTERS: [(&str, &str); 11] = [
    ("chatboost_webhooks_total", "Webhook POSTs with a valid signature"),
    ("chatboost_webhooks_refused_total", "Webhook POSTs without a valid signature"),
    ("chatboost_messages_received_total", "Inbound messages stored"),
    ("chatboost_messages_duplicate_total", "Inbound messages that were stored already"),
    ("chatboost_statuses_total", "Delivery reports received"),
    ("chatboost_webhook_odd_pieces_total", "Pieces of webhooks that could not be read"),
    ("chatboost_webhook_unknown_numbers_total", "Updates for phone number ids that no bot has"),
    ("chatboost_messages_sent_total", "Outbound messages that Meta took"),
    ("chatboost_sends_failed_total", "Outbound messages given up"),
    ("chatboost_sends_in_doubt_total", "Sends that may have gone out although no answer came"),
    ("chatboost_webhook_other_fields_total", "Updates of other webhook fields than messages"),
];

pub(crate) const WEBHOOKS: usize = 0;
pub(crate) const REFUSED: usize = 1;
pub(crate) const RECEIVED: usize = 2;
pub(crate) const DUPLICATE: usize = 3;
pub(crate) const STATUSES: usize = 4;
pub(crate) const ODD: usize = 5;
pub(crate) const UNKNOWN_NUMBER: usize = 6;
pub(crate) const SENT: usize = 7;
pub(crate) const SEND_FAILED: usize = 8;
pub(crate) const SEND_IN_DOUBT: usize = 9;
pub(crate) const OTHER_FIELD: usize = 10;

static VALUES: [AtomicU64; COUNTERS.len()] = [const { AtomicU64::new(0) }; COUNTERS.len()];

/// One more.
pub(crate) fn count(counter: usize) {
    add(counter, 1);
}

/// So many more.
pub(crate) fn add(counter: usize, n: usize) {
    VALUES[counter].fetch_add(n as u64, Ordering::Relaxed);
}

/// All counters of this process in the Prometheus text format.
pub(crate) fn render() -> String {
    COUNTERS
        .iter()
        .zip(&VALUES)
        .map(|((name, help), value)| {
            format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {}\n", value.load(Ordering::Relaxed))
        })
        .collect()
}
