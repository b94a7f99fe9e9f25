//! By which other addresses Meta knows the people that messages are sent to.
//!
//! Meta's answer to a send may name the recipient by another number than the one sent to, and by a business-scoped user
//! id. People write back under those, so they are stored with the contact: else the reply would open a second one.
//! Nothing depends on it being stored at once, and the next answer tells it again; so it is done aside, many in one
//! transaction, and each contact is looked at once.

use std::{
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{Address, ContactId, HostId};
use lru::LruCache;
use storage::{Identity, Unsent};
use tokio::sync::Notify;
use whatsapp::client::Accepted;

use super::Outbox;
use crate::ingest;

/// Most answers in one transaction.
const BATCH_MAX: usize = 256;
/// Contacts whose last answer is remembered.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();

/// What Meta told of a recipient: number and user id.
type Told = (Option<String>, Option<String>);

/// See the module.
pub(super) struct Learning {
    known: Mutex<LruCache<ContactId, Told>>,
    queue: Mutex<Vec<(ContactId, Identity)>>,
    changed: Notify,
}

impl Default for Learning {
    fn default() -> Self {
        let known = Mutex::new(LruCache::new(KNOWN_MAX));
        Self { known, queue: Mutex::default(), changed: Notify::new() }
    }
}

impl Outbox {
    /// Notes how Meta names the recipient of a message, if that is news.
    pub(super) fn learn_recipient(&self, message: &Unsent, accepted: &Accepted) {
        let digits = accepted.wa_id.as_deref().and_then(|id| match Address::parse(id) {
            Ok(Address::Phone(digits)) => Some(digits),
            _ => None,
        });
        let id = accepted.bsuid.as_deref().and_then(|id| match Address::parse(id) {
            Ok(Address::Bsuid(id)) => Some(id),
            _ => None,
        });
        let (phone, bsuid) = match &message.to {
            Address::Phone(phone) => (Some(phone.clone()), id),
            Address::Bsuid(bsuid) => (None, id.or_else(|| Some(bsuid.clone()))),
        };
        let told = (digits.filter(|digits| phone.as_ref() != Some(digits)), bsuid.filter(|_| accepted.bsuid.is_some()));
        if told == (None, None) {
            return;
        }
        let learning = &self.learning;
        let mut known = learning.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.put(message.contact_id, told.clone()).is_some_and(|before| before == told) {
            return;
        }
        drop(known);
        let (also, bsuid) = told;
        let identity = Identity {
            bot_id: message.bot_id,
            phone,
            bsuid,
            also: also.map(Address::Phone).into_iter().collect(),
            former: Vec::new(),
            at: self.clock.now(),
        };
        learning.queue.lock().unwrap_or_else(PoisonError::into_inner).push((message.contact_id, identity));
        learning.changed.notify_one();
    }

    /// Stores what is learned, until the outbox stops.
    pub(super) async fn learn(self: Arc<Self>) {
        loop {
            let changed = self.learning.changed.notified();
            let batch: Vec<_> = {
                let mut queue = self.learning.queue.lock().unwrap_or_else(PoisonError::into_inner);
                let count = queue.len().min(BATCH_MAX);
                queue.drain(..count).collect()
            };
            if batch.is_empty() {
                tokio::select! {
                    () = changed => continue,
                    () = self.stop.cancelled() => return,
                }
            }
            match self.store_learned(&batch).await {
                Ok(owners) => {
                    if let Some(runner) = self.runner() {
                        runner.see_to(self.membership.host(), owners);
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "how Meta names recipients could not be stored; their next messages tell it again");
                    let mut known = self.learning.known.lock().unwrap_or_else(PoisonError::into_inner);
                    for (contact, _) in batch {
                        known.pop(&contact);
                    }
                }
            }
        }
    }

    async fn store_learned(
        &self,
        batch: &[(ContactId, Identity)],
    ) -> storage::Result<Vec<(ContactId, Option<HostId>)>> {
        let ids: Vec<ContactId> = batch.iter().map(|(contact, _)| *contact).collect();
        let mut news = Vec::new();
        let mut tx = self.db.read().await?;
        let contacts = tx.contacts_by_ids(&ids).await?;
        for (id, identity) in batch {
            let Some(contact) = contacts.iter().find(|contact| contact.id == *id) else { continue };
            let mut is_news = identity.bsuid.is_some() && identity.bsuid != contact.bsuid;
            for address in &identity.also {
                let found = tx.contact_by_address(identity.bot_id, address).await?;
                is_news |= found.is_none_or(|found| found.id != *id);
            }
            if is_news {
                news.push(identity);
            }
        }
        tx.commit().await?;
        let mut owners = Vec::new();
        if !news.is_empty() {
            let mut tx = self.db.begin().await?;
            for identity in news {
                owners.extend(ingest::unite(&mut tx, identity, self.clock.now()).await?);
            }
            tx.commit().await?;
        }
        Ok(owners)
    }
}
