//! Bots: who owns them, how they reach WhatsApp, and the revision that caches compare.

use std::collections::BTreeMap;

use domain::{BotId, Time, UserId};
use sqlx::{FromRow, types::Json};

use crate::{
    Health, Page, Result, Tx,
    db::on,
    rows::{Statement, statement},
};

/// Words by language (BCP 47 tag, for people to find their way).
pub type WordLists = BTreeMap<String, Vec<String>>;

/// A bot as stored. Its secrets are as the server sealed them; this crate cannot read them.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Bot {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: BotId,
    /// The only user who sees it; none when it was deleted and is being removed.
    pub owner_id: Option<i64>,
    /// Name given by its owner.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// IANA time zone.
    pub timezone: String,
    /// Switched off bots take messages in and run nothing.
    pub is_active: bool,
    /// Whether it uses WhatsApp at all.
    pub is_whatsapp_enabled: bool,
    /// Meta's id of its number; unique. Without one it takes the environment's.
    pub whatsapp_phone_number_id: Option<String>,
    /// Meta's id of the business account.
    pub whatsapp_business_account_id: Option<String>,
    /// Sealed access token.
    pub whatsapp_access_token: Option<String>,
    /// Sealed app secret, which signs its webhooks.
    pub whatsapp_app_secret: Option<String>,
    /// Sealed verify token of the webhook handshake.
    pub whatsapp_verify_token: Option<String>,
    /// What contacts write to get nothing more; none means the words that come along.
    pub stop_words: Option<Json<WordLists>>,
    /// What contacts write to take that back; none means the words that come along.
    pub start_words: Option<Json<WordLists>>,
    /// What a contact is answered who wrote a stop word.
    pub opt_out_reply: Option<String>,
    /// What a contact is answered who wrote a start word.
    pub opt_in_reply: Option<String>,
    /// Whether what contacts write is marked as read.
    pub mark_as_read: bool,
    /// Whether contacts see that an answer is being typed.
    pub typing_indicator: bool,
    /// Since when it has its number, if it had another one before.
    pub number_changed_at: Option<Time>,
    /// Grows with every change of the bot, its triggers or what its flows run.
    pub revision: i64,
    /// When it was made.
    pub created_at: Time,
    /// When its settings last changed.
    pub updated_at: Time,
    /// Whether Meta lets it send.
    #[sqlx(flatten)]
    pub health: Health,
}

impl Bot {
    /// What flows and plugins are told of it.
    pub fn info(&self) -> domain::BotInfo {
        domain::BotInfo {
            id: self.id,
            name: self.name.clone(),
            timezone: self.timezone.clone(),
            number_changed_at: self.number_changed_at,
            mark_as_read: self.mark_as_read,
            typing_indicator: self.typing_indicator,
        }
    }
}

/// What of a bot its owner may set. An update writes all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BotSettings {
    /// Name given by its owner.
    pub name: String,
    /// Text for people.
    pub description: Option<String>,
    /// IANA time zone.
    pub timezone: String,
    /// Whether it runs flows.
    pub is_active: bool,
    /// Whether it uses WhatsApp at all.
    pub is_whatsapp_enabled: bool,
    /// Meta's id of its number.
    pub whatsapp_phone_number_id: Option<String>,
    /// Meta's id of the business account.
    pub whatsapp_business_account_id: Option<String>,
    /// Sealed access token.
    pub whatsapp_access_token: Option<String>,
    /// Sealed app secret.
    pub whatsapp_app_secret: Option<String>,
    /// Sealed verify token.
    pub whatsapp_verify_token: Option<String>,
    /// What contacts write to get nothing more; none means the words that come along.
    pub stop_words: Option<WordLists>,
    /// What contacts write to take that back; none means the words that come along.
    pub start_words: Option<WordLists>,
    /// What a contact is answered who wrote a stop word.
    pub opt_out_reply: Option<String>,
    /// What a contact is answered who wrote a start word.
    pub opt_in_reply: Option<String>,
    /// Whether what contacts write is marked as read.
    pub mark_as_read: bool,
    /// Whether contacts see that an answer is being typed.
    pub typing_indicator: bool,
}

impl Bot {
    /// The part that an update writes, to be changed and handed to [`Tx::update_bot`].
    pub fn settings(&self) -> BotSettings {
        BotSettings {
            name: self.name.clone(),
            description: self.description.clone(),
            timezone: self.timezone.clone(),
            is_active: self.is_active,
            is_whatsapp_enabled: self.is_whatsapp_enabled,
            whatsapp_phone_number_id: self.whatsapp_phone_number_id.clone(),
            whatsapp_business_account_id: self.whatsapp_business_account_id.clone(),
            whatsapp_access_token: self.whatsapp_access_token.clone(),
            whatsapp_app_secret: self.whatsapp_app_secret.clone(),
            whatsapp_verify_token: self.whatsapp_verify_token.clone(),
            stop_words: self.stop_words.as_deref().cloned(),
            start_words: self.start_words.as_deref().cloned(),
            opt_out_reply: self.opt_out_reply.clone(),
            opt_in_reply: self.opt_in_reply.clone(),
            mark_as_read: self.mark_as_read,
            typing_indicator: self.typing_indicator,
        }
    }
}

impl Tx {
    /// Makes a bot.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when another bot has the phone number id.
    pub async fn create_bot(&mut self, owner: UserId, settings: &BotSettings, now: Time) -> Result<Bot> {
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO bots (owner_id, name, description, timezone, is_active, is_whatsapp_enabled,
                               whatsapp_phone_number_id, whatsapp_business_account_id, whatsapp_access_token,
                               whatsapp_app_secret, whatsapp_verify_token, revision, created_at, updated_at,
                               stop_words, start_words, opt_out_reply, opt_in_reply, mark_as_read, typing_indicator)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 1, $12, $12, $13, $14, $15, $16, $17, $18)
             RETURNING *",
        )
        .bind(owner.0)
        .bind(&settings.name)
        .bind(&settings.description)
        .bind(&settings.timezone)
        .bind(settings.is_active)
        .bind(settings.is_whatsapp_enabled)
        .bind(&settings.whatsapp_phone_number_id)
        .bind(&settings.whatsapp_business_account_id)
        .bind(&settings.whatsapp_access_token)
        .bind(&settings.whatsapp_app_secret)
        .bind(&settings.whatsapp_verify_token)
        .bind(now)
        .bind(settings.stop_words.as_ref().map(Json))
        .bind(settings.start_words.as_ref().map(Json))
        .bind(&settings.opt_out_reply)
        .bind(&settings.opt_in_reply)
        .bind(settings.mark_as_read)
        .bind(settings.typing_indicator)
        .fetch_one(c)
        .await)?)
    }

    /// Writes all settings of a bot that was claimed in this transaction, with a new revision.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when another bot has the phone number id.
    pub async fn update_bot(&mut self, id: BotId, settings: &BotSettings, now: Time) -> Result<Bot> {
        Ok(on!(self, c => sqlx::query_as(
            "UPDATE bots SET name = $2, description = $3, timezone = $4, is_active = $5, is_whatsapp_enabled = $6,
                    whatsapp_phone_number_id = $7, whatsapp_business_account_id = $8, whatsapp_access_token = $9,
                    whatsapp_app_secret = $10, whatsapp_verify_token = $11, revision = revision + 1, updated_at = $12,
                    stop_words = $13, start_words = $14, opt_out_reply = $15, opt_in_reply = $16, mark_as_read = $17,
                    typing_indicator = $18,
                    number_changed_at = CASE WHEN whatsapp_phone_number_id IS NULL OR whatsapp_phone_number_id IS NOT DISTINCT FROM $7
                        THEN number_changed_at ELSE $12 END
             WHERE id = $1 RETURNING *",
        )
        .bind(id.0)
        .bind(&settings.name)
        .bind(&settings.description)
        .bind(&settings.timezone)
        .bind(settings.is_active)
        .bind(settings.is_whatsapp_enabled)
        .bind(&settings.whatsapp_phone_number_id)
        .bind(&settings.whatsapp_business_account_id)
        .bind(&settings.whatsapp_access_token)
        .bind(&settings.whatsapp_app_secret)
        .bind(&settings.whatsapp_verify_token)
        .bind(now)
        .bind(settings.stop_words.as_ref().map(Json))
        .bind(settings.start_words.as_ref().map(Json))
        .bind(&settings.opt_out_reply)
        .bind(&settings.opt_in_reply)
        .bind(settings.mark_as_read)
        .bind(settings.typing_indicator)
        .fetch_one(c)
        .await)?)
    }

    /// A bot of this owner.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bot(&mut self, owner: UserId, id: BotId) -> Result<Option<Bot>> {
        Ok(on!(self, c => sqlx::query_as("SELECT * FROM bots WHERE id = $1 AND owner_id = $2")
            .bind(id.0)
            .bind(owner.0)
            .fetch_optional(c)
            .await)?)
    }

    /// A bot of this owner, about to be changed in itself, its triggers or its flows: gives it a new revision, and
    /// keeps others from changing it until this transaction ends.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_bot(&mut self, owner: UserId, id: BotId) -> Result<Option<Bot>> {
        Ok(on!(self, c => sqlx::query_as(
            "UPDATE bots SET revision = revision + 1 WHERE id = $1 AND owner_id = $2 RETURNING *",
        )
        .bind(id.0)
        .bind(owner.0)
        .fetch_optional(c)
        .await)?)
    }

    /// Something changed that caches keep of a bot.
    pub(crate) async fn bump_revision(&mut self, id: BotId) -> Result<()> {
        on!(self, c => sqlx::query("UPDATE bots SET revision = revision + 1 WHERE id = $1")
            .bind(id.0).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// The owner's bots by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bots(&mut self, owner: UserId, limit: i64, skip: i64) -> Result<Page<Bot>> {
        let total = on!(self, c => sqlx::query_scalar("SELECT COUNT(*) FROM bots WHERE owner_id = $1")
            .bind(owner.0)
            .fetch_one(c)
            .await)?;
        let items = on!(self, c => sqlx::query_as(
            "SELECT * FROM bots WHERE owner_id = $1 ORDER BY id LIMIT $2 OFFSET $3",
        )
        .bind(owner.0)
        .bind(limit)
        .bind(skip)
        .fetch_all(c)
        .await)?;
        Ok(Page { items, total })
    }

    /// Deletes a bot: nobody sees it any more, it runs and sends nothing, and its number is free. What hangs on it is
    /// still to be removed; see [`purge_bot`](Self::purge_bot). Answers whether the owner had it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_bot(&mut self, owner: UserId, id: BotId) -> Result<bool> {
        let done = on!(self, c => sqlx::query(
            "UPDATE bots SET owner_id = NULL, is_active = $3, is_whatsapp_enabled = $3, whatsapp_phone_number_id = NULL,
                    whatsapp_access_token = NULL, whatsapp_app_secret = NULL, whatsapp_verify_token = NULL,
                    revision = revision + 1
             WHERE id = $1 AND owner_id = $2",
        )
        .bind(id.0)
        .bind(owner.0)
        .bind(false)
        .execute(c)
        .await
        .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// A bot that was deleted and is not removed yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn deleted_bot(&mut self) -> Result<Option<BotId>> {
        let id: Option<i64> = on!(self, c => sqlx::query_scalar(
            "SELECT id FROM bots WHERE owner_id IS NULL ORDER BY id LIMIT 1").fetch_optional(c).await)?;
        Ok(id.map(Into::into))
    }

    /// Removes a part of what hangs on a deleted bot: up to `limit` contacts with their messages and executions, or, when
    /// there are none left, the bot with its flows and triggers. Answers whether the bot is gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn purge_bot(&mut self, id: BotId, limit: i64) -> Result<bool> {
        let removed = on!(self, c => sqlx::query(
            "DELETE FROM contacts WHERE id IN (SELECT id FROM contacts WHERE bot_id = $1 ORDER BY id LIMIT $2)")
            .bind(id.0).bind(limit).execute(c).await.map(|done| done.rows_affected()))?;
        if removed > 0 {
            return Ok(false);
        }
        on!(self, c => sqlx::query(
            "DELETE FROM trigger_logs WHERE trigger_id IN (SELECT id FROM triggers WHERE bot_id = $1)")
            .bind(id.0).execute(c).await.map(|_| ()))?;
        self.purge_plugins_of_bot(id).await?;
        on!(self, c => sqlx::query("DELETE FROM bots WHERE id = $1 AND owner_id IS NULL")
            .bind(id.0).execute(c).await.map(|_| ()))?;
        Ok(true)
    }

    /// The bots with these ids, whoever owns them, in no order; those that are gone are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bot_runtimes(&mut self, ids: &[BotId]) -> Result<Vec<Bot>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on!(self, c => {
            let mut query = Statement::once("SELECT * FROM bots WHERE id IN ");
            query.push_list(ids.iter().map(|id| id.0));
            query.build_query_as().fetch_all(c).await
        })?)
    }

    /// The bot that has this phone number id, whoever owns it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bot_by_phone_number(&mut self, phone_number_id: &str) -> Result<Option<Bot>> {
        Ok(on!(self, c => sqlx::query_as("SELECT * FROM bots WHERE whatsapp_phone_number_id = $1")
            .bind(phone_number_id)
            .fetch_optional(c)
            .await)?)
    }

    /// The bot that takes the environment's number: the oldest active one that uses WhatsApp and has no number of its
    /// own.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn default_bot(&mut self) -> Result<Option<Bot>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT * FROM bots WHERE is_active = $1 AND is_whatsapp_enabled = $1 AND whatsapp_phone_number_id IS NULL
             ORDER BY id LIMIT 1",
        )
        .bind(true)
        .fetch_optional(c)
        .await)?)
    }

    /// The present revisions of these bots, in no order; those that are gone are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn revisions(&mut self, ids: &[BotId]) -> Result<Vec<(BotId, i64)>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<(i64, i64)> = on!(self, c => {
            let mut query = statement!(ids.len(), "SELECT id, revision FROM bots WHERE id IN ");
            query.push_list(ids.iter().map(|id| id.0));
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|(id, revision)| (BotId(id), revision)).collect())
    }

    /// The bots that have sealed secrets, from `after` on in order of id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bots_with_secrets(&mut self, after: BotId, limit: i64) -> Result<Vec<Bot>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT * FROM bots WHERE id > $1 AND (whatsapp_access_token IS NOT NULL OR whatsapp_app_secret IS NOT NULL
                OR whatsapp_verify_token IS NOT NULL) ORDER BY id LIMIT $2")
            .bind(after.0).bind(limit).fetch_all(c).await)?)
    }

    /// The sealed verify tokens of all bots that have one of their own.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn verify_tokens(&mut self) -> Result<Vec<(BotId, String)>> {
        let rows: Vec<(i64, String)> = on!(self, c => sqlx::query_as(
            "SELECT id, whatsapp_verify_token FROM bots WHERE whatsapp_verify_token IS NOT NULL").fetch_all(c).await)?;
        Ok(rows.into_iter().map(|(id, token)| (id.into(), token)).collect())
    }
}
