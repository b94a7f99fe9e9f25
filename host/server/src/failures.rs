//! Messages that failed for good: the execution that said one, and the triggers that watch for it, are told by way of
//! the contact's mailbox.

use std::collections::{BTreeMap, HashMap};

use domain::{ContactId, HostId, MessageId, Time};
use storage::{Arrival, ItemKind, Mailbox, NewItem, NewOutbound, Tx};

use crate::{consent, runner::Payload};

/// Puts an item into the mailbox of each of these messages that has failed and that somebody hears of. `locked` are the
/// mailboxes that this transaction has locked; they are brought up to date. Returns the contacts among them.
pub(crate) async fn note(
    tx: &mut Tx,
    messages: &[MessageId],
    locked: &mut HashMap<ContactId, Mailbox>,
    now: Time,
) -> storage::Result<Vec<ContactId>> {
    let Heard { arrivals, fallbacks } = put(tx, messages, now).await?;
    tx.note_arrivals(&arrivals, None, now).await?;
    tx.insert_outbound(&fallbacks, now).await?;
    let mut ours = Vec::new();
    for arrival in arrivals {
        if let Some(mailbox) = locked.get_mut(&arrival.contact_id) {
            mailbox.arrivals += arrival.count;
            ours.push(arrival.contact_id);
        }
    }
    Ok(ours)
}

/// The same where no mailbox is locked. Returns the owners of the mailboxes.
pub(crate) async fn announce(
    tx: &mut Tx,
    messages: &[MessageId],
    claimant: Option<HostId>,
    now: Time,
) -> storage::Result<Vec<(ContactId, Option<HostId>)>> {
    let Heard { arrivals, fallbacks } = put(tx, messages, now).await?;
    let owners = tx.note_arrivals(&arrivals, claimant, now).await?;
    tx.insert_outbound(&fallbacks, now).await?;
    Ok(owners)
}

/// What mailboxes are to be noted for.
struct Heard {
    arrivals: Vec<Arrival>,
    /// Messages that go out instead. To be queued once the mailboxes are locked, so that those of a contact have ids in
    /// the order in which they are committed.
    fallbacks: Vec<NewOutbound>,
}

async fn put(tx: &mut Tx, messages: &[MessageId], now: Time) -> storage::Result<Heard> {
    let (mut items, mut fallbacks) = (Vec::new(), Vec::new());
    let mut arrivals: BTreeMap<ContactId, Arrival> = BTreeMap::new();
    let mut watched: HashMap<ContactId, bool> = HashMap::new();
    for failed in tx.failed_messages(messages).await? {
        let (bot_id, contact_id) = (failed.bot_id, failed.contact_id);
        let lesson = consent::learn(tx, &failed, now).await?;
        if lesson.event.is_some() || lesson.fallback.is_some() {
            let arrival = arrivals.entry(contact_id).or_insert(Arrival { contact_id, bot_id, count: 0, open: 0 });
            arrival.count += 1;
            arrival.open += i64::from(lesson.fallback.is_some());
        }
        items.extend(lesson.event);
        if let Some(fallback) = lesson.fallback {
            // The template tells the contact instead, so nobody need hear of it.
            fallbacks.push(fallback);
            continue;
        }
        let watches = match watched.get(&contact_id) {
            Some(known) => *known,
            None => tx.watches_events(bot_id, contact_id).await?,
        };
        watched.insert(contact_id, watches);
        if failed.execution_id.is_none() && !watches {
            continue;
        }
        items.push(NewItem {
            contact_id,
            kind: ItemKind::MessageFailed,
            message_id: None,
            execution_id: failed.execution_id,
            payload: Payload { failed: Some(failed.message), ..Payload::default() }.stored(),
        });
        arrivals.entry(contact_id).or_insert(Arrival { contact_id, bot_id, count: 0, open: 0 }).count += 1;
    }
    tx.add_items(&items, now).await?;
    Ok(Heard { arrivals: arrivals.into_values().collect(), fallbacks })
}
