//! What must hold when all is done: what people and Meta have seen, beside what the database says.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::{Clock, DeliveryStatus};
use storage::{
    Db,
    testing::audit::{AuditedMessage, Counts},
};
use tokio::runtime::Runtime;

use super::{
    clock::SimClock,
    meta::{Job, Meta},
    stage::{PEOPLE_MAX, TICKS, TIMER_SECONDS, phone},
};

/// What should have come of what a person wrote.
#[derive(Debug, Default)]
struct Expected {
    /// Answers, in order.
    answers: Vec<String>,
    /// Timers, with when their message was stored.
    rings: BTreeMap<String, domain::Time>,
    /// Executions, and how many of them wait for an answer.
    executions: i64,
    waiting: i64,
}

/// Everything that is wrong, in words. Notes how many messages were doubled for a reason.
pub(super) fn check((runtime, db): &(Runtime, Db), meta: &Meta, doubled: &mut u64) -> Vec<String> {
    let looked = runtime.block_on(async {
        let mut tx = db.read().await?;
        Ok::<_, storage::Error>((tx.audit_messages().await?, tx.audit_mailboxes().await?, tx.audit_counts().await?))
    });
    let (messages, mailboxes, counts) = looked.expect("the database can be read");
    let mut wrong = Vec::new();
    for mailbox in mailboxes {
        if mailbox.owner.is_some() || mailbox.unhandled != 0 || mailbox.open != 0 || !mailbox.is_parked {
            wrong.push(format!("a mailbox is not at rest: {mailbox:?}"));
        }
    }
    if meta.jobs.iter().any(Job::is_wanted) {
        wrong.push("a webhook was not acknowledged".into());
    }
    let (mut executions, mut waiting) = (0, 0);
    for person in 0..PEOPLE_MAX {
        let phone = phone(person);
        let of: Vec<&AuditedMessage> = messages.iter().filter(|message| message.phone == phone).collect();
        inbound(&phone, &of, meta, &mut wrong);
        let expected = expect(&of);
        executions += expected.executions;
        waiting += expected.waiting;
        outbound(&phone, &of, &expected, &mut wrong);
        order(&phone, meta, &mut wrong);
    }
    *doubled = 0;
    for message in messages.iter().filter(|message| message.is_outbound) {
        *doubled += sent(message, meta, &mut wrong);
    }
    for taken in &meta.taken {
        if !messages.iter().any(|message| message.id == taken.row && message.text == taken.text) {
            wrong.push(format!("Meta was given what is stored nowhere: {taken:?}"));
        }
    }
    // A report that names only an id which no message got, because a later try has another one, is held for a day.
    let told = meta.jobs.iter().filter_map(|job| job.status.as_ref()).filter(|told| !told.names_row);
    let orphans =
        told.filter(|told| !messages.iter().any(|message| message.wamid.as_ref() == Some(&told.wamid))).count();
    if usize::try_from(counts.early).is_ok_and(|early| early > orphans) {
        wrong.push(format!("delivery reports left: {}, of which {orphans} are nobody's", counts.early));
    }
    count(&counts, executions, waiting, &mut wrong);
    wrong
}

/// Each message that was acknowledged is there once, and those that came one after the other are in that order.
fn inbound(phone: &str, of: &[&AuditedMessage], meta: &Meta, wrong: &mut Vec<String>) {
    let mut jobs = Vec::new();
    for job in &meta.jobs {
        let Some((_, wamid)) = job.message.as_ref().filter(|(from, _)| from == phone) else { continue };
        let rows: Vec<i64> =
            of.iter().filter(|row| !row.is_outbound && row.wamid.as_ref() == Some(wamid)).map(|row| row.id).collect();
        match rows.as_slice() {
            [row] => jobs.push((job, *row)),
            [] => wrong.push(format!("lost: {}", job.what)),
            _ => wrong.push(format!("stored {} times: {}", rows.len(), job.what)),
        }
    }
    if of.iter().filter(|row| !row.is_outbound).count() > jobs.len() {
        wrong.push(format!("{phone} is said to have written more than it did"));
    }
    for (first, first_row) in &jobs {
        for (second, second_row) in &jobs {
            let is_before = first.acknowledged.zip(second.posted).is_some_and(|((at, _), posted)| at < posted);
            if is_before && first_row > second_row {
                wrong.push(format!("out of order: {} came before {}", first.what, second.what));
            }
        }
    }
}

/// What the flows make of messages in this order.
fn expect(of: &[&AuditedMessage]) -> Expected {
    let mut expected = Expected { executions: i64::try_from(TICKS.len()).unwrap_or_default(), ..Expected::default() };
    let mut heard = 0;
    for row in of.iter().filter(|row| !row.is_outbound) {
        if heard == 0 && row.text.starts_with("timer") {
            expected.rings.insert(format!("ring {}", row.text), row.created_at);
            expected.executions += 1;
            continue;
        }
        if heard == 0 {
            expected.executions += 1;
            expected.waiting = 1;
        }
        heard += 1;
        expected.answers.push(format!("heard {heard}"));
        expected.answers.push(format!("answer {heard} to {}", row.text));
    }
    expected
}

/// There is each message that there should be, once, in order, and none before its time.
fn outbound(phone: &str, of: &[&AuditedMessage], expected: &Expected, wrong: &mut Vec<String>) {
    let (mut answers, mut rings, mut ticks) = (Vec::new(), Vec::new(), Vec::new());
    let beginning = SimClock::new().now();
    for row in of.iter().filter(|row| row.is_outbound) {
        if let Some(tick) = row.text.strip_prefix("tick ") {
            ticks.push(row.text.clone());
            let due = tick.parse::<usize>().ok().and_then(|tick| TICKS.get(tick));
            if due.is_none_or(|due| row.created_at < beginning + TimeDelta::seconds(*due)) {
                wrong.push(format!("{phone}: {} came too early", row.text));
            }
        } else if row.text.starts_with("ring ") {
            rings.push(row.text.clone());
            let set = expected.rings.get(&row.text);
            if set.is_none_or(|set| row.created_at < *set + TimeDelta::seconds(TIMER_SECONDS)) {
                wrong.push(format!("{phone}: {} came too early", row.text));
            }
        } else {
            answers.push(row.text.clone());
        }
    }
    if answers != expected.answers {
        wrong.push(format!("{phone} has the answers {answers:?}, not {:?}", expected.answers));
    }
    rings.sort_unstable();
    if !rings.iter().eq(expected.rings.keys()) {
        wrong.push(format!("{phone} has the timers {rings:?}, not {:?}", expected.rings.keys()));
    }
    ticks.sort_unstable();
    let all: Vec<String> = (0..TICKS.len()).map(|tick| format!("tick {tick}")).collect();
    if ticks != all {
        wrong.push(format!("{phone} has the schedules {ticks:?}, not {all:?}"));
    }
}

/// What a contact got came in the order in which it was said.
fn order(phone: &str, meta: &Meta, wrong: &mut Vec<String>) {
    let rows: Vec<i64> = meta.taken.iter().filter(|taken| taken.to == phone).map(|taken| taken.row).collect();
    if !rows.is_sorted() {
        wrong.push(format!("{phone} got messages in the order {rows:?}"));
    }
}

/// A message went out as often as it may, and its status is what was told of it. Answers how often too many, for a reason.
fn sent(message: &AuditedMessage, meta: &Meta, wrong: &mut Vec<String>) -> u64 {
    let taken: Vec<_> = meta.taken.iter().filter(|taken| taken.row == message.id).collect();
    let refused = meta.refused.get(&message.id).copied();
    if taken.is_empty() && refused.is_none() {
        wrong.push(format!("never sent: {message:?}"));
    }
    let again = u64::try_from(taken.len()).unwrap_or(u64::MAX).saturating_sub(1);
    let excuses = meta.excuses.get(&message.id).copied().unwrap_or_default();
    if again > excuses {
        wrong.push(format!("sent {} times with {excuses} reasons for doubt: {message:?}", taken.len()));
    }
    if again > u64::try_from(message.ambiguous).unwrap_or_default() {
        wrong.push(format!("sent {} times, which was not counted: {message:?}", taken.len()));
    }
    for (before, after) in taken.iter().zip(taken.iter().skip(1)) {
        if after.at - before.at < meta.doubt {
            wrong.push(format!("sent again before a report of the first try could come: {before:?}, {after:?}"));
        }
        let proven = meta.jobs.iter().find(|job| {
            job.status.as_ref().is_some_and(|told| told.row == message.id && told.names_row)
                && job.acknowledged.is_some_and(|(_, at)| at < after.at)
        });
        if let Some(proof) = proven {
            wrong.push(format!("{} was sent again as {} after `{}`", before.wamid, after.wamid, proof.what));
        }
    }
    let told = match &message.wamid {
        Some(wamid) if taken.iter().any(|taken| taken.wamid == *wamid) => {
            Some(meta.told(wamid).unwrap_or(DeliveryStatus::Accepted))
        }
        Some(_) => {
            wrong.push(format!("has an id that Meta did not give it: {message:?}"));
            return again;
        }
        None => None,
    };
    // A host may die with a refusal in its hands; then the message is tried again, and what Meta says next counts.
    let superseded = refused.is_some_and(|before| before < taken.len());
    let statuses = match (told, refused.map(|_| DeliveryStatus::Failed)) {
        (Some(told), Some(_)) if superseded => vec![told],
        (told, failed) => told.into_iter().chain(failed).max_by_key(|status| status.rank()).into_iter().collect(),
    };
    if !statuses.iter().any(|status| status.as_str() == message.status) {
        wrong.push(format!("has not the status {statuses:?}: {message:?}"));
    }
    again
}

/// Nothing is left over, and every number of the statistics is what it counts.
fn count(counts: &Counts, executions: i64, waiting: i64, wrong: &mut Vec<String>) {
    let mut same = |what: &str, is: i64, should_be: i64| {
        if is != should_be {
            wrong.push(format!("{what}: {is}, not {should_be}"));
        }
    };
    same("items left in mailboxes", counts.items, 0);
    same("executions", counts.executions, executions);
    same("executions that wait", counts.waiting_input, waiting);
    same("executions that completed", counts.completed, executions - waiting);
    same("executions that ended otherwise", counts.broken, 0);
    same("statistics of starts", counts.counted_started, counts.executions);
    same("statistics of ends", counts.counted_completed, counts.completed);
    same("statistics of durations", counts.counted_durations, counts.completed);
    same("statistics of triggers", counts.counted_starts, counts.triggered);
    same("entries in the triggers' logs", counts.trigger_logs, counts.triggered);
    same("statistics of exits", counts.counted_left, counts.steps_left);
}
