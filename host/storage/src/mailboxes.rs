//! Mailboxes: who works on a contact, and what is left to do.
//!
//! A contact with something to do, now or later, has one row in `mailboxes`; a contact without has none. The row is
//! at once the lock that keeps a contact to one worker, the schedule of its timers and the reason why nothing is
//! forgotten after a crash:
//!
//! * `owner` is the host that works on it. Nobody else runs its flows or sends its messages. A host that dies loses
//!   all of its rows at once (see `hosts.rs`).
//! * `arrivals` counts reasons to look at the mailbox (a message, an API call, a timer that came due), `handled` how
//!   many of them were dealt with. Work is left while they differ. Both are changed under the row's lock, so an
//!   arrival that comes while a worker finishes is never overlooked.
//! * `open` counts outbound messages that are not yet settled with Meta.
//! * `held_until`: the first of those waits that long, for the clock or for somebody to mend something; the others wait
//!   behind it. Nobody needs to own the row meanwhile.
//! * `wake_at` is the next point in time that one of the contact's executions or messages waits for.
//! * `ready_at` is when a row without owner wants one.
//!
//! A worker that has handled everything either deletes the row (nothing left) or parks it (`owner` empty, `ready_at` =
//! the earlier of `wake_at` and `held_until`). Every commit that writes for a contact first takes the row's lock and checks that it is still the owner:
//! a host that was declared dead and comes back writes nothing.

use std::collections::HashMap;

use domain::{BotId, ContactId, ExecutionId, HostId, InboundMessage, ItemId, MessageId, Time};
use serde_json::Value;
use sqlx::{QueryBuilder, types::Json};

use crate::{Error, Result, Tx, db::on, rows::statement};

/// A reason to look at a contact's mailbox.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The contact.
    pub contact_id: ContactId,
    /// Its bot.
    pub bot_id: BotId,
    /// How many arrivals this stands for.
    pub count: i64,
    /// Outbound messages that were queued along with it.
    pub open: i64,
}

/// What a host knows of a mailbox that it owns.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Mailbox {
    /// The contact.
    #[sqlx(try_from = "i64")]
    pub contact_id: ContactId,
    /// Its bot.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// Reasons to look at it so far.
    pub arrivals: i64,
    /// How many of them were dealt with.
    pub handled: i64,
    /// Outbound messages not yet settled.
    pub open: i64,
    /// Next point in time that matters.
    pub wake_at: Option<Time>,
    /// Until when the first unsettled message waits, if it waits so long that nobody need own the mailbox meanwhile.
    pub held_until: Option<Time>,
}

/// A mailbox in which arrivals were noted, as it is afterwards.
#[derive(Debug, Clone)]
pub struct Noted {
    /// The mailbox.
    pub mailbox: Mailbox,
    /// The host that owns it.
    pub owner: Option<HostId>,
}

/// What kind of thing waits in a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemKind {
    /// An inbound message: for the execution that waits for it, or for the triggers.
    Message,
    /// A fresh execution to begin.
    Start,
    /// A message given to one execution by API.
    Input,
    /// A person ends an execution's wait.
    Resume,
    /// A person stops an execution.
    Cancel,
    /// Something that happened to the contact and may start a flow; what, says the payload.
    Event,
    /// A trigger that fires by the clock; which, says the payload.
    Schedule,
    /// A message to the contact failed for good; which, says the payload.
    MessageFailed,
    /// A trigger that fires by a request or by what it found; which, says the payload.
    Trigger,
}

impl ItemKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Start => "start",
            Self::Input => "input",
            Self::Resume => "resume",
            Self::Cancel => "cancel",
            Self::Event => "event",
            Self::Schedule => "schedule",
            Self::MessageFailed => "message_failed",
            Self::Trigger => "trigger",
        }
    }

    fn parse(word: &str) -> Result<Self> {
        Ok(match word {
            "message" => Self::Message,
            "start" => Self::Start,
            "input" => Self::Input,
            "resume" => Self::Resume,
            "cancel" => Self::Cancel,
            "event" => Self::Event,
            "schedule" => Self::Schedule,
            "message_failed" => Self::MessageFailed,
            "trigger" => Self::Trigger,
            other => return Err(Error::Corrupt(format!("mailbox item of kind {other}"))),
        })
    }
}

/// Something to be put into a mailbox.
#[derive(Debug, Clone)]
pub struct NewItem {
    /// Whose mailbox.
    pub contact_id: ContactId,
    /// What it is.
    pub kind: ItemKind,
    /// The inbound message it is about.
    pub message_id: Option<MessageId>,
    /// The execution it is about.
    pub execution_id: Option<ExecutionId>,
    /// Particulars, as the runner understands them.
    pub payload: Option<Value>,
}

/// Something that waits in a mailbox.
#[derive(Debug, Clone)]
pub struct Item {
    /// Row id; items are handled in this order.
    pub id: ItemId,
    /// Whose mailbox.
    pub contact_id: ContactId,
    /// What it is.
    pub kind: ItemKind,
    /// The message it is about.
    pub message: Option<InboundMessage>,
    /// The execution it is about.
    pub execution_id: Option<ExecutionId>,
    /// Particulars, as the runner understands them.
    pub payload: Option<Value>,
    /// When it came in.
    pub created_at: Time,
}

/// How a mailbox is left at the end of a commit.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The contact.
    pub contact_id: ContactId,
    /// How many arrivals were handled. A difference, because the row may be another one by now than the one that was
    /// loaded: removed when all was done, and made again by the next arrival.
    pub handled: i64,
    /// New value of `open`, counted under the row's lock, if it may have changed.
    pub open: Option<i64>,
    /// New value of `wake_at`, if it may have changed.
    pub wake_at: Option<Option<Time>>,
    /// New value of `held_until`, if it may have changed.
    pub held_until: Option<Option<Time>>,
}

/// The mailboxes of these contacts that a host owns. A macro, so that each use keeps its own texts of the statement.
macro_rules! owned {
    ($tx:expr, $host:expr, $contacts:expr, $lock:expr) => {{
        let (host, contacts, lock): (HostId, &[ContactId], &'static str) = ($host, $contacts, $lock);
        if contacts.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<Mailbox> = on!($tx, c => {
            let mut query = statement!(contacts.len(),
                "SELECT contact_id, bot_id, arrivals, handled, open, wake_at, held_until FROM mailboxes WHERE owner = ");
            query.push_bind(host.0).push(" AND contact_id IN ");
            query.push_list(contacts.iter().map(|id| id.0));
            query.push(" ORDER BY contact_id").push(lock);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|row| (row.contact_id, row)).collect())
    }};
}

#[derive(sqlx::FromRow)]
struct NotedRow {
    #[sqlx(flatten)]
    mailbox: Mailbox,
    owner: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct ItemRow {
    id: i64,
    contact_id: i64,
    kind: String,
    execution_id: Option<i64>,
    payload: Option<Json<Value>>,
    created_at: Time,
    message_id: Option<i64>,
    r#type: Option<String>,
    text: Option<String>,
    reply_id: Option<String>,
    content: Option<Json<Value>>,
    context: Option<Json<Value>>,
    referral: Option<Json<Value>>,
    error: Option<Json<Value>>,
    message_timestamp: Option<Time>,
}

impl TryFrom<ItemRow> for Item {
    type Error = Error;

    fn try_from(row: ItemRow) -> Result<Self> {
        let message = match (row.message_id, row.r#type, row.content) {
            (Some(id), Some(kind), Some(content)) => Some(InboundMessage {
                id: id.into(),
                kind,
                text: row.text,
                reply_id: row.reply_id,
                content: content.0,
                context: row.context.map(|context| context.0),
                referral: row.referral.map(|referral| referral.0),
                error: row.error.map(|error| error.0),
                timestamp: row.message_timestamp.unwrap_or(row.created_at),
            }),
            _ => None,
        };
        Ok(Self {
            id: row.id.into(),
            contact_id: row.contact_id.into(),
            kind: ItemKind::parse(&row.kind)?,
            message,
            execution_id: row.execution_id.map(Into::into),
            payload: row.payload.map(|payload| payload.0),
            created_at: row.created_at,
        })
    }
}

impl Tx {
    /// Puts items into mailboxes, in the order given.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn add_items(&mut self, items: &[NewItem], now: Time) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = statement!(items.len(),
                "INSERT INTO mailbox_items (contact_id, kind, message_id, execution_id, payload, created_at) SELECT v.*, ");
            query.push_bind(now).push(" FROM ");
            query.push_rows(items, |mut row, item| {
                row.push_bind(item.contact_id.0)
                    .push_bind(item.kind.as_str())
                    .push_bind(item.message_id.map(|id| id.0))
                    .push_bind(item.execution_id.map(|id| id.0))
                    .push_bind(item.payload.as_ref().map(Json));
            });
            query.build().execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    /// Notes arrivals. A mailbox that nobody owns becomes `claimant`'s, if one is given. Returns the owner of each
    /// afterwards. Call it last in a transaction: from here on it holds the locks of these mailboxes.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn note_arrivals(
        &mut self,
        arrivals: &[Arrival],
        claimant: Option<HostId>,
        now: Time,
    ) -> Result<Vec<(ContactId, Option<HostId>)>> {
        let noted = self.note_and_see(arrivals, claimant, now).await?;
        Ok(noted.into_iter().map(|noted| (noted.mailbox.contact_id, noted.owner)).collect())
    }

    /// Does what [`note_arrivals`](Self::note_arrivals) does, and returns the mailboxes as they are afterwards.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn note_and_see(
        &mut self,
        arrivals: &[Arrival],
        claimant: Option<HostId>,
        now: Time,
    ) -> Result<Vec<Noted>> {
        if arrivals.is_empty() {
            return Ok(Vec::new());
        }
        let mut sorted: Vec<&Arrival> = arrivals.iter().collect();
        sorted.sort_by_key(|a| a.contact_id);
        let rows: Vec<NotedRow> = on!(self, c => {
            let mut query = statement!(sorted.len(),
                "INSERT INTO mailboxes (contact_id, bot_id, arrivals, open, handled, owner, ready_at) SELECT v.*, 0, ");
            query.push_bind(claimant.map(|host| host.0)).push(", ").push_bind(now).push(" FROM ");
            query.push_rows(&sorted, |mut row, arrival| {
                row.push_bind(arrival.contact_id.0)
                    .push_bind(arrival.bot_id.0)
                    .push_bind(arrival.count)
                    .push_bind(arrival.open);
            });
            query.push(
                " ON CONFLICT (contact_id) DO UPDATE SET
                    arrivals = mailboxes.arrivals + excluded.arrivals,
                    open = mailboxes.open + excluded.open,
                    owner = COALESCE(mailboxes.owner, excluded.owner),
                    ready_at = CASE WHEN mailboxes.ready_at < excluded.ready_at THEN mailboxes.ready_at ELSE excluded.ready_at END
                  RETURNING contact_id, bot_id, arrivals, handled, open, wake_at, held_until, owner");
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|row| Noted { mailbox: row.mailbox, owner: row.owner.map(Into::into) }).collect())
    }

    /// Makes `host` the owner of up to `limit` mailboxes that are ready and have none. Being claimed counts as an
    /// arrival, so that the claim itself is work to be handled.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn claim_mailboxes(&mut self, host: HostId, now: Time, limit: i64) -> Result<Vec<ContactId>> {
        let lock = self.for_update_skip_locked();
        let claimed: Vec<i64> = on!(self, c => {
            let mut query = QueryBuilder::new("UPDATE mailboxes SET arrivals = arrivals + 1, owner = ");
            query.push_bind(host.0);
            query.push(" WHERE contact_id IN (SELECT contact_id FROM mailboxes WHERE owner IS NULL AND ready_at <= ");
            query.push_bind(now);
            query.push(" ORDER BY ready_at LIMIT ");
            query.push_bind(limit);
            query.push(lock);
            query.push(") RETURNING contact_id");
            query.build_query_scalar().fetch_all(c).await
        })?;
        Ok(claimed.into_iter().map(Into::into).collect())
    }

    /// When the next mailbox without owner wants one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn next_ready_at(&mut self) -> Result<Option<Time>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT ready_at FROM mailboxes WHERE owner IS NULL ORDER BY ready_at LIMIT 1").fetch_optional(c).await)?)
    }

    /// Mailboxes of `host` that have something unhandled (`true`) or at least unsettled messages (`false`): for a host
    /// that fears it was not told of an arrival.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn busy_mailboxes(&mut self, host: HostId) -> Result<Vec<(ContactId, bool)>> {
        let rows: Vec<(i64, i64)> = on!(self, c => sqlx::query_as(
            "SELECT contact_id, arrivals - handled FROM mailboxes WHERE owner = $1 AND (arrivals > handled OR open > 0)")
            .bind(host.0).fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(contact, unhandled)| (contact.into(), unhandled > 0)).collect())
    }

    /// The mailboxes of these contacts that `host` owns.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mailboxes(&mut self, host: HostId, contacts: &[ContactId]) -> Result<HashMap<ContactId, Mailbox>> {
        owned!(self, host, contacts, "")
    }

    /// Locks the mailboxes of these contacts that `host` still owns, until the transaction ends. A contact missing
    /// from the answer belongs to somebody else by now: nothing may be written for it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lock_mailboxes(
        &mut self,
        host: HostId,
        contacts: &[ContactId],
    ) -> Result<HashMap<ContactId, Mailbox>> {
        let lock = self.for_update();
        owned!(self, host, contacts, lock)
    }

    /// What waits in the mailboxes of these contacts, in order, at most `per_contact` of each.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn items(&mut self, contacts: &[ContactId], per_contact: i64) -> Result<HashMap<ContactId, Vec<Item>>> {
        let mut items: HashMap<ContactId, Vec<Item>> = HashMap::new();
        if contacts.is_empty() {
            return Ok(items);
        }
        let rows: Vec<ItemRow> = on!(self, c => {
            let mut query = statement!(contacts.len(),
                "SELECT i.id, i.contact_id, i.kind, i.execution_id, i.payload, i.created_at, i.message_id,
                        m.type, m.text, m.reply_id, m.content, m.context, m.referral, m.error, m.message_timestamp
                 FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY contact_id ORDER BY id) AS place
                       FROM mailbox_items WHERE contact_id IN ");
            query.push_list(contacts.iter().map(|id| id.0));
            query.push(") AS i LEFT JOIN messages m ON m.id = i.message_id WHERE i.place <= ").push_bind(per_contact);
            query.push(" ORDER BY i.contact_id, i.id");
            query.build_query_as().fetch_all(c).await
        })?;
        for row in rows {
            let item = Item::try_from(row)?;
            items.entry(item.contact_id).or_default().push(item);
        }
        Ok(items)
    }

    /// Whether an item still waits.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn item_waits(&mut self, contact: ContactId, execution: ExecutionId) -> Result<bool> {
        let found: Option<i64> = on!(self, c => sqlx::query_scalar(
            "SELECT id FROM mailbox_items WHERE contact_id = $1 AND execution_id = $2 LIMIT 1")
            .bind(contact.0).bind(execution.0).fetch_optional(c).await)?;
        Ok(found.is_some())
    }

    /// Removes items that were handled.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn remove_items(&mut self, items: &[ItemId]) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = statement!(items.len(), "DELETE FROM mailbox_items WHERE id IN ");
            query.push_list(items.iter().map(|id| id.0));
            query.build().execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    /// Writes how mailboxes are left, and lets go of those with nothing left to do: parked until their `wake_at` or
    /// `held_until`, or removed. `locked` is what [`Tx::lock_mailboxes`] returned in this transaction; contacts that are not in it are
    /// passed over. Returns those that stay with their owner.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn settle_mailboxes(
        &mut self,
        locked: &HashMap<ContactId, Mailbox>,
        settled: &[Settled],
    ) -> Result<Vec<Mailbox>> {
        let (mut stays, mut parked, mut removed) = (Vec::new(), Vec::new(), Vec::new());
        for change in settled {
            let Some(before) = locked.get(&change.contact_id) else { continue };
            let mut after = before.clone();
            after.handled = before.handled + change.handled;
            after.open = change.open.unwrap_or(before.open);
            after.wake_at = change.wake_at.unwrap_or(before.wake_at);
            after.held_until = change.held_until.unwrap_or(before.held_until).filter(|_| after.open > 0);
            if after.arrivals > after.handled || (after.open > 0 && after.held_until.is_none()) {
                stays.push(after);
            } else if after.wake_at.is_some() || after.held_until.is_some() {
                parked.push(after);
            } else {
                removed.push(after.contact_id);
            }
        }
        if !removed.is_empty() {
            on!(self, c => {
                let mut query = statement!(removed.len(), "DELETE FROM mailboxes WHERE contact_id IN ");
                query.push_list(removed.iter().map(|id| id.0));
                query.build().execute(c).await.map(|_| ())
            })?;
        }
        if !stays.is_empty() {
            on!(self, c => {
                let mut query = statement!(stays.len(),
                    "UPDATE mailboxes SET handled = v.column2, open = v.column3, wake_at = v.column4, held_until = v.column5
                     FROM ");
                query.push_changes(&stays, |mut row, m: &Mailbox| {
                    row.push_bind(m.contact_id.0)
                        .push_bind(m.handled)
                        .push_bind(m.open)
                        .push_bind(m.wake_at)
                        .push_bind(m.held_until);
                });
                query.push(" AS v WHERE mailboxes.contact_id = v.column1");
                query.build().execute(c).await.map(|_| ())
            })?;
        }
        if !parked.is_empty() {
            on!(self, c => {
                let mut query = statement!(parked.len(),
                    "UPDATE mailboxes SET handled = v.column2, open = v.column3, wake_at = v.column4,
                            held_until = v.column5, ready_at = v.column6, owner = NULL FROM ");
                query.push_changes(&parked, |mut row, m: &Mailbox| {
                    row.push_bind(m.contact_id.0)
                        .push_bind(m.handled)
                        .push_bind(m.open)
                        .push_bind(m.wake_at)
                        .push_bind(m.held_until)
                        .push_bind(m.wake_at.into_iter().chain(m.held_until).min());
                });
                query.push(" AS v WHERE mailboxes.contact_id = v.column1");
                query.build().execute(c).await.map(|_| ())
            })?;
        }
        Ok(stays)
    }

    /// How many mailboxes there are, and how many of them have something unhandled or unsettled.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn count_mailboxes(&mut self) -> Result<(i64, i64)> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT COUNT(*), CAST(COALESCE(SUM(CASE WHEN arrivals > handled OR open > 0 THEN 1 ELSE 0 END), 0) AS BIGINT)
             FROM mailboxes").fetch_one(c).await)?)
    }
}
