//! Taking webhooks in: durable before they are acknowledged, many of them in one commit.

mod batcher;
mod routes;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domain::{BotId, Clock, ContactId, HostId, Time};
use storage::{Arrival, Db, ItemKind, NewInbound, NewItem, Sighting, StatusReport, Tx};
use tokio_util::task::TaskTracker;
use whatsapp::webhook::Inbound;

pub(crate) use routes::Routes;

use crate::{
    host::Membership,
    metrics,
    runner::{Payload, Runner},
};
use batcher::{Batcher, Shared};

/// Most messages or statuses in one transaction; a POST that holds more has one of its own.
const TRANSACTION_MAX: usize = 500;

/// Most messages in one statement: databases take only so many parameters.
const ROWS_MAX: usize = 1_000;

/// An inbound message and the bot it is for.
#[derive(Debug, Clone)]
pub(crate) struct Addressed {
    pub(crate) bot_id: BotId,
    pub(crate) phone_number_id: String,
    pub(crate) inbound: Inbound,
}

/// See the module.
pub(crate) struct Ingest {
    messages: Batcher<Messages>,
    statuses: Batcher<Statuses>,
}

impl Ingest {
    pub(crate) fn start(
        db: &Db,
        clock: &Arc<dyn Clock>,
        membership: &Arc<Membership>,
        runner: &Arc<Runner>,
        tasks: &TaskTracker,
    ) -> Self {
        // SQLite has one writer anyway; PostgreSQL commits several batches side by side.
        let writers = if db.is_shared() { 3 } else { 1 };
        let messages =
            Messages { db: db.clone(), clock: clock.clone(), membership: membership.clone(), runner: runner.clone() };
        let statuses = Statuses { db: db.clone() };
        Self {
            messages: Batcher::start(&Arc::new(messages), writers, TRANSACTION_MAX, tasks),
            statuses: Batcher::start(&Arc::new(statuses), writers, TRANSACTION_MAX, tasks),
        }
    }

    /// Stores what one POST brought. When it returns, all of it is durable.
    pub(crate) async fn take(&self, messages: Vec<Addressed>, statuses: Vec<StatusReport>) -> storage::Result<()> {
        let messages = async { if messages.is_empty() { Ok(()) } else { self.messages.submit(messages).await } };
        let statuses = async { if statuses.is_empty() { Ok(()) } else { self.statuses.submit(statuses).await } };
        let (messages, statuses) = futures_util::future::join(messages, statuses).await;
        messages.and(statuses)
    }
}

struct Messages {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    runner: Arc<Runner>,
}

impl Shared for Messages {
    type Job = Vec<Addressed>;
    type Answer = ();

    fn weight(job: &Self::Job) -> usize {
        job.len()
    }

    async fn run(&self, jobs: &[Self::Job]) -> storage::Result<Vec<()>> {
        let now = self.clock.now();
        let mut seen = HashSet::new();
        let mut fresh: Vec<&Addressed> =
            jobs.iter().flatten().filter(|m| seen.insert((&m.phone_number_id, &m.inbound.wamid))).collect();
        let repeated = jobs.iter().map(Vec::len).sum::<usize>() - fresh.len();
        // A batch may hold a contact's messages in any order; what was written first is handled first.
        fresh.sort_by_key(|m| m.inbound.timestamp);

        let host = self.membership.host();
        let claimant = self.runner.has_room().then_some(host);
        let mut tx = self.db.begin().await?;
        let (mut stored, mut owners) = (0, Vec::new());
        for part in fresh.chunks(ROWS_MAX) {
            stored += store(&mut tx, part, claimant, now, &mut owners).await?;
        }
        tx.commit().await?;

        metrics::add(metrics::RECEIVED, stored);
        metrics::add(metrics::DUPLICATE, repeated + fresh.len() - stored);
        let (ours, free): (Vec<_>, Vec<_>) = owners
            .into_iter()
            .filter(|(_, owner)| owner.is_none_or(|o| o == host))
            .partition(|(_, owner)| owner.is_some());
        self.runner.wake(ours.into_iter().map(|(contact, _)| contact));
        if !free.is_empty() {
            self.runner.look();
        }
        Ok(vec![(); jobs.len()])
    }
}

/// Stores messages with their contacts and puts them into the mailboxes. Returns how many were new, and adds the owners
/// of the mailboxes to `owners`.
async fn store(
    tx: &mut Tx,
    messages: &[&Addressed],
    claimant: Option<HostId>,
    now: Time,
    owners: &mut Vec<(ContactId, Option<HostId>)>,
) -> storage::Result<usize> {
    let sightings: Vec<Sighting> = messages.iter().map(|m| sighting(m)).collect();
    let contacts = tx.see_contacts(&sightings, now).await?;
    let rows: Vec<NewInbound> = messages.iter().zip(&contacts).map(|(m, contact)| row(m, contact.id)).collect();
    let ids = tx.insert_inbound(&rows, now).await?;
    let mut items = Vec::new();
    let mut arrivals: HashMap<ContactId, Arrival> = HashMap::new();
    for (((message, seen), row), id) in messages.iter().zip(&contacts).zip(&rows).zip(&ids) {
        let Some(id) = *id else { continue };
        if !message.inbound.starts_flow {
            continue;
        }
        let contact_id = row.contact_id;
        let payload = if seen.is_new { Payload { new_contact: true, ..Payload::default() }.stored() } else { None };
        let kind = ItemKind::Message;
        items.push(NewItem { contact_id, kind, message_id: Some(id), execution_id: None, payload });
        let arrival =
            arrivals.entry(contact_id).or_insert(Arrival { contact_id, bot_id: row.bot_id, count: 0, open: 0 });
        arrival.count += 1;
    }
    tx.add_items(&items, now).await?;
    let arrivals: Vec<Arrival> = arrivals.into_values().collect();
    owners.extend(tx.note_arrivals(&arrivals, claimant, now).await?);
    Ok(ids.iter().flatten().count())
}

fn sighting(message: &Addressed) -> Sighting {
    let inbound = &message.inbound;
    Sighting {
        bot_id: message.bot_id,
        phone: inbound.from.clone(),
        bsuid: inbound.bsuid.clone(),
        username: inbound.username.clone(),
        name: inbound.profile_name.clone(),
        at: inbound.timestamp,
        announces: inbound.starts_flow,
    }
}

fn row(message: &Addressed, contact_id: ContactId) -> NewInbound {
    let inbound = &message.inbound;
    NewInbound {
        bot_id: message.bot_id,
        contact_id,
        phone_number_id: message.phone_number_id.clone(),
        wamid: Some(inbound.wamid.clone()),
        context_wamid: inbound.context_wamid.clone(),
        kind: inbound.kind.clone(),
        text: inbound.text.clone(),
        reply_id: inbound.reply_id.clone(),
        content: inbound.content.clone(),
        raw: Some(inbound.raw.clone()),
        timestamp: inbound.timestamp,
    }
}

struct Statuses {
    db: Db,
}

impl Shared for Statuses {
    type Job = Vec<StatusReport>;
    type Answer = ();

    fn weight(job: &Self::Job) -> usize {
        job.len()
    }

    async fn run(&self, jobs: &[Self::Job]) -> storage::Result<Vec<()>> {
        let mut reports: Vec<&StatusReport> = jobs.iter().flatten().collect();
        // Rows are locked in one order by everybody.
        reports.sort_by(|a, b| (a.message_id, &a.wamid).cmp(&(b.message_id, &b.wamid)));
        let mut tx = self.db.begin().await?;
        for report in &reports {
            tx.fold_status(report).await?;
        }
        tx.commit().await?;
        metrics::add(metrics::STATUSES, reports.len());
        Ok(vec![(); jobs.len()])
    }
}
