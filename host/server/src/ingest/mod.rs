//! Taking webhooks in: durable before they are acknowledged, many of them in one commit.

mod accounts;
mod batcher;
mod changes;
mod routes;
mod wishes;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use domain::{BotId, Clock, ContactId, HostId, InboundMessage, MessageId, Time};
use serde_json::Value;
use storage::{Arrival, Db, ItemKind, NewInbound, NewItem, Sighting, Sightings, StatusReport, Tx};
use tokio_util::task::TaskTracker;
use whatsapp::webhook::Inbound;

pub(crate) use accounts::Notice;
pub(crate) use changes::unite;
pub(crate) use routes::{Route, Routes};
pub(crate) use wishes::Wishes;

use crate::{
    failures,
    host::Membership,
    media::Media,
    metrics,
    runner::{Arrived, Payload, Runner},
};
use accounts::Accounts;
use batcher::{Batcher, Shared, Turn};

/// Most messages or statuses in one transaction; a POST that holds more has one of its own.
const TRANSACTION_MAX: usize = 500;

/// Most messages in one statement: databases take only so many parameters.
const ROWS_MAX: usize = 1_000;

/// A message that a person wrote to a bot, or that the business wrote past it.
#[derive(Debug, Clone)]
pub(crate) struct Addressed {
    pub(crate) bot_id: BotId,
    pub(crate) phone_number_id: String,
    pub(crate) inbound: Inbound,
    /// Whether it was sent by the business's own phone: then `from` and `bsuid` name the recipient.
    pub(crate) is_echo: bool,
    /// What its bot's contacts may say to get nothing more.
    pub(crate) wishes: Arc<Wishes>,
}

/// See the module.
pub(crate) struct Ingest {
    messages: Batcher<Messages>,
    statuses: Batcher<Statuses>,
    accounts: Accounts,
    runner: Arc<Runner>,
}

/// What one POST brought.
#[derive(Debug, Default)]
pub(crate) struct Intake {
    pub(crate) messages: Vec<Addressed>,
    pub(crate) statuses: Vec<StatusReport>,
    pub(crate) notices: Vec<Notice>,
}

impl Ingest {
    pub(crate) fn start(
        db: &Db,
        clock: &Arc<dyn Clock>,
        membership: &Arc<Membership>,
        runner: &Arc<Runner>,
        media: &Arc<Media>,
        tasks: &TaskTracker,
    ) -> Self {
        // PostgreSQL commits several batches side by side. SQLite has one writer, and begins a batch while the last one is
        // on its way to the disk.
        let (writers, side_by_side) = if db.is_shared() { (3, true) } else { (2, false) };
        let messages = Messages {
            db: db.clone(),
            clock: clock.clone(),
            membership: membership.clone(),
            runner: runner.clone(),
            media: media.clone(),
        };
        let statuses =
            Statuses { db: db.clone(), clock: clock.clone(), membership: membership.clone(), runner: runner.clone() };
        Self {
            messages: Batcher::start(&Arc::new(messages), writers, side_by_side, TRANSACTION_MAX, tasks),
            statuses: Batcher::start(&Arc::new(statuses), writers, side_by_side, TRANSACTION_MAX, tasks),
            accounts: Accounts::new(db, clock, membership, runner),
            runner: runner.clone(),
        }
    }

    /// Stores what one POST brought. When it returns, all of it is durable.
    pub(crate) async fn take(&self, intake: Intake) -> storage::Result<()> {
        let Intake { messages, statuses, notices } = intake;
        // Nearly always; the rest is boxed, so that its state is not moved about with every message.
        if statuses.is_empty() && notices.is_empty() {
            return self.take_messages(messages).await;
        }
        let messages = self.take_messages(messages);
        let statuses = async { if statuses.is_empty() { Ok(()) } else { self.statuses.submit(statuses).await } };
        let (messages, statuses, notices) =
            Box::pin(futures_util::future::join3(messages, statuses, self.accounts.take(&notices))).await;
        messages.and(statuses).and(notices)
    }

    async fn take_messages(&self, messages: Vec<Addressed>) -> storage::Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        let _coming = self.runner.outbox().coming();
        self.messages.submit(messages).await
    }
}

struct Messages {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    runner: Arc<Runner>,
    media: Arc<Media>,
}

impl Shared for Messages {
    type Job = Vec<Addressed>;
    type Answer = ();

    fn weight(job: &Self::Job) -> usize {
        job.len()
    }

    async fn run(&self, jobs: &[Self::Job], turn: &mut Turn<'_>) -> storage::Result<Vec<()>> {
        match self.take(jobs, true, turn).await {
            // That a flow cannot go on, or an outcome not be stored, must not keep messages from being stored: the workers
            // and the outbox find out whose it is.
            Err(error) if !error.is_transient() => self.take(jobs, false, turn).await?,
            result => result?,
        }
        Ok(vec![(); jobs.len()])
    }
}

impl Messages {
    /// Stores messages, and what is due of the outbox, which leaves alone what was refused a moment ago. `at_once`: works
    /// through what can be worked through at once.
    async fn take(&self, jobs: &[Vec<Addressed>], at_once: bool, turn: &mut Turn<'_>) -> storage::Result<()> {
        let now = self.clock.now();
        let mut seen = HashSet::new();
        let mut fresh: Vec<&Addressed> =
            jobs.iter().flatten().filter(|m| seen.insert((&m.phone_number_id, &m.inbound.wamid))).collect();
        let repeated = jobs.iter().map(Vec::len).sum::<usize>() - fresh.len();
        // A batch may hold a contact's messages in any order; what was written first is handled first.
        fresh.sort_by_key(|m| m.inbound.timestamp);

        let claimant = self.runner.claimant();
        let host = claimant.unwrap_or_else(|| self.membership.host());
        let at_once = at_once && claimant.is_some();
        let mut ride = self.runner.outbox().ride();
        if at_once {
            self.runner.provide_ids(fresh.len()).await?;
        }
        let mut tx = self.db.begin().await?;
        let mut parts = Vec::new();
        for part in fresh.chunks(ROWS_MAX) {
            let mut stored = store(&mut tx, part, claimant, &self.media, now).await?;
            let arrived = if at_once { stored.arrived_at(host) } else { Vec::new() };
            let sprinted = self.runner.sprint(&mut tx, host, arrived, now).await?;
            stored.items.extend_from_slice(&sprinted.left);
            tx.add_items(&stored.items, now).await?;
            parts.push((stored, sprinted));
        }
        if let Some(ride) = &mut ride {
            ride.write(&mut tx).await?;
        }
        let unsynced = tx.commit_unsynced().await?;
        turn.pass();
        unsynced.synced().await?;
        if let Some(ride) = ride {
            ride.committed();
        }
        self.media.look();

        let mut new = 0;
        for (stored, sprinted) in parts {
            new += stored.count;
            sprinted.committed(&self.runner);
            self.runner.see_to(host, stored.owners);
        }
        metrics::add(metrics::RECEIVED, new);
        metrics::add(metrics::DUPLICATE, repeated + fresh.len() - new);
        Ok(())
    }
}

/// What was stored of messages.
#[derive(Default)]
struct Stored {
    /// How many were new.
    count: usize,
    /// Whose mailboxes are to be looked at, and by whom.
    owners: Vec<(ContactId, Option<HostId>)>,
    /// What is to be put into mailboxes.
    items: Vec<NewItem>,
    /// Mailboxes in which only messages arrived that are as they were written, with these.
    plain: HashMap<ContactId, Arrived>,
}

impl Stored {
    /// Takes out what can be worked through at once: what arrived in mailboxes that are a host's and have nothing else to
    /// be handled.
    fn arrived_at(&mut self, host: HostId) -> Vec<Arrived> {
        let ours: HashSet<ContactId> =
            self.owners.iter().filter(|(_, owner)| *owner == Some(host)).map(|(contact, _)| *contact).collect();
        self.plain.retain(|contact, arrived| {
            let count = i64::try_from(arrived.messages.len()).unwrap_or(i64::MAX);
            ours.contains(contact) && arrived.mailbox.arrivals - arrived.mailbox.handled == count
        });
        self.owners.retain(|(contact, _)| !self.plain.contains_key(contact));
        self.items.retain(|item| !self.plain.contains_key(&item.contact_id));
        self.plain.drain().map(|(_, arrived)| arrived).collect()
    }
}

/// Stores messages with their contacts and notes them in the mailboxes.
async fn store(
    tx: &mut Tx,
    messages: &[&Addressed],
    claimant: Option<HostId>,
    media: &Media,
    now: Time,
) -> storage::Result<Stored> {
    // First who everybody is: a notice of a new number says whom the messages from it are from.
    let mut owners = changes::of_people(tx, messages, now).await?;
    let sightings: Vec<Sighting> = messages.iter().map(|m| sighting(m)).collect();
    let Sightings { contacts, merges } = tx.see_contacts(&sightings, now).await?;
    let rows: Vec<NewInbound> = messages.iter().zip(&contacts).map(|(m, contact)| row(m, contact.id)).collect();
    let ids = tx.insert_inbound(&rows, now).await?;
    let files = rows.iter().zip(&ids).filter_map(|(row, id)| media.note((*id)?, row));
    tx.add_media(&files.collect::<Vec<_>>(), now).await?;
    let (mut items, mut replies) = (Vec::new(), Vec::new());
    let mut arrivals: HashMap<ContactId, Arrival> = HashMap::new();
    let mut plain: HashMap<ContactId, Vec<(InboundMessage, Option<Value>)>> = HashMap::new();
    // What changes an earlier message, or who somebody is, may concern one of the others.
    let mut intricate: HashSet<ContactId> = HashSet::new();
    for (((message, seen), row), id) in messages.iter().zip(&contacts).zip(&rows).zip(&ids) {
        let Some(id) = *id else { continue };
        changes::of_message(tx, message, row.contact_id).await?;
        let contact_id = row.contact_id;
        if !message.inbound.starts_flow {
            intricate.insert(contact_id);
            continue;
        }
        let heard = wishes::hear(tx, message, contact_id, now).await?;
        let payload = Payload { new_contact: seen.is_new, is_stop: heard.is_stop, ..Payload::default() };
        let payload = (seen.is_new || heard.is_stop).then(|| payload.stored()).flatten();
        if heard.is_stop || heard.event.is_some() || heard.reply.is_some() || message.inbound.change.is_some() {
            intricate.insert(contact_id);
        } else {
            plain.entry(contact_id).or_default().push((seen_by_flows(id, &message.inbound), payload.clone()));
        }
        let kind = ItemKind::Message;
        items.push(NewItem { contact_id, kind, message_id: Some(id), execution_id: None, payload });
        let arrival =
            arrivals.entry(contact_id).or_insert(Arrival { contact_id, bot_id: row.bot_id, count: 0, open: 0 });
        arrival.count += 1 + i64::from(heard.event.is_some());
        arrival.open += i64::from(heard.reply.is_some());
        items.extend(heard.event);
        replies.extend(heard.reply);
    }
    let arrivals: Vec<Arrival> = arrivals.into_values().collect();
    let is_settled = owners.is_empty() && merges.is_empty();
    owners.extend(changes::woken(&merges));
    let mut noted = tx.note_and_see(&arrivals, claimant, now).await?;
    owners.extend(noted.iter().map(|noted| (noted.mailbox.contact_id, noted.owner)));
    // Only now are the mailboxes locked: messages of a contact have ids in the order in which they are committed.
    tx.insert_outbound(&replies, now).await?;
    noted.retain(|noted| is_settled && !intricate.contains(&noted.mailbox.contact_id));
    let plain = noted.into_iter().filter_map(|noted| {
        let contact = noted.mailbox.contact_id;
        Some((contact, Arrived { mailbox: noted.mailbox, messages: plain.remove(&contact)? }))
    });
    Ok(Stored { count: ids.iter().flatten().count(), owners, items, plain: plain.collect() })
}

/// A message as flows see it: as it will be found when it is read.
fn seen_by_flows(id: MessageId, inbound: &Inbound) -> InboundMessage {
    InboundMessage {
        id,
        kind: inbound.kind.clone(),
        text: inbound.text.clone(),
        reply_id: inbound.reply_id.clone(),
        content: inbound.content.clone(),
        context: inbound.context.clone(),
        referral: inbound.referral.clone(),
        error: inbound.error.clone(),
        timestamp: inbound.timestamp,
    }
}

fn sighting(message: &Addressed) -> Sighting {
    let inbound = &message.inbound;
    let (phone, bsuid) = changes::addresses(inbound);
    Sighting {
        bot_id: message.bot_id,
        phone,
        bsuid,
        username: inbound.username.clone(),
        name: inbound.profile_name.clone(),
        at: inbound.timestamp,
        announces: inbound.starts_flow && !message.is_echo,
        opens_window: !message.is_echo && opens_window(inbound),
    }
}

/// Whether the person did something with it that opens the customer service window. A notice of the system, a deletion
/// or a word in a group does not.
fn opens_window(inbound: &Inbound) -> bool {
    inbound.starts_flow || (["reaction", "edit"].contains(&inbound.kind.as_str()) && inbound.group_id.is_none())
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
        context: inbound.context.clone(),
        referral: inbound.referral.clone(),
        error: inbound.error.clone(),
        group_id: inbound.group_id.clone(),
        is_echo: message.is_echo,
        raw: Some(inbound.raw.clone()),
        timestamp: inbound.timestamp,
    }
}

struct Statuses {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    runner: Arc<Runner>,
}

impl Shared for Statuses {
    type Job = Vec<StatusReport>;
    type Answer = ();

    fn weight(job: &Self::Job) -> usize {
        job.len()
    }

    async fn run(&self, jobs: &[Self::Job], turn: &mut Turn<'_>) -> storage::Result<Vec<()>> {
        let reports: Vec<StatusReport> = jobs.iter().flatten().cloned().collect();
        let mut tx = self.db.begin().await?;
        let (now, host) = (self.clock.now(), self.membership.host());
        let folded = tx.fold_statuses(&reports, now).await?;
        let claimant = self.runner.claimant();
        let owners = failures::announce(&mut tx, &folded.failed, claimant, now).await?;
        let unsynced = tx.commit_unsynced().await?;
        turn.pass();
        unsynced.synced().await?;
        self.runner.see_to(host, owners);
        metrics::add(metrics::STATUSES, reports.len());
        metrics::add(metrics::STATUSES_EARLY, folded.early);
        Ok(vec![(); jobs.len()])
    }
}
