//! Bots' health: whether Meta lets them send, and what of theirs waits meanwhile.

use domain::{BotId, Time};
use sqlx::{FromRow, QueryBuilder};

use crate::{Result, Tx, db::on};

/// A bot's health, as Meta's answers and webhooks tell it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct Health {
    /// `ok`, or what is wrong.
    #[sqlx(rename = "health")]
    pub status: String,
    /// What is not even tried meanwhile.
    #[sqlx(rename = "health_stops", try_from = "String")]
    pub stops: Stops,
    /// Meta's code, where there was one.
    #[sqlx(rename = "health_code")]
    pub code: Option<i64>,
    /// Meta's words, for people.
    #[sqlx(rename = "health_detail")]
    pub detail: Option<String>,
    /// Since when it is so; none when it is `ok`.
    #[sqlx(rename = "health_since")]
    pub since: Option<Time>,
    /// When Meta last said so.
    #[sqlx(rename = "health_checked_at")]
    pub checked_at: Option<Time>,
}

/// What a bot does not try to send while it is not well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stops {
    /// Nothing of it would arrive.
    All,
    /// Templates would not arrive; answers within the customer service window do.
    Templates,
    /// Its owner should know, but messages go out.
    Nothing,
}

impl Stops {
    /// The word of the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Templates => "templates",
            Self::Nothing => "nothing",
        }
    }

    /// Whether messages of this type wait.
    pub fn stops(self, kind: &str) -> bool {
        match self {
            Self::All => true,
            Self::Templates => kind == "template",
            Self::Nothing => false,
        }
    }
}

impl From<String> for Stops {
    fn from(word: String) -> Self {
        match word.as_str() {
            "all" => Self::All,
            "templates" => Self::Templates,
            _ => Self::Nothing,
        }
    }
}

impl Health {
    /// Nothing is wrong.
    pub const OK: &'static str = "ok";

    /// Whether something is wrong.
    pub fn is_ill(&self) -> bool {
        self.status != Self::OK
    }
}

impl Tx {
    /// Notes that something is wrong with a bot, as of `now`. `since` stays when the status does. Returns the bot's
    /// revision, which is a new one if anything but the time changed; none when the bot is gone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_health(
        &mut self,
        bot: BotId,
        status: &str,
        stops: Stops,
        code: Option<i64>,
        detail: Option<&str>,
        now: Time,
    ) -> Result<Option<i64>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "UPDATE bots SET
                revision = revision + CASE WHEN health = $2 AND health_stops = $3 THEN 0 ELSE 1 END,
                health_since = CASE WHEN health = $2 THEN health_since ELSE $6 END,
                health = $2, health_stops = $3, health_code = $4, health_detail = $5, health_checked_at = $6
             WHERE id = $1 RETURNING revision")
            .bind(bot.0).bind(status).bind(stops.as_str()).bind(code).bind(detail).bind(now)
            .fetch_optional(c).await)?)
    }

    /// Notes that nothing is wrong with a bot any more. Returns its new revision; none when nothing was wrong.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn clear_health(&mut self, bot: BotId) -> Result<Option<i64>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "UPDATE bots SET health = 'ok', health_stops = 'nothing', health_code = NULL, health_detail = NULL,
                    health_since = NULL, health_checked_at = NULL, revision = revision + 1
             WHERE id = $1 AND health <> 'ok' RETURNING revision")
            .bind(bot.0).fetch_optional(c).await)?)
    }

    /// The bots with which something is wrong.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn ill_bots(&mut self) -> Result<Vec<BotId>> {
        let ids: Vec<i64> = on!(self, c => sqlx::query_scalar(
            "SELECT id FROM bots WHERE health <> 'ok' AND owner_id IS NOT NULL ORDER BY id").fetch_all(c).await)?;
        Ok(ids.into_iter().map(Into::into).collect())
    }

    /// Has up to `limit` of a bot's mailboxes whose first message is held looked at from `at` on, the longest held first.
    /// Returns how many.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn release_held(&mut self, bot: BotId, at: Time, limit: i64) -> Result<u64> {
        let lock = self.for_update_skip_locked();
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new("UPDATE mailboxes SET ready_at = ");
            query.push_bind(at).push(" WHERE contact_id IN (SELECT contact_id FROM mailboxes WHERE bot_id = ");
            query.push_bind(bot.0).push(" AND held_until IS NOT NULL AND owner IS NULL AND ready_at > ").push_bind(at);
            query.push(" ORDER BY contact_id LIMIT ").push_bind(limit).push(lock).push(")");
            query.build().execute(c).await.map(|done| done.rows_affected())
        })?)
    }

    /// Lifts the holds of a bot's messages that wait for one of these codes to be mended.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lift_holds(&mut self, bot: BotId, codes: &[i64]) -> Result<u64> {
        if codes.is_empty() {
            return Ok(0);
        }
        Ok(on!(self, c => {
            // The first condition is the one of the index of unsettled messages.
            let mut query = QueryBuilder::new(
                "UPDATE messages SET next_attempt_at = NULL, held_code = NULL
                 WHERE status IN ('queued', 'sending') AND bot_id = ");
            query.push_bind(bot.0).push(" AND status = 'queued' AND held_code IN (");
            let mut list = query.separated(", ");
            for code in codes {
                list.push_bind(*code);
            }
            query.push(")");
            query.build().persistent(false).execute(c).await.map(|done| done.rows_affected())
        })?)
    }

    /// Has a bot's queued messages go out from another number.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn move_queued(&mut self, bot: BotId, phone_number_id: &str) -> Result<u64> {
        Ok(on!(self, c => sqlx::query(
            "UPDATE messages SET phone_number_id = $2
             WHERE status IN ('queued', 'sending') AND status = 'queued' AND bot_id = $1 AND phone_number_id <> $2")
            .bind(bot.0).bind(phone_number_id).execute(c).await.map(|done| done.rows_affected()))?)
    }
}
