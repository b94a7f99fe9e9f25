//! Plugins: what was uploaded, under whose name, and the revision that caches compare.

mod grants;
mod logs;
mod references;
mod usage;
mod values;
mod versions;

use domain::{PluginId, Time, UserId};
use serde_json::Value;
use sqlx::{FromRow, types::Json};

use crate::{Page, Result, Tx, db::on};

pub use grants::SealedSecret;
pub use logs::{LogSource, NewPluginLog, PluginLog};
pub use references::{PluginReference, ReferenceKind};
pub use usage::{PluginUsage, UsageKey};
pub use values::{
    HeldUsage, HeldValue, Holder, KeptOutcome, ValueCheck, ValueCommit, ValueExpiry, ValueLimits, ValueWrite,
};
pub use versions::{NewPluginVersion, PluginVersion, VersionHead, VisibleVersion};

/// A plugin without its versions.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Plugin {
    /// Row id.
    #[sqlx(try_from = "i64")]
    pub id: PluginId,
    /// Who uploaded it.
    #[sqlx(try_from = "i64")]
    pub owner_id: UserId,
    /// Unique among the owner's plugins, and among those that are shared.
    pub name: String,
    /// Whether every user sees it.
    pub is_shared: bool,
    /// What an admin set for it; none: the server's own limits.
    #[sqlx(json(nullable))]
    pub limits: Option<Value>,
    /// When its first version came.
    pub created_at: Time,
    /// When it last changed, its versions included.
    pub updated_at: Time,
}

impl Tx {
    /// The present revision of all plugins, grants and secrets.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_revision(&mut self) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar("SELECT revision FROM plugin_revision").fetch_one(c).await)?)
    }

    /// Something about plugins is about to change: tells all caches, once this transaction is committed, and lets no
    /// other such change happen until then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn claim_plugins(&mut self) -> Result<()> {
        Ok(on!(self, c => sqlx::query("UPDATE plugin_revision SET revision = revision + 1")
            .execute(c)
            .await
            .map(|_| ()))?)
    }

    /// The plugin of that name that a user sees: their own, else the shared one.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin(&mut self, viewer: UserId, name: &str) -> Result<Option<Plugin>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT * FROM plugins WHERE name = $2 AND (owner_id = $1 OR is_shared)
             ORDER BY CASE WHEN owner_id = $1 THEN 0 ELSE 1 END LIMIT 1",
        )
        .bind(viewer.0)
        .bind(name)
        .fetch_optional(c)
        .await)?)
    }

    /// The plugins that a user sees, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugins(&mut self, viewer: UserId, limit: i64, skip: i64) -> Result<Page<Plugin>> {
        macro_rules! visible {
            ($columns:literal, $rest:literal) => {
                concat!(
                    "SELECT ",
                    $columns,
                    " FROM plugins p WHERE p.owner_id = $1 OR (p.is_shared AND NOT EXISTS (
                          SELECT 1 FROM plugins own WHERE own.owner_id = $1 AND own.name = p.name))",
                    $rest
                )
            };
        }
        let total = on!(self, c => sqlx::query_scalar(visible!("COUNT(*)", "")).bind(viewer.0).fetch_one(c).await)?;
        let items = on!(self, c => sqlx::query_as(visible!("p.*", " ORDER BY p.name LIMIT $2 OFFSET $3"))
            .bind(viewer.0)
            .bind(limit)
            .bind(skip)
            .fetch_all(c)
            .await)?;
        Ok(Page { items, total })
    }

    /// How many plugins a user has uploaded.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_plugins(&mut self, owner: UserId) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar("SELECT COUNT(*) FROM plugins WHERE owner_id = $1")
            .bind(owner.0)
            .fetch_one(c)
            .await)?)
    }

    /// A user's own plugin of that name, made if there is none. Plugins were claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the owner is gone.
    pub async fn ensure_plugin(&mut self, owner: UserId, name: &str, now: Time) -> Result<Plugin> {
        Ok(on!(self, c => sqlx::query_as(
            "INSERT INTO plugins (owner_id, name, is_shared, created_at, updated_at) VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (owner_id, name) DO UPDATE SET updated_at = excluded.updated_at RETURNING *",
        )
        .bind(owner.0)
        .bind(name)
        .bind(false)
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// Shows a plugin to all users, or to its owner alone. Plugins were claimed in this transaction.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when another plugin of that name is shared.
    pub async fn share_plugin(&mut self, id: PluginId, is_shared: bool, now: Time) -> Result<()> {
        Ok(on!(self, c => sqlx::query("UPDATE plugins SET is_shared = $2, updated_at = $3 WHERE id = $1")
            .bind(id.0)
            .bind(is_shared)
            .bind(now)
            .execute(c)
            .await
            .map(|_| ()))?)
    }

    /// Sets what a plugin may use, or leaves it to the server. Plugins were claimed in this transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn limit_plugin(&mut self, id: PluginId, limits: Option<&Value>, now: Time) -> Result<()> {
        Ok(on!(self, c => sqlx::query("UPDATE plugins SET limits = $2, updated_at = $3 WHERE id = $1")
            .bind(id.0)
            .bind(limits.map(Json))
            .bind(now)
            .execute(c)
            .await
            .map(|_| ()))?)
    }

    /// Deletes a plugin with everything that hangs on it. Plugins were claimed in this transaction.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn delete_plugin(&mut self, id: PluginId) -> Result<()> {
        for statement in [
            "DELETE FROM plugin_values WHERE plugin_id = $1",
            "DELETE FROM plugin_outcomes WHERE plugin_id = $1",
            "DELETE FROM plugin_logs WHERE plugin_id = $1",
            "DELETE FROM plugin_usage WHERE plugin_id = $1",
            "DELETE FROM plugins WHERE id = $1",
        ] {
            on!(&mut *self, c => sqlx::query(statement).bind(id.0).execute(c).await.map(|_| ()))?;
        }
        self.drop_unused_components().await
    }

    /// Removes what plugins keep for a bot that is being removed and that hangs on no foreign key.
    pub(crate) async fn purge_plugins_of_bot(&mut self, bot: domain::BotId) -> Result<()> {
        for statement in [
            "DELETE FROM plugin_values WHERE bot_id = $1",
            "DELETE FROM plugin_outcomes WHERE bot_id = $1",
            "DELETE FROM plugin_logs WHERE bot_id = $1",
            "DELETE FROM plugin_usage WHERE bot_id = $1",
        ] {
            on!(&mut *self, c => sqlx::query(statement).bind(bot.0).execute(c).await.map(|_| ()))?;
        }
        Ok(())
    }
}
