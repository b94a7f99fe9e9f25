//! What bots' owners allow plugins, and the secrets that they lend them.

use domain::{BotId, PluginId, Time, plugin::Grant};
use sqlx::{FromRow, types::Json};

use crate::{Result, Tx, db::on};

/// A secret as the server sealed it; this crate cannot read it.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct SealedSecret {
    /// The plugin that may use it.
    #[sqlx(try_from = "i64")]
    pub plugin_id: PluginId,
    /// The bot for which it may.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// Name as in the manifest.
    pub name: String,
    /// The sealed value.
    pub sealed: String,
    /// When it was stored.
    pub updated_at: Time,
}

impl Tx {
    /// What a plugin is allowed for a bot; none when the bot's owner has said nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_grant(&mut self, plugin: PluginId, bot: BotId) -> Result<Option<Grant>> {
        let found: Option<Json<Grant>> = on!(self, c => sqlx::query_scalar(
            "SELECT allowed FROM plugin_grants WHERE plugin_id = $1 AND bot_id = $2")
            .bind(plugin.0)
            .bind(bot.0)
            .fetch_optional(c)
            .await)?;
        Ok(found.map(|Json(grant)| grant))
    }

    /// Writes what a plugin is allowed for a bot. Plugins were claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when either is gone.
    pub async fn put_plugin_grant(&mut self, plugin: PluginId, bot: BotId, grant: &Grant, now: Time) -> Result<()> {
        Ok(on!(self, c => sqlx::query(
            "INSERT INTO plugin_grants (plugin_id, bot_id, allowed, updated_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (plugin_id, bot_id) DO UPDATE SET allowed = excluded.allowed, updated_at = excluded.updated_at")
            .bind(plugin.0)
            .bind(bot.0)
            .bind(Json(grant))
            .bind(now)
            .execute(c)
            .await
            .map(|_| ()))?)
    }

    /// Takes back what a plugin was allowed for a bot. Plugins were claimed in this transaction. Answers whether there
    /// was something.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_plugin_grant(&mut self, plugin: PluginId, bot: BotId) -> Result<bool> {
        let done = on!(self, c => sqlx::query("DELETE FROM plugin_grants WHERE plugin_id = $1 AND bot_id = $2")
            .bind(plugin.0)
            .bind(bot.0)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?;
        Ok(done > 0)
    }

    /// Stores a sealed secret. Plugins were claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the plugin or the bot is gone.
    pub async fn put_plugin_secret(
        &mut self,
        plugin: PluginId,
        bot: BotId,
        name: &str,
        sealed: &str,
        now: Time,
    ) -> Result<()> {
        Ok(on!(self, c => sqlx::query(
            "INSERT INTO plugin_secrets (plugin_id, bot_id, name, sealed, updated_at) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (plugin_id, bot_id, name)
             DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at")
            .bind(plugin.0)
            .bind(bot.0)
            .bind(name)
            .bind(sealed)
            .bind(now)
            .execute(c)
            .await
            .map(|_| ()))?)
    }

    /// The secrets that a plugin has for a bot, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_secrets(&mut self, plugin: PluginId, bot: BotId) -> Result<Vec<SealedSecret>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT * FROM plugin_secrets WHERE plugin_id = $1 AND bot_id = $2 ORDER BY name")
            .bind(plugin.0)
            .bind(bot.0)
            .fetch_all(c)
            .await)?)
    }

    /// Removes one secret that a plugin has for a bot, or all. Plugins were claimed in this transaction. Answers how many
    /// there were.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_plugin_secrets(&mut self, plugin: PluginId, bot: BotId, name: Option<&str>) -> Result<u64> {
        Ok(on!(self, c => sqlx::query(
            "DELETE FROM plugin_secrets WHERE plugin_id = $1 AND bot_id = $2 AND ($3 IS NULL OR name = $3)")
            .bind(plugin.0)
            .bind(bot.0)
            .bind(name)
            .execute(c)
            .await
            .map(|done| done.rows_affected()))?)
    }

    /// All secrets of plugins in order of bot, plugin and name, from the one after `after` on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn all_plugin_secrets(
        &mut self,
        after: (BotId, PluginId, &str),
        limit: i64,
    ) -> Result<Vec<SealedSecret>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT * FROM plugin_secrets WHERE (bot_id, plugin_id, name) > ($1, $2, $3)
             ORDER BY bot_id, plugin_id, name LIMIT $4")
            .bind(after.0.0)
            .bind(after.1.0)
            .bind(after.2)
            .bind(limit)
            .fetch_all(c)
            .await)?)
    }
}
