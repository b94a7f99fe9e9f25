//! Messages of both directions. An outbound row is its own outbox entry until Meta's answer is stored.

use std::collections::HashMap;

use domain::{Address, BotId, ContactId, DeliveryStatus, Direction, ExecutionId, MessageId, Time};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Folded, Page, Result, Tx, contacts::ADDRESSES, db::on, rows::statement};

/// A message to be stored that a webhook told of: a person wrote it, or the business wrote it past its bot.
#[derive(Debug, Clone)]
pub struct NewInbound {
    /// The bot it was written to.
    pub bot_id: BotId,
    /// Who wrote it, or to whom the business wrote.
    pub contact_id: ContactId,
    /// Meta's id of the number it was written to; empty for messages given by API to a bot without one.
    pub phone_number_id: String,
    /// Meta's id of the message; none for messages given by API.
    pub wamid: Option<String>,
    /// Meta's id of the message that it answers.
    pub context_wamid: Option<String>,
    /// Message type.
    pub kind: String,
    /// Text, caption or chosen title.
    pub text: Option<String>,
    /// Id of the chosen button or row.
    pub reply_id: Option<String>,
    /// The type's own fields.
    pub content: Value,
    /// What it answers, and whether it was forwarded, as Meta tells it.
    pub context: Option<Value>,
    /// The advertisement that led to it.
    pub referral: Option<Value>,
    /// What is wrong with it, e.g. that its file cannot be had: `code`, `title`, `details`.
    pub error: Option<Value>,
    /// The group it was written in.
    pub group_id: Option<String>,
    /// Whether the business sent it from its own phone: then it went out.
    pub is_echo: bool,
    /// The JSON as received.
    pub raw: Option<String>,
    /// When it was written, by Meta's clock.
    pub timestamp: Time,
}

/// An outbound message to be stored.
#[derive(Debug, Clone)]
pub struct NewOutbound {
    /// The bot that sends it.
    pub bot_id: BotId,
    /// To whom.
    pub contact_id: ContactId,
    /// The execution that sends it.
    pub execution_id: Option<ExecutionId>,
    /// Position of the node that says it.
    pub node: Option<i64>,
    /// The execution's turn in which it is said.
    pub turn: i64,
    /// Meta's id of the number it is sent from.
    pub phone_number_id: String,
    /// Message type.
    pub kind: String,
    /// The Cloud API object of that type.
    pub content: Value,
    /// Its text, for lists and searches.
    pub text: Option<String>,
    /// The template's object that goes out instead when Meta finds the customer service window closed.
    pub fallback: Option<Value>,
    /// `Queued`, or `Sending` when it goes out as soon as this commit stands, or `Failed` with an `error`.
    pub status: DeliveryStatus,
    /// Why it cannot be sent.
    pub error: Option<Value>,
}

/// An outbound message that is not settled with Meta.
#[derive(Debug, Clone)]
pub struct Unsent {
    /// Row id; messages of a contact go out in this order.
    pub id: MessageId,
    /// The bot that sends it.
    pub bot_id: BotId,
    /// To whom.
    pub contact_id: ContactId,
    /// The contact's phone, or business-scoped user id where there is none.
    pub to: Address,
    /// Meta's id of the number it is sent from.
    pub phone_number_id: String,
    /// Message type.
    pub kind: String,
    /// The Cloud API object of that type.
    pub content: Value,
    /// `Queued` or `Sending`.
    pub status: DeliveryStatus,
    /// How often it was handed to HTTP.
    pub attempts: i64,
    /// Not before.
    pub next_attempt_at: Option<Time>,
    /// When it was queued.
    pub created_at: Time,
}

/// What became of handing a message to Meta.
#[derive(Debug, Clone)]
pub enum SendResult {
    /// Meta took it.
    Accepted {
        /// Meta's id of it; none when Meta gave one that another message has already.
        wamid: Option<String>,
    },
    /// To be tried again.
    Again {
        /// Not before.
        at: Time,
        /// What went wrong.
        error: Value,
        /// Whether it may have been sent all the same.
        ambiguous: bool,
    },
    /// To be tried again in hours, or once somebody has mended something.
    Held {
        /// Not before; none leaves it to the bot's health.
        until: Option<Time>,
        /// What it waits for, by Meta's code.
        code: Option<i64>,
        /// What went wrong.
        error: Value,
    },
    /// Was not handed to HTTP after all.
    Spared {
        /// Not before.
        at: Time,
    },
    /// Will not be sent.
    Failed {
        /// Why.
        error: Value,
    },
}

/// A message as listed.
#[derive(Debug, Clone, FromRow)]
pub struct MessageRow {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: MessageId,
    /// The bot.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// The contact.
    #[sqlx(try_from = "i64")]
    pub contact_id: ContactId,
    /// The contact's phone.
    pub phone: Option<String>,
    /// The contact's business-scoped user id.
    pub bsuid: Option<String>,
    /// The execution that sent it.
    pub execution_id: Option<i64>,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// Meta's id.
    pub wamid: Option<String>,
    /// Meta's id of the message it answers.
    pub context_wamid: Option<String>,
    /// Message type.
    pub r#type: String,
    /// Text, caption or title.
    pub text: Option<String>,
    /// Id of the chosen button or row.
    pub reply_id: Option<String>,
    /// The type's own fields.
    pub content: Json<Value>,
    /// `received`, or a delivery status.
    pub status: String,
    /// Why it failed.
    pub error: Option<Json<Value>>,
    /// How often it was handed to HTTP.
    pub attempts: i64,
    /// How often it was sent again though the first try may have gone out.
    pub ambiguous: i64,
    /// What it answers, and whether it was forwarded.
    pub context: Option<Json<Value>>,
    /// The advertisement that led to it.
    pub referral: Option<Json<Value>>,
    /// The group it was written in.
    pub group_id: Option<String>,
    /// Whether the business sent it from its own phone.
    pub is_echo: bool,
    /// When the contact wrote it.
    pub message_timestamp: Option<Time>,
    /// When its writer last edited it.
    pub edited_at: Option<Time>,
    /// When its writer deleted it.
    pub deleted_at: Option<Time>,
    /// When the row was made.
    pub created_at: Time,
    /// When Meta took it.
    pub accepted_at: Option<Time>,
    /// When each stage was reached.
    pub sent_at: Option<Time>,
    /// See `sent_at`.
    pub delivered_at: Option<Time>,
    /// See `sent_at`.
    pub read_at: Option<Time>,
    /// See `sent_at`.
    pub played_at: Option<Time>,
    /// See `sent_at`.
    pub failed_at: Option<Time>,
}

/// Which messages to list.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Only of this contact: phone in digits, or business-scoped user id.
    pub contact: Option<String>,
    /// Only of this direction.
    pub direction: Option<Direction>,
}

#[derive(FromRow)]
struct UnsentRow {
    id: i64,
    bot_id: i64,
    contact_id: i64,
    phone: Option<String>,
    bsuid: Option<String>,
    phone_number_id: String,
    r#type: String,
    content: Json<Value>,
    status: String,
    attempts: i64,
    next_attempt_at: Option<Time>,
    created_at: Time,
}

/// Most rows in one statement: PostgreSQL takes 65,535 parameters, SQLite 32,766.
const ROWS_MAX: usize = 1_000;
// The statement that stores Meta's answers says these in SQL.
const _: () = assert!(DeliveryStatus::Accepted.rank() == 2);
/// Status word of inbound rows.
const RECEIVED: &str = "received";

impl Tx {
    /// Stores inbound messages that are not stored yet, keyed by (phone number id, wamid). Returns, in the order given,
    /// the new id or `None` for a duplicate. No two of them may have the same key.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_inbound(&mut self, messages: &[NewInbound], now: Time) -> Result<Vec<Option<MessageId>>> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, String, Option<String>)> = on!(self, c => {
            let mut query = statement!(messages.len(),
                "INSERT INTO messages (bot_id, contact_id, direction, phone_number_id, wamid, context_wamid, type, text,
                    reply_id, content, raw, status, status_rank, message_timestamp, context, referral, error, group_id, is_echo,
                    attempts, ambiguous, created_at) SELECT v.*, 0, 0, ");
            query.push_bind(now).push(" FROM ");
            query.push_rows(messages, |mut row, m| {
                row.push_bind(m.bot_id.0)
                    .push_bind(m.contact_id.0)
                    .push_bind(if m.is_echo { Direction::Outbound } else { Direction::Inbound }.as_str())
                    .push_bind(&m.phone_number_id)
                    .push_bind(&m.wamid)
                    .push_bind(&m.context_wamid)
                    .push_bind(&m.kind)
                    .push_bind(&m.text)
                    .push_bind(&m.reply_id)
                    .push_bind(Json(&m.content))
                    .push_bind(&m.raw)
                    .push_bind(if m.is_echo { DeliveryStatus::Accepted.as_str() } else { RECEIVED })
                    .push_bind(if m.is_echo { DeliveryStatus::Accepted.rank() } else { 0 })
                    .push_bind(m.timestamp)
                    .push_bind(m.context.as_ref().map(Json))
                    .push_bind(m.referral.as_ref().map(Json))
                    .push_bind(m.error.as_ref().map(Json))
                    .push_bind(&m.group_id)
                    .push_bind(m.is_echo);
            });
            query.push(" ON CONFLICT (phone_number_id, wamid) DO NOTHING RETURNING id, phone_number_id, wamid");
            query.build_query_as().fetch_all(c).await
        })?;
        let mut ids: HashMap<(String, Option<String>), Vec<i64>> = HashMap::new();
        for (id, number, wamid) in rows {
            ids.entry((number, wamid)).or_default().push(id);
        }
        Ok(messages
            .iter()
            .map(|m| ids.get_mut(&(m.phone_number_id.clone(), m.wamid.clone())).and_then(Vec::pop).map(MessageId))
            .collect())
    }

    /// Stores outbound messages in the order given and returns their ids in that order.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn insert_outbound(&mut self, messages: &[NewOutbound], now: Time) -> Result<Vec<MessageId>> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = Vec::with_capacity(messages.len());
        for messages in messages.chunks(ROWS_MAX) {
            let mut ids: Vec<i64> = on!(self, c => {
                let mut query = statement!(messages.len(),
                    "INSERT INTO messages (bot_id, contact_id, execution_id, phone_number_id, type, text, content, status,
                        status_rank, error, attempts, failed_at, node, turn, attempted_at, fallback, direction, ambiguous,
                        created_at) SELECT v.*, 'outbound', 0, ");
                query.push_bind(now).push(" FROM ");
                query.push_rows(messages, |mut row, m| {
                    row.push_bind(m.bot_id.0)
                        .push_bind(m.contact_id.0)
                        .push_bind(m.execution_id.map(|id| id.0))
                        .push_bind(&m.phone_number_id)
                        .push_bind(&m.kind)
                        .push_bind(&m.text)
                        .push_bind(Json(&m.content))
                        .push_bind(m.status.as_str())
                        .push_bind(m.status.rank())
                        .push_bind(m.error.as_ref().map(Json))
                        .push_bind(i64::from(m.status == DeliveryStatus::Sending))
                        .push_bind((m.status == DeliveryStatus::Failed).then_some(now))
                        .push_bind(m.node)
                        .push_bind(m.turn)
                        .push_bind((m.status == DeliveryStatus::Sending).then_some(now))
                        .push_bind(m.fallback.as_ref().map(Json));
                });
                query.push(" RETURNING id");
                query.build_query_scalar().fetch_all(c).await
            })?;
            // Ids are handed out in the order of the values, but the answer may come in any.
            ids.sort_unstable();
            all.extend(ids.into_iter().map(MessageId));
        }
        Ok(all)
    }

    /// The messages of these contacts that are not settled with Meta, in order.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unsent(&mut self, contacts: &[ContactId]) -> Result<Vec<Unsent>> {
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<UnsentRow> = on!(self, c => {
            let mut query = statement!(contacts.len(),
                "SELECT m.id, m.bot_id, m.contact_id, c.phone, c.bsuid, m.phone_number_id, m.type, m.content, m.status,
                        m.attempts, m.next_attempt_at, m.created_at
                 FROM messages m JOIN contacts c ON c.id = m.contact_id
                 WHERE m.status IN ('queued', 'sending') AND m.contact_id IN ");
            query.push_list(contacts.iter().map(|id| id.0));
            query.push(" ORDER BY m.contact_id, m.id");
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(rows
            .into_iter()
            .map(|row| Unsent {
                to: row
                    .phone
                    .map(Address::Phone)
                    .or(row.bsuid.map(Address::Bsuid))
                    .unwrap_or(Address::Phone(String::new())),
                id: row.id.into(),
                bot_id: row.bot_id.into(),
                contact_id: row.contact_id.into(),
                phone_number_id: row.phone_number_id,
                kind: row.r#type,
                content: row.content.0,
                status: DeliveryStatus::parse(&row.status).unwrap_or(DeliveryStatus::Queued),
                attempts: row.attempts,
                next_attempt_at: row.next_attempt_at,
                created_at: row.created_at,
            })
            .collect())
    }

    /// Which messages of these contacts are not settled with Meta, in order.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unsent_ids(&mut self, contacts: &[ContactId]) -> Result<Vec<(ContactId, MessageId)>> {
        if contacts.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, i64)> = on!(self, c => {
            let mut query = statement!(contacts.len(),
                "SELECT contact_id, id FROM messages WHERE status IN ('queued', 'sending') AND contact_id IN ");
            query.push_list(contacts.iter().map(|id| id.0));
            query.push(" ORDER BY contact_id, id");
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|(contact, id)| (contact.into(), id.into())).collect())
    }

    /// Notes that these messages are about to be handed to HTTP. Returns those that still need it: a status report
    /// may have proven meanwhile that an earlier try went out.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn mark_sending(&mut self, messages: &[MessageId], now: Time) -> Result<Vec<MessageId>> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<i64> = on!(self, c => {
            let mut query = statement!(messages.len(), "UPDATE messages SET attempts = attempts + 1, next_attempt_at = NULL,
                    held_code = NULL, attempted_at = ");
            query.push_bind(now).push(",
                    ambiguous = ambiguous + CASE WHEN status = 'sending' THEN 1 ELSE 0 END, status_rank = ");
            query.push_bind(DeliveryStatus::Sending.rank()).push(", status = ").push_bind(DeliveryStatus::Sending.as_str());
            query.push(" WHERE status IN ('queued', 'sending') AND id IN ");
            query.push_list(messages.iter().map(|id| id.0));
            query.push(" RETURNING id");
            query.build_query_scalar().fetch_all(c).await
        })?;
        Ok(ids.into_iter().map(MessageId).collect())
    }

    /// Notes until when messages wait of which nobody knows whether they went out, and whose sender is gone: whoever takes
    /// them up next must not begin to wait anew.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn hold_in_doubt(&mut self, messages: &[(MessageId, Time)]) -> Result<()> {
        if messages.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = statement!(messages.len(), "UPDATE messages SET next_attempt_at = v.column2 FROM ");
            query.push_changes(messages, |mut row, (id, until)| {
                row.push_bind(id.0).push_bind(*until);
            });
            query.push(" AS v WHERE messages.id = v.column1 AND messages.status = 'sending' AND messages.next_attempt_at IS NULL");
            query.build().execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    /// Stores what became of messages that were handed to HTTP. A delivery that a status report has proven meanwhile
    /// stays proven. Returns what became of reports that came before Meta's answer.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn store_send_results(&mut self, results: &[(MessageId, SendResult)], now: Time) -> Result<Folded> {
        let wamids = results.iter().filter_map(|(_, result)| match result {
            SendResult::Accepted { wamid } => wamid.clone(),
            _ => None,
        });
        self.lock_wamids(wamids.collect()).await?;
        let mut accepted = Vec::new();
        for (id, result) in results {
            match result {
                SendResult::Accepted { wamid } => accepted.push((*id, wamid.as_deref())),
                SendResult::Again { at, error, ambiguous } => {
                    on!(self, c => sqlx::query(
                        "UPDATE messages SET status = $2, status_rank = $3, next_attempt_at = $4, error = $5
                         WHERE id = $1 AND status = 'sending'")
                        .bind(id.0)
                        .bind(if *ambiguous { DeliveryStatus::Sending.as_str() } else { DeliveryStatus::Queued.as_str() })
                        .bind(if *ambiguous { DeliveryStatus::Sending.rank() } else { DeliveryStatus::Queued.rank() })
                        .bind(at).bind(Json(error)).execute(c).await.map(|_| ()))?;
                }
                SendResult::Held { until, code, error } => {
                    on!(self, c => sqlx::query(
                        "UPDATE messages SET status = 'queued', status_rank = $2, next_attempt_at = $3, held_code = $4,
                                error = $5 WHERE id = $1 AND status = 'sending'")
                        .bind(id.0).bind(DeliveryStatus::Queued.rank()).bind(until).bind(code).bind(Json(error))
                        .execute(c).await.map(|_| ()))?;
                }
                SendResult::Spared { at } => {
                    on!(self, c => sqlx::query(
                        "UPDATE messages SET status = 'queued', status_rank = $2, next_attempt_at = $3,
                                attempts = attempts - 1 WHERE id = $1 AND status = 'sending'")
                        .bind(id.0).bind(DeliveryStatus::Queued.rank()).bind(at).execute(c).await.map(|_| ()))?;
                }
                SendResult::Failed { error } => {
                    let failed = DeliveryStatus::Failed;
                    on!(self, c => sqlx::query(
                        "UPDATE messages SET status = $2, status_rank = $3, error = $4, failed_at = $5
                         WHERE id = $1 AND status IN ('queued', 'sending')")
                        .bind(id.0).bind(failed.as_str()).bind(failed.rank()).bind(Json(error)).bind(now)
                        .execute(c).await.map(|_| ()))?;
                }
            }
        }
        if accepted.is_empty() {
            return Ok(Folded::default());
        }
        on!(self, c => {
            // A status webhook may have overtaken this answer: what it said stays.
            let mut query = statement!(accepted.len(),
                "UPDATE messages SET wamid = COALESCE(messages.wamid, v.column2),
                    accepted_at = COALESCE(accepted_at, ");
            query.push_bind(now);
            query.push("),
                    error = CASE WHEN status_rank < 2 THEN NULL ELSE error END,
                    status = CASE WHEN status_rank < 2 THEN 'accepted' ELSE status END,
                    status_rank = CASE WHEN status_rank < 2 THEN 2 ELSE status_rank END FROM ");
            query.push_changes(&accepted, |mut row, (id, wamid)| {
                row.push_bind(id.0).push_bind(*wamid);
            });
            query.push(" AS v WHERE messages.id = v.column1");
            query.build().execute(c).await.map(|_| ())
        })?;
        let accepted: Vec<MessageId> = accepted.into_iter().map(|(id, _)| id).collect();
        self.fold_early(&accepted, now).await
    }

    /// Messages of a bot, newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn list_messages(
        &mut self,
        bot: BotId,
        filter: &MessageFilter,
        limit: i64,
        skip: i64,
    ) -> Result<Page<MessageRow>> {
        let total: i64 = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT COUNT(*) FROM messages m WHERE m.bot_id = ");
            query.push_bind(bot.0);
            if let Some(contact) = &filter.contact {
                query.push(" AND m.contact_id IN (SELECT contact_id FROM (").push(ADDRESSES).push(") AS a WHERE a.bot_id = ");
                query.push_bind(bot.0).push(" AND a.address = ").push_bind(contact).push(")");
            }
            if let Some(direction) = filter.direction {
                query.push(" AND m.direction = ").push_bind(direction.as_str());
            }
            query.build_query_scalar().fetch_one(c).await
        })?;
        let items = on!(self, c => {
            let mut query = QueryBuilder::new(MESSAGE_COLUMNS);
            query.push(" WHERE m.bot_id = ").push_bind(bot.0);
            if let Some(contact) = &filter.contact {
                query.push(" AND m.contact_id IN (SELECT contact_id FROM (").push(ADDRESSES).push(") AS a WHERE a.bot_id = ");
                query.push_bind(bot.0).push(" AND a.address = ").push_bind(contact).push(")");
            }
            if let Some(direction) = filter.direction {
                query.push(" AND m.direction = ").push_bind(direction.as_str());
            }
            query.push(" ORDER BY m.id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Page { items, total })
    }

    /// One message.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn message(&mut self, id: MessageId) -> Result<Option<MessageRow>> {
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new(MESSAGE_COLUMNS);
            query.push(" WHERE m.id = ").push_bind(id.0);
            query.build_query_as().fetch_optional(c).await
        })?)
    }

    /// The number that a message was written to, and Meta's id of it; none when it did not come by WhatsApp.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn inbound_key(&mut self, id: MessageId) -> Result<Option<(String, String)>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT phone_number_id, wamid FROM messages WHERE id = $1 AND direction = 'inbound' AND wamid IS NOT NULL
                AND phone_number_id <> ''").bind(id.0).fetch_optional(c).await)?)
    }

    /// How often messages were sent again though the first try may have gone out.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn count_ambiguous(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT CAST(COALESCE(SUM(ambiguous), 0) AS BIGINT) FROM messages").fetch_one(c).await)?)
    }
}

const MESSAGE_COLUMNS: &str =
    "SELECT m.id, m.bot_id, m.contact_id, c.phone, c.bsuid, m.execution_id, m.direction, m.wamid, m.context_wamid, m.type,
        m.text, m.reply_id, m.content, m.status, m.error, m.attempts, m.ambiguous, m.message_timestamp, m.created_at,
        m.accepted_at, m.sent_at, m.delivered_at, m.read_at, m.played_at, m.failed_at, m.context, m.referral,
        m.group_id, m.is_echo, m.edited_at, m.deleted_at
     FROM messages m JOIN contacts c ON c.id = m.contact_id";
