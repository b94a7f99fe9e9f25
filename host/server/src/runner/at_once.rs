//! Messages that are worked through in the transaction that takes them in.
//!
//! That is for contacts whose mailbox has nothing else to be handled, whose bot and flows are at hand, and whose messages
//! need no answer of a plugin first. It spares them a commit, their items, and loading what is known already. Whatever is
//! not so plain gets its items in the same transaction, and the workers take it from there.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, atomic::Ordering},
};

use domain::{BotId, ContactId, HostId, InboundMessage, ItemId, Time};
use engine::Courtesy;
use serde_json::Value;
use storage::{Item, ItemKind, Mailbox, NewItem, Tx};

use super::{
    BotRuntime, Runner,
    commit::{self, Written},
    desk::{Desk, Work},
};

/// Most contacts in one transaction: all of them are done before their webhooks are answered.
const CONTACTS_MAX: usize = 128;
/// Who writes statistics here, in turn; the workers come before ([`super::tally`]).
const WRITERS: std::ops::Range<i64> = 4..8;

/// Messages of a contact that were just stored.
pub(crate) struct Arrived {
    /// The contact's mailbox, in which they are noted already and which has nothing else to be handled.
    pub(crate) mailbox: Mailbox,
    /// In the order in which they are to be handled, each with what its item says beside it.
    pub(crate) messages: Vec<(InboundMessage, Option<Value>)>,
}

/// What was worked through. It counts as not committed until [`committed`](Sprinted::committed) says otherwise.
#[derive(Default)]
pub(crate) struct Sprinted<'a> {
    written: Option<Written<'a>>,
    entered: Entered<'a>,
    /// What contacts are to be shown once their messages can be found.
    courtesies: Vec<(Arc<BotRuntime>, Vec<Courtesy>)>,
    /// Contacts that are left to the workers.
    passed: Vec<ContactId>,
    /// What is to be put into mailboxes in the same transaction.
    pub(crate) left: Vec<NewItem>,
}

impl Sprinted<'_> {
    /// Sets off what follows.
    pub(crate) fn committed(self, runner: &Arc<Runner>) {
        let Self { written, mut entered, courtesies, passed, left: _ } = self;
        for (bot, courtesies) in &courtesies {
            runner.courtesies.show(Some(bot), courtesies);
        }
        let passed: HashSet<ContactId> = passed.into_iter().collect();
        let (given_up, done): (Vec<_>, Vec<_>) = entered.contacts.drain(..).partition(|c| passed.contains(c));
        entered.contacts = given_up;
        match written {
            Some(written) => written.follow_up(runner, &done, Vec::new()),
            None => entered.contacts.extend(done),
        }
        drop(entered);
        runner.lanes.wake(passed);
    }
}

/// Contacts that are in work here. Those that are left when it is dropped are let go of.
#[derive(Default)]
struct Entered<'a> {
    runner: Option<&'a Runner>,
    contacts: Vec<ContactId>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        for contact in self.contacts.drain(..) {
            if let Some(runner) = self.runner {
                runner.lanes.finish(contact, false);
            }
        }
    }
}

impl Runner {
    /// Makes sure that so many messages can start flows. To be called before the transaction begins.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn provide_ids(&self, messages: usize) -> storage::Result<()> {
        let left = self.ids().clone().count();
        if left < messages.min(CONTACTS_MAX) { self.reserve_ids().await } else { Ok(()) }
    }

    /// Works through what arrived in mailboxes that are locked and `host`'s.
    ///
    /// # Errors
    /// When the database refuses or a contact's data are damaged. Then the transaction is to be given up.
    pub(crate) async fn sprint<'a>(
        &'a self,
        tx: &mut Tx,
        host: HostId,
        mut arrived: Vec<Arrived>,
        now: Time,
    ) -> storage::Result<Sprinted<'a>> {
        let mut sprinted = Sprinted::default();
        sprinted.entered.runner = Some(self);
        // Rows are written in one order by everybody.
        arrived.sort_by_key(|arrived| arrived.mailbox.contact_id);
        let mut entered = Vec::new();
        for Arrived { mailbox, messages } in arrived {
            let contact = mailbox.contact_id;
            let items = items(contact, messages, now);
            if entered.len() < CONTACTS_MAX && self.lanes.enter(contact) {
                sprinted.entered.contacts.push(contact);
                entered.push((mailbox, items));
            } else {
                sprinted.pass(contact, items);
            }
        }
        if entered.is_empty() {
            return Ok(sprinted);
        }
        let ids: Vec<ContactId> = entered.iter().map(|(mailbox, _)| mailbox.contact_id).collect();
        let bots: HashSet<BotId> = entered.iter().map(|(mailbox, _)| mailbox.bot_id).collect();
        let (bots, _) = self.cache.bots_at_hand(tx, &Vec::from_iter(bots)).await?;
        let mut executions = tx.live_executions(&ids).await?;
        let mut contacts: HashMap<_, _> = tx.contacts_by_ids(&ids).await?.into_iter().map(|c| (c.id, c)).collect();
        let (mut done, mut locked) = (Vec::new(), HashMap::new());
        for (mailbox, items) in entered {
            let id = mailbox.contact_id;
            let (Some(contact), Some(bot)) = (contacts.remove(&id), bots.get(&mailbox.bot_id)) else {
                sprinted.pass(id, items);
                continue;
            };
            let executions = executions.remove(&id).unwrap_or_default().into_iter().map(Into::into).collect();
            let desk = Desk { mailbox, contact, bot: Some(bot.clone()), executions, items, outcome: None };
            match self.work_at_hand(&desk) {
                Ok(work) if self.is_plain(&work) => {
                    locked.insert(id, desk.mailbox.clone());
                    done.push(sprinted.take(desk, work));
                }
                _ => sprinted.pass(id, desk.items),
            }
        }
        let changing = done.iter().filter(|(_, work)| !work.contact_changes.is_empty());
        let fresh = tx.lock_contacts(&changing.map(|(desk, _)| desk.contact_id()).collect::<Vec<_>>()).await?;
        let writers = WRITERS.end - WRITERS.start;
        let writer = WRITERS.start + self.at_once.fetch_add(1, Ordering::Relaxed).rem_euclid(writers);
        sprinted.written = Some(commit::write(self, tx, done, fresh, locked, host, writer).await?);
        Ok(sprinted)
    }
}

impl Runner {
    /// Whether work can be written while its mailbox is locked. Where others write side by side, contacts must be locked
    /// before their mailboxes. Work that comes to nothing before a plugin is asked need not be written.
    fn is_plain(&self, work: &Work) -> bool {
        let changes_late = self.db.is_shared() && !work.contact_changes.is_empty();
        let only_asks = work.asks.is_some() && work.done.is_empty();
        !changes_late && !only_asks
    }
}

impl Sprinted<'_> {
    /// Leaves a contact to the workers.
    fn pass(&mut self, contact: ContactId, items: Vec<Item>) {
        self.passed.push(contact);
        self.left.extend(items.into_iter().map(stored));
    }

    /// Takes a contact's work. Items that it did not get to are put into the mailbox, which still counts their arrival.
    fn take(&mut self, mut desk: Desk, mut work: Work) -> (Desk, Work) {
        let handled: HashSet<ItemId> = work.done.drain(..).collect();
        let left = desk.items.iter().filter(|item| !handled.contains(&item.id)).cloned().map(stored);
        self.left.extend(left);
        desk.items.retain(|item| handled.contains(&item.id));
        // Whoever takes the items up asks again, when they can be found.
        work.asks = None;
        if let Some(bot) = desk.bot.clone().filter(|_| !work.courtesies.is_empty()) {
            self.courtesies.push((bot, std::mem::take(&mut work.courtesies)));
        }
        (desk, work)
    }
}

/// Items that are not stored; their ids tell them from one another.
fn items(contact_id: ContactId, messages: Vec<(InboundMessage, Option<Value>)>, now: Time) -> Vec<Item> {
    let item = |((message, payload), number): ((InboundMessage, Option<Value>), i64)| Item {
        id: ItemId(-number),
        contact_id,
        kind: ItemKind::Message,
        message: Some(message),
        execution_id: None,
        payload,
        created_at: now,
    };
    messages.into_iter().zip(1..).map(item).collect()
}

fn stored(item: Item) -> NewItem {
    let Item { contact_id, kind, message, execution_id, payload, .. } = item;
    NewItem { contact_id, kind, message_id: message.map(|message| message.id), execution_id, payload }
}
