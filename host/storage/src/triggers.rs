//! Triggers: what starts a flow.

use domain::{BotId, ContactId, FlowId, Time, Trigger, TriggerId, TriggerRule, UserId};
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Page, Result, Tx, db::on};

/// A trigger as stored. Its rule carries `trigger_type` too, so that it reads back on its own; the column of that
/// name is for queries.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct TriggerRow {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: TriggerId,
    /// The bot whose messages and events it watches.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// The flow it starts.
    #[sqlx(try_from = "i64")]
    pub flow_id: FlowId,
    /// Label for people.
    pub name: String,
    /// The highest matching one wins.
    pub priority: i64,
    /// Switched off ones match nothing.
    pub is_active: bool,
    /// Whether a match ends an execution that waits for this contact's reply.
    pub interrupt: bool,
    /// What it watches for.
    #[sqlx(json)]
    pub rule: TriggerRule,
    /// The unguessable part of its address, when requests fire it.
    pub hook_token: Option<String>,
    /// The sealed secret that requests to it are signed with.
    pub hook_secret: Option<String>,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

/// What of a trigger its owner may set.
#[derive(Debug, Clone, PartialEq)]
pub struct TriggerFields {
    /// The flow it starts; of the same bot.
    pub flow_id: FlowId,
    /// Label for people.
    pub name: String,
    /// The highest matching one wins.
    pub priority: i64,
    /// Switched off ones match nothing.
    pub is_active: bool,
    /// Whether a match ends an execution that waits for this contact's reply.
    pub interrupt: bool,
    /// What it watches for.
    pub rule: TriggerRule,
}

impl TriggerRow {
    /// The part that an update writes.
    pub fn fields(&self) -> TriggerFields {
        TriggerFields {
            flow_id: self.flow_id,
            name: self.name.clone(),
            priority: self.priority,
            is_active: self.is_active,
            interrupt: self.interrupt,
            rule: self.rule.clone(),
        }
    }
}

impl From<TriggerRow> for Trigger {
    fn from(row: TriggerRow) -> Self {
        Self {
            id: row.id,
            bot_id: row.bot_id,
            flow_id: row.flow_id,
            name: row.name,
            priority: row.priority,
            is_active: row.is_active,
            interrupt: row.interrupt,
            rule: row.rule,
        }
    }
}

impl Tx {
    /// Whether schedules, and no other triggers that are switched on, start a flow.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn is_only_scheduled(&mut self, flow: FlowId) -> Result<bool> {
        let types: Vec<String> = on!(self, c => sqlx::query_scalar(
            "SELECT DISTINCT trigger_type FROM triggers WHERE flow_id = $1 AND is_active = $2")
            .bind(flow.0).bind(true).fetch_all(c).await)?;
        Ok(types == ["schedule"])
    }

    /// Makes a trigger in a bot that was claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the bot or the flow is gone.
    pub async fn create_trigger(&mut self, bot: BotId, fields: &TriggerFields, now: Time) -> Result<TriggerRow> {
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO triggers (bot_id, flow_id, name, trigger_type, priority, is_active, interrupt, rule,
                                   created_at, updated_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9) RETURNING *",
        )
        .bind(bot.0)
        .bind(fields.flow_id.0)
        .bind(&fields.name)
        .bind(fields.rule.kind())
        .bind(fields.priority)
        .bind(fields.is_active)
        .bind(fields.interrupt)
        .bind(Json(&fields.rule))
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// Writes all fields of a trigger that was claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the flow is gone.
    pub async fn update_trigger(&mut self, id: TriggerId, fields: &TriggerFields, now: Time) -> Result<TriggerRow> {
        Ok(on!(self, c => sqlx::query_as(
            "UPDATE triggers SET flow_id = $2, name = $3, trigger_type = $4, priority = $5, is_active = $6,
                    interrupt = $7, rule = $8, updated_at = $9
             WHERE id = $1 RETURNING *",
        )
        .bind(id.0)
        .bind(fields.flow_id.0)
        .bind(&fields.name)
        .bind(fields.rule.kind())
        .bind(fields.priority)
        .bind(fields.is_active)
        .bind(fields.interrupt)
        .bind(Json(&fields.rule))
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// A trigger of a bot of this owner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn trigger(&mut self, owner: UserId, id: TriggerId) -> Result<Option<TriggerRow>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT t.* FROM triggers t JOIN bots b ON b.id = t.bot_id WHERE t.id = $1 AND b.owner_id = $2",
        )
        .bind(id.0)
        .bind(owner.0)
        .fetch_optional(c)
        .await)?)
    }

    /// A trigger of a bot of this owner, about to be changed: claims its bot, see [`Tx::claim_bot`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_trigger(&mut self, owner: UserId, id: TriggerId) -> Result<Option<TriggerRow>> {
        on!(self, c => sqlx::query(
            "UPDATE bots SET revision = revision + 1
             WHERE owner_id = $2 AND id = (SELECT bot_id FROM triggers WHERE id = $1)",
        )
        .bind(id.0)
        .bind(owner.0)
        .execute(c)
        .await
        .map(|_| ()))?;
        self.trigger(owner, id).await
    }

    /// The owner's triggers by id, of one bot or of all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn triggers(
        &mut self,
        owner: UserId,
        bot: Option<BotId>,
        limit: i64,
        skip: i64,
    ) -> Result<Page<TriggerRow>> {
        macro_rules! query {
            ($columns:literal) => {{
                let mut query = QueryBuilder::new($columns);
                query.push(" FROM triggers t JOIN bots b ON b.id = t.bot_id WHERE b.owner_id = ").push_bind(owner.0);
                if let Some(bot) = bot {
                    query.push(" AND t.bot_id = ").push_bind(bot.0);
                }
                query
            }};
        }
        let total = on!(self, c => query!("SELECT COUNT(*)").build_query_scalar().fetch_one(c).await)?;
        let items = on!(self, c => {
            let mut query = query!("SELECT t.*");
            query.push(" ORDER BY t.id LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Page { items, total })
    }

    /// All triggers of a bot by id, switched off ones too, whoever owns it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn triggers_of_bot(&mut self, bot: BotId) -> Result<Vec<Trigger>> {
        let rows: Vec<TriggerRow> = on!(self, c => sqlx::query_as("SELECT * FROM triggers WHERE bot_id = $1 ORDER BY id")
                .bind(bot.0)
                .fetch_all(c)
                .await)?;
        Ok(rows.into_iter().map(Trigger::from).collect())
    }

    /// The triggers of a bot that are switched on, by id, whoever owns it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn active_triggers(&mut self, bot: BotId) -> Result<Vec<Trigger>> {
        let rows: Vec<TriggerRow> = on!(self, c => sqlx::query_as("SELECT * FROM triggers WHERE bot_id = $1 AND is_active = $2 ORDER BY id")
                .bind(bot.0)
                .bind(true)
                .fetch_all(c)
                .await)?;
        Ok(rows.into_iter().map(Trigger::from).collect())
    }

    /// Whether a bot has a trigger that is switched on and may watch for events, or a contact an execution that waits for
    /// one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn watches_events(&mut self, bot: BotId, contact: ContactId) -> Result<bool> {
        let found: Option<i64> = on!(self, c => sqlx::query_scalar(
            "SELECT id FROM triggers WHERE bot_id = $1 AND trigger_type IN ('event', 'plugin') AND is_active = $2 LIMIT 1")
            .bind(bot.0).bind(true).fetch_optional(c).await)?;
        if found.is_some() {
            return Ok(true);
        }
        let waits: Option<i64> = on!(self, c => sqlx::query_scalar(
            "SELECT id FROM executions WHERE contact_id = $1 AND completed_at IS NULL AND status = 'waiting_event' LIMIT 1")
            .bind(contact.0).fetch_optional(c).await)?;
        Ok(waits.is_some())
    }

    /// Deletes a trigger that was claimed in this transaction, with its log and statistics.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_trigger(&mut self, id: TriggerId) -> Result<()> {
        on!(self, c => sqlx::query("DELETE FROM trigger_logs WHERE trigger_id = $1").bind(id.0).execute(c).await.map(|_| ()))?;
        on!(self, c => sqlx::query("DELETE FROM triggers WHERE id = $1").bind(id.0).execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
