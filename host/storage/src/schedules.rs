//! Schedules: when triggers fire by the clock, and how far a fire has come.
//!
//! A fire is begun once, and then goes through its audience in batches, by contact id. Each batch moves `cursor` in the
//! transaction that puts its items into the mailboxes, under the row's lock: a crash repeats nothing and leaves nothing
//! out, and any host can go on.

use domain::{BotId, ContactId, JsonMap, Schedule, Time, TriggerId};
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Result, TriggerRow, Tx, contacts::ADDRESSES, db::on};

/// Most contacts written by one statement.
const CONTACTS_PER_STATEMENT: usize = 500;

/// A schedule whose time has come.
#[derive(Debug, Clone)]
pub struct DueSchedule {
    /// The trigger.
    pub trigger: TriggerRow,
    /// Whether its bot is switched on.
    pub bot_is_active: bool,
    /// When it was due.
    pub due_at: Time,
    /// When the fire was begun; none for one that was not.
    pub begun_at: Option<Time>,
    /// The last contact that it came to.
    pub cursor: ContactId,
}

#[derive(FromRow)]
struct DueRow {
    trigger_id: i64,
    next_fire_at: Time,
    begun_at: Option<Time>,
    cursor: i64,
}

impl Tx {
    /// Sets when a trigger fires next, forgetting a fire under way; never, for none.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the trigger is gone.
    pub async fn set_schedule(&mut self, trigger: TriggerId, next_fire_at: Option<Time>) -> Result<()> {
        match next_fire_at {
            Some(at) => on!(self, c => sqlx::query(
                "INSERT INTO schedules (trigger_id, next_fire_at, begun_at, cursor) VALUES ($1, $2, NULL, 0)
                 ON CONFLICT (trigger_id) DO UPDATE SET next_fire_at = excluded.next_fire_at, begun_at = NULL, cursor = 0")
                .bind(trigger.0).bind(at).execute(c).await.map(|_| ()))?,
            None => on!(self, c => sqlx::query("DELETE FROM schedules WHERE trigger_id = $1")
                .bind(trigger.0).execute(c).await.map(|_| ()))?,
        }
        Ok(())
    }

    /// When a trigger fires next, or since when a fire of it is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn schedule(&mut self, trigger: TriggerId) -> Result<Option<Time>> {
        Ok(on!(self, c => sqlx::query_scalar("SELECT next_fire_at FROM schedules WHERE trigger_id = $1")
            .bind(trigger.0).fetch_optional(c).await)?)
    }

    /// When the next schedule is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_schedule_at(&mut self) -> Result<Option<Time>> {
        Ok(on!(self, c => sqlx::query_scalar("SELECT next_fire_at FROM schedules ORDER BY next_fire_at LIMIT 1")
            .fetch_optional(c).await)?)
    }

    /// A schedule that is due, to be begun or gone on with: nobody else gets it until the transaction ends. Of several
    /// fires under way, the one that has come least far.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_schedule(&mut self, begun: bool, now: Time) -> Result<Option<DueSchedule>> {
        let lock = self.for_update_skip_locked();
        let row: Option<DueRow> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT trigger_id, next_fire_at, begun_at, cursor FROM schedules WHERE next_fire_at <= ");
            query.push_bind(now);
            query.push(if begun { " AND begun_at IS NOT NULL" } else { " AND begun_at IS NULL" });
            query.push(" ORDER BY cursor, next_fire_at LIMIT 1").push(lock);
            query.build_query_as().fetch_optional(c).await
        })?;
        let Some(row) = row else { return Ok(None) };
        let trigger: TriggerRow = on!(self, c => sqlx::query_as("SELECT * FROM triggers WHERE id = $1")
            .bind(row.trigger_id).fetch_one(c).await)?;
        let bot_is_active: bool = on!(self, c => sqlx::query_scalar("SELECT is_active FROM bots WHERE id = $1")
            .bind(trigger.bot_id.0).fetch_one(c).await)?;
        Ok(Some(DueSchedule {
            trigger,
            bot_is_active,
            due_at: row.next_fire_at,
            begun_at: row.begun_at,
            cursor: row.cursor.into(),
        }))
    }

    /// Notes how far the fire of a claimed schedule has come.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn move_schedule(&mut self, trigger: TriggerId, begun_at: Time, cursor: ContactId) -> Result<()> {
        on!(self, c => sqlx::query("UPDATE schedules SET begun_at = $2, cursor = $3 WHERE trigger_id = $1")
            .bind(trigger.0).bind(begun_at).bind(cursor.0).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// The next contacts of a schedule's audience after one of them, by id. Contacts that opted out are in none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn audience(
        &mut self,
        bot: BotId,
        schedule: &Schedule,
        after: ContactId,
        limit: i64,
    ) -> Result<Vec<ContactId>> {
        let (tag_begin, tag_end) = self.has_tag();
        let ids: Vec<i64> = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT c.id FROM contacts c WHERE c.bot_id = ");
            query.push_bind(bot.0).push(" AND c.id > ").push_bind(after.0);
            query.push(" AND c.opted_in = ").push_bind(true);
            if !schedule.contact_phones.is_empty() {
                query.push(" AND c.id IN (SELECT contact_id FROM (").push(ADDRESSES).push(") AS a WHERE a.bot_id = ");
                query.push_bind(bot.0).push(" AND a.address IN (");
                let mut list = query.separated(", ");
                for address in &schedule.contact_phones {
                    list.push_bind(address);
                }
                query.push("))");
            }
            if !schedule.tags.is_empty() {
                for (n, tag) in schedule.tags.iter().enumerate() {
                    query.push(if n == 0 { " AND (" } else { " OR " }).push(tag_begin).push_bind(tag).push(tag_end);
                }
                query.push(")");
            }
            query.push(" ORDER BY c.id LIMIT ").push_bind(limit);
            query.build_query_scalar().persistent(false).fetch_all(c).await
        })?;
        Ok(ids.into_iter().map(Into::into).collect())
    }

    /// Makes those contacts of a bot, given by phone in digits or business-scoped user id, that are not there.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the bot is gone.
    pub async fn ensure_contacts(&mut self, bot: BotId, addresses: &[String], now: Time) -> Result<()> {
        for chunk in addresses.chunks(CONTACTS_PER_STATEMENT) {
            let known: Vec<String> = on!(self, c => {
                let mut query = QueryBuilder::new("SELECT address FROM contact_aliases WHERE bot_id = ");
                query.push_bind(bot.0).push(" AND address IN (");
                let mut list = query.separated(", ");
                for address in chunk {
                    list.push_bind(address);
                }
                query.push(")").build_query_scalar().persistent(false).fetch_all(c).await
            })?;
            let missing: Vec<&String> = chunk.iter().filter(|address| !known.contains(address)).collect();
            if missing.is_empty() {
                continue;
            }
            on!(self, c => {
                let mut query = QueryBuilder::new(
                    "INSERT INTO contacts (bot_id, phone, bsuid, tags, attributes, source, opted_in, is_announced,
                        created_at, updated_at) ");
                query.push_values(&missing, |mut row, address| {
                    let is_phone = address.bytes().all(|byte| byte.is_ascii_digit());
                    row.push_bind(bot.0)
                        .push_bind(is_phone.then_some(*address))
                        .push_bind((!is_phone).then_some(*address))
                        .push_bind(Json(Vec::<String>::new()))
                        .push_bind(Json(JsonMap::new()))
                        .push_bind("api")
                        .push_bind(true)
                        .push_bind(false)
                        .push_bind(now)
                        .push_bind(now);
                });
                query.push(" ON CONFLICT DO NOTHING");
                query.build().persistent(false).execute(c).await.map(|_| ())
            })?;
        }
        Ok(())
    }
}
