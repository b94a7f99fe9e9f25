//! Counters of things that happen, for `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering};

use storage::Aging;
use whatsapp::webhook::OddKind;

/// Names and meanings, in the order of the indexes below.
const COUNTERS: [(&str, &str); 18] = [
    ("chatboost_webhooks_total", "Webhook POSTs with a valid signature"),
    ("chatboost_webhooks_refused_total", "Webhook POSTs without a valid signature"),
    ("chatboost_messages_received_total", "Inbound messages stored"),
    ("chatboost_messages_duplicate_total", "Inbound messages that were stored already"),
    ("chatboost_statuses_total", "Delivery reports received"),
    ("chatboost_webhook_bodies_refused_total", "Webhook POSTs whose body was no JSON or too long"),
    ("chatboost_webhook_unknown_numbers_total", "Updates for phone number ids that no bot has"),
    ("chatboost_messages_sent_total", "Outbound messages that Meta took"),
    ("chatboost_sends_failed_total", "Outbound messages given up"),
    ("chatboost_sends_in_doubt_total", "Sends that may have gone out although no answer came"),
    ("chatboost_account_events_total", "Updates of other webhook fields than messages, stored"),
    ("chatboost_statuses_early_total", "Delivery reports of messages that are not known, or not yet"),
    ("chatboost_contacts_merged_total", "Contacts that turned out to be the same person as another one"),
    ("chatboost_sends_held_total", "Sends put off until later, or until somebody has mended something"),
    ("chatboost_send_pauses_total", "Pauses that Meta asked for, of contacts, numbers, accounts and apps"),
    ("chatboost_bots_ill_total", "How often a bot was found to be unable to send"),
    ("chatboost_courtesies_total", "Messages marked as read, with or without showing that an answer is being typed"),
    ("chatboost_courtesies_failed_total", "Messages that could not be marked as read"),
];

pub(crate) const WEBHOOKS: usize = 0;
pub(crate) const REFUSED: usize = 1;
pub(crate) const RECEIVED: usize = 2;
pub(crate) const DUPLICATE: usize = 3;
pub(crate) const STATUSES: usize = 4;
pub(crate) const BODY_REFUSED: usize = 5;
pub(crate) const UNKNOWN_NUMBER: usize = 6;
pub(crate) const SENT: usize = 7;
pub(crate) const SEND_FAILED: usize = 8;
pub(crate) const SEND_IN_DOUBT: usize = 9;
pub(crate) const ACCOUNT_EVENTS: usize = 10;
pub(crate) const STATUSES_EARLY: usize = 11;
pub(crate) const MERGED: usize = 12;
pub(crate) const SEND_HELD: usize = 13;
pub(crate) const SEND_PAUSES: usize = 14;
pub(crate) const BOT_ILL: usize = 15;
pub(crate) const COURTESIES: usize = 16;
pub(crate) const COURTESIES_FAILED: usize = 17;

static VALUES: [AtomicU64; COUNTERS.len()] = [const { AtomicU64::new(0) }; COUNTERS.len()];

/// Pieces of webhooks that were not as documented, by kind.
static ODD: [AtomicU64; OddKind::ALL.len()] = [const { AtomicU64::new(0) }; OddKind::ALL.len()];
const ODD_NAME: &str = "chatboost_webhook_odd_pieces_total";
const ODD_HELP: &str = "Pieces of webhooks that were not as documented";

/// Rows removed because of their age, by table.
static PURGED: [AtomicU64; Aging::ALL.len()] = [const { AtomicU64::new(0) }; Aging::ALL.len()];
const PURGED_NAME: &str = "chatboost_purged_rows_total";
const PURGED_HELP: &str = "Rows removed because of their age";

/// One more.
pub(crate) fn count(counter: usize) {
    add(counter, 1);
}

/// So many more.
pub(crate) fn add(counter: usize, n: usize) {
    VALUES[counter].fetch_add(n as u64, Ordering::Relaxed);
}

/// One more odd piece of a webhook.
pub(crate) fn count_odd(kind: OddKind) {
    ODD[kind as usize].fetch_add(1, Ordering::Relaxed);
}

/// So many more rows removed because of their age.
pub(crate) fn add_purged(what: Aging, n: u64) {
    PURGED[what as usize].fetch_add(n, Ordering::Relaxed);
}

/// All counters of this process in the Prometheus text format.
pub(crate) fn render() -> String {
    let counted = |value: &AtomicU64| value.load(Ordering::Relaxed);
    let mut text: String = COUNTERS
        .iter()
        .zip(&VALUES)
        .map(|((name, help), value)| {
            format!("# HELP {name} {help}\n# TYPE {name} counter\n{name} {}\n", counted(value))
        })
        .collect();
    text.push_str(&format!("# HELP {ODD_NAME} {ODD_HELP}\n# TYPE {ODD_NAME} counter\n"));
    for (kind, value) in OddKind::ALL.into_iter().zip(&ODD) {
        text.push_str(&format!("{ODD_NAME}{{kind=\"{}\"}} {}\n", kind.as_str(), counted(value)));
    }
    text.push_str(&format!("# HELP {PURGED_NAME} {PURGED_HELP}\n# TYPE {PURGED_NAME} counter\n"));
    for what in Aging::ALL {
        let value = counted(&PURGED[what as usize]);
        text.push_str(&format!("{PURGED_NAME}{{table=\"{}\"}} {value}\n", what.table()));
    }
    text
}
