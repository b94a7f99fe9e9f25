//! Messages that change something: an earlier message, or who somebody is.

use std::collections::HashSet;

use domain::{Address, BotId, ContactId, Direction, HostId, Time};
use storage::{ChangedMessage, Identity, Merge, Tx};
use whatsapp::webhook::{Change, Inbound, UserIdChange};

use super::Addressed;
use crate::metrics;

/// Acts on notices of new numbers and new user ids that have not come before, in the order of time.
pub(super) async fn of_people(
    tx: &mut Tx,
    messages: &[&Addressed],
    now: Time,
) -> storage::Result<Vec<(ContactId, Option<HostId>)>> {
    let key = |message: &Addressed| (message.phone_number_id.clone(), message.inbound.wamid.clone());
    let mut notices = Vec::new();
    for message in messages.iter().filter(|message| !message.is_echo) {
        notices.extend(identity(message.bot_id, &message.inbound).map(|identity| (key(message), identity)));
    }
    if notices.is_empty() {
        return Ok(Vec::new());
    }
    let keys: Vec<(&str, &str)> =
        notices.iter().map(|((number, wamid), _)| (number.as_str(), wamid.as_str())).collect();
    // A number that was given up may be somebody else's by the time the notice is repeated.
    let stored: HashSet<_> = tx.stored_messages(&keys).await?.into_iter().collect();
    let mut owners = Vec::new();
    for (_, identity) in notices.iter().filter(|(key, _)| !stored.contains(key)) {
        owners.extend(unite(tx, identity, now).await?);
    }
    Ok(owners)
}

/// Brings the contacts of a person to what Meta tells. Returns those that got something to do by becoming one, with the
/// owners of their mailboxes.
pub(crate) async fn unite(
    tx: &mut Tx,
    identity: &Identity,
    now: Time,
) -> storage::Result<Vec<(ContactId, Option<HostId>)>> {
    let united = tx.unite(identity, now).await?;
    Ok(united.map(|united| woken(&united.merges).collect()).unwrap_or_default())
}

/// The contacts that got something to do by becoming one, with the owners of their mailboxes. Counts them all.
pub(super) fn woken(merges: &[Merge]) -> impl Iterator<Item = (ContactId, Option<HostId>)> {
    metrics::add(metrics::MERGED, merges.len());
    merges.iter().filter_map(|merge| merge.owner.map(|owner| (merge.into, owner)))
}

/// The addresses that the sender of a message has, once what it tells is known.
pub(super) fn addresses(inbound: &Inbound) -> (Option<String>, Option<String>) {
    match &inbound.change {
        Some(Change::Number { phone, bsuid }) => (Some(phone.clone()), bsuid.clone()),
        Some(Change::UserId { current, .. }) => (inbound.from.clone(), Some(current.clone())),
        _ => (inbound.from.clone(), inbound.bsuid.clone()),
    }
}

/// Who somebody is by a notice of a change; none for other messages.
fn identity(bot_id: BotId, inbound: &Inbound) -> Option<Identity> {
    let phone = inbound.from.clone();
    match inbound.change.as_ref()? {
        Change::Number { phone: new, bsuid } => {
            let former = phone.filter(|old| old != new).map(Address::Phone);
            // With a new number comes a new id.
            let id = inbound.bsuid.clone().filter(|old| bsuid.as_ref().is_some_and(|new| new != old));
            let former = former.into_iter().chain(id.map(Address::Bsuid)).collect();
            let (phone, bsuid) = (Some(new.clone()), bsuid.clone());
            Some(Identity { bot_id, phone, bsuid, also: Vec::new(), former, at: inbound.timestamp })
        }
        Change::UserId { previous, current } => {
            let (previous, current, at) = (previous.clone(), current.clone(), inbound.timestamp);
            Some(of_user_id(bot_id, &UserIdChange { phone, previous, current, at }))
        }
        _ => None,
    }
}

/// Who somebody is whose user id was replaced.
pub(super) fn of_user_id(bot_id: BotId, change: &UserIdChange) -> Identity {
    let UserIdChange { phone, previous, current, at } = change.clone();
    let former = previous.filter(|previous| *previous != current).map(Address::Bsuid).into_iter().collect();
    Identity { bot_id, phone, bsuid: Some(current), also: Vec::new(), former, at }
}

/// Acts on a reaction, an edit or a deletion. That the message concerned is not stored is no fault: it may be older than
/// the bot.
pub(super) async fn of_message(tx: &mut Tx, message: &Addressed, contact_id: ContactId) -> storage::Result<()> {
    let Addressed { phone_number_id, inbound, is_echo, .. } = message;
    let by = if *is_echo { Direction::Outbound } else { Direction::Inbound };
    let of = |wamid| ChangedMessage { phone_number_id, wamid, contact_id, at: inbound.timestamp };
    let is_known = match &inbound.change {
        // What the business itself thinks of a message is nobody's reaction.
        Some(Change::Reaction { wamid, emoji }) if !is_echo => tx.react(&of(wamid), emoji).await?,
        Some(Change::Edit { wamid, text, content }) => {
            tx.edit_message(&of(wamid), by, text.as_deref(), content).await?
        }
        Some(Change::Revoke { wamid }) => tx.revoke_message(&of(wamid), by).await?,
        _ => true,
    };
    if !is_known {
        tracing::debug!(contact.id = %contact_id, kind = %inbound.kind, "changes a message that is not stored");
    }
    Ok(())
}
