//! What webhooks tell of accounts and numbers, and which number belongs to which account.

use domain::{BotId, Time};
use sqlx::{FromRow, QueryBuilder};

use crate::{Bot, Page, Result, Tx, db::on};

/// Something that a webhook told and that is no message and no delivery report.
#[derive(Debug, Clone)]
pub struct NewAccountEvent {
    /// The bot concerned. Of an event of an account that several bots share, each gets one.
    pub bot_id: BotId,
    /// Meta's id of the number it is about.
    pub phone_number_id: Option<String>,
    /// The WhatsApp Business Account.
    pub waba_id: Option<String>,
    /// Name of the webhook field.
    pub field: String,
    /// Its value as received, as JSON text.
    pub payload: String,
    /// What repetitions have in common; none when it cannot be told from a second event of the same kind.
    pub digest: Option<String>,
    /// When Meta sent it.
    pub sent_at: Option<Time>,
}

/// An account event as listed.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct AccountEventRow {
    /// Row id.
    pub id: i64,
    /// The bot concerned.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// Meta's id of the number it is about.
    pub phone_number_id: Option<String>,
    /// The WhatsApp Business Account.
    pub waba_id: Option<String>,
    /// Name of the webhook field.
    pub field: String,
    /// Its value as received, as JSON text.
    pub payload: String,
    /// When Meta sent it.
    pub sent_at: Option<Time>,
    /// When it came in.
    pub created_at: Time,
}

/// What webhooks tell of a number beside its id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, FromRow)]
pub struct NumberFacts {
    /// Meta's id of the number.
    pub phone_number_id: String,
    /// The account it belongs to.
    pub waba_id: Option<String>,
    /// The number in digits.
    pub display_phone_number: Option<String>,
}

impl Tx {
    /// Stores an account event; `None` for a repetition of one that is stored.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the bot is gone.
    pub async fn insert_account_event(&mut self, event: &NewAccountEvent, now: Time) -> Result<Option<i64>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "INSERT INTO account_events (bot_id, phone_number_id, waba_id, field, payload, digest, sent_at, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (bot_id, digest) DO NOTHING RETURNING id")
            .bind(event.bot_id.0)
            .bind(&event.phone_number_id)
            .bind(&event.waba_id)
            .bind(&event.field)
            .bind(&event.payload)
            .bind(&event.digest)
            .bind(event.sent_at)
            .bind(now)
            .fetch_optional(c).await)?)
    }

    /// A bot's account events, newest first; of one webhook field, or of all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn account_events(
        &mut self,
        bot: BotId,
        field: Option<&str>,
        limit: i64,
        skip: i64,
    ) -> Result<Page<AccountEventRow>> {
        macro_rules! query {
            ($columns:literal) => {{
                let mut query = QueryBuilder::new(concat!("SELECT ", $columns, " FROM account_events WHERE bot_id = "));
                query.push_bind(bot.0);
                if let Some(field) = field {
                    query.push(" AND field = ").push_bind(field);
                }
                query
            }};
        }
        let total = on!(self, c => query!("COUNT(*)").build_query_scalar().fetch_one(c).await)?;
        let items = on!(self, c => {
            let mut query =
                query!("id, bot_id, phone_number_id, waba_id, field, payload, sent_at, created_at");
            query.push(" ORDER BY id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Page { items, total })
    }

    /// Notes what a webhook told of a number. What it left out stays as it was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_number(&mut self, facts: &NumberFacts, now: Time) -> Result<()> {
        on!(self, c => sqlx::query(
            "INSERT INTO whatsapp_numbers (phone_number_id, waba_id, display_phone_number, seen_at)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (phone_number_id) DO UPDATE SET
                waba_id = COALESCE(excluded.waba_id, whatsapp_numbers.waba_id),
                display_phone_number = COALESCE(excluded.display_phone_number, whatsapp_numbers.display_phone_number),
                seen_at = excluded.seen_at")
            .bind(&facts.phone_number_id)
            .bind(&facts.waba_id)
            .bind(&facts.display_phone_number)
            .bind(now)
            .execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// What is known of the numbers of an account.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn numbers_of_account(&mut self, waba_id: &str) -> Result<Vec<NumberFacts>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT phone_number_id, waba_id, display_phone_number FROM whatsapp_numbers WHERE waba_id = $1
             ORDER BY phone_number_id")
            .bind(waba_id).fetch_all(c).await)?)
    }

    /// The bots of an account: those that say so, and those whose number is known to belong to it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn bots_of_account(&mut self, waba_id: &str) -> Result<Vec<Bot>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT * FROM bots WHERE owner_id IS NOT NULL AND (whatsapp_business_account_id = $1
                OR whatsapp_phone_number_id IN (SELECT phone_number_id FROM whatsapp_numbers WHERE waba_id = $1))
             ORDER BY id")
            .bind(waba_id).fetch_all(c).await)?)
    }
}
