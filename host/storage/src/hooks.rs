//! Triggers that requests fire: their addresses, and the events that were seen.

use domain::{BotId, Time, TriggerId};
use sqlx::QueryBuilder;

use crate::{Result, TriggerRow, Tx, db::on};

/// A trigger with an address, as a request finds it.
#[derive(Debug, Clone)]
pub struct Hook {
    /// The trigger.
    pub trigger: TriggerRow,
    /// Whether its bot is switched on.
    pub bot_is_active: bool,
}

/// A sealed secret of a trigger.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct HookSecret {
    /// The trigger.
    #[sqlx(try_from = "i64")]
    pub id: TriggerId,
    /// Its bot, for which the secret is sealed.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// The secret.
    pub hook_secret: String,
}

impl Tx {
    /// Gives a trigger an address, or takes it away.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_hook_token(&mut self, id: TriggerId, token: Option<&str>) -> Result<()> {
        on!(self, c => sqlx::query("UPDATE triggers SET hook_token = $2 WHERE id = $1")
            .bind(id.0).bind(token).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Sets the sealed secret that a trigger's requests are signed with.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn set_hook_secret(&mut self, id: TriggerId, secret: Option<&str>) -> Result<()> {
        on!(self, c => sqlx::query("UPDATE triggers SET hook_secret = $2 WHERE id = $1")
            .bind(id.0).bind(secret).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// The trigger at an address.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn hook(&mut self, token: &str) -> Result<Option<Hook>> {
        let row: Option<TriggerRow> = on!(self, c => sqlx::query_as("SELECT * FROM triggers WHERE hook_token = $1")
            .bind(token).fetch_optional(c).await)?;
        let Some(trigger) = row else { return Ok(None) };
        let bot_is_active: bool = on!(self, c => sqlx::query_scalar("SELECT is_active FROM bots WHERE id = $1")
            .bind(trigger.bot_id.0).fetch_one(c).await)?;
        Ok(Some(Hook { trigger, bot_is_active }))
    }

    /// Sealed secrets of triggers after one of them, by id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn hook_secrets(&mut self, after: TriggerId, limit: i64) -> Result<Vec<HookSecret>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT id, bot_id, hook_secret FROM triggers WHERE id > $1 AND hook_secret IS NOT NULL ORDER BY id LIMIT $2")
            .bind(after.0).bind(limit).fetch_all(c).await)?)
    }

    /// Notes that a trigger has seen these events, and answers which of the ids are new to it.
    ///
    /// # Errors
    /// When the database refuses, or the trigger is gone.
    pub async fn note_trigger_events(&mut self, trigger: TriggerId, ids: &[&str], at: Time) -> Result<Vec<String>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut sorted = ids.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new("INSERT INTO trigger_events (trigger_id, event_id, at) ");
            query.push_values(sorted, |mut row, id| {
                row.push_bind(trigger.0).push_bind(id).push_bind(at);
            });
            query.push(" ON CONFLICT (trigger_id, event_id) DO NOTHING RETURNING event_id");
            query.build_query_scalar().persistent(false).fetch_all(c).await
        })?)
    }

    /// Forgets the events that a trigger saw before a moment.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn forget_trigger_events(&mut self, trigger: TriggerId, before: Time) -> Result<()> {
        on!(self, c => sqlx::query("DELETE FROM trigger_events WHERE trigger_id = $1 AND at < $2")
            .bind(trigger.0).bind(before).execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
