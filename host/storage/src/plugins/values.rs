//! Values that plugins keep for a bot or a contact, and the outcomes of the calls that changed them.
//!
//! A call reads what is committed, collects its changes, and applies all of them in one transaction, if what it depended
//! on is still so. Such transactions of one holder happen one after the other.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::{BotId, ContactId, PluginId, Time};
use sqlx::FromRow;

use crate::{Result, Tx, db::on};

/// Whose values: one holder's keys are its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Holder {
    /// The plugin that keeps them.
    pub plugin: PluginId,
    /// The bot that it keeps them for.
    pub bot: BotId,
    /// The contact they are about; none: they are about the bot as a whole.
    pub contact: Option<ContactId>,
}

impl Holder {
    /// What stands in the column `holder`.
    fn column(&self) -> i64 {
        self.contact.map_or(0, |contact| contact.0)
    }
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct HeldValue {
    /// The value.
    pub value: Vec<u8>,
    /// Another one after each change, also after the value was removed and made again.
    pub version: i64,
}

/// How much a holder has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct HeldUsage {
    /// Keys.
    pub keys: i64,
    /// Bytes of keys and values.
    pub bytes: i64,
}

/// What a change depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueCheck {
    /// Whose value.
    pub holder: Holder,
    /// Which.
    pub key: String,
    /// The version it must have; none: there must be no value.
    pub version: Option<i64>,
}

/// A change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueWrite {
    /// Whose value.
    pub holder: Holder,
    /// Which.
    pub key: String,
    /// The new value; none: it is removed.
    pub value: Option<Vec<u8>>,
    /// When it disappears by itself.
    pub expiry: ValueExpiry,
}

/// When a value disappears by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueExpiry {
    /// Never.
    Never,
    /// At this time.
    At(Time),
    /// When the value that was there would have; never if there was none.
    Kept,
}

/// How much a holder may have after a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueLimits {
    /// Most keys.
    pub keys: i64,
    /// Most bytes of keys and values.
    pub bytes: i64,
}

/// What became of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueCommit {
    /// They are made; to be committed.
    Done,
    /// Something that they depend on has changed; the transaction is to be given up.
    Conflict,
    /// This holder would have too much; the transaction is to be given up.
    OverQuota(Holder),
    /// The plugin or the bot is gone; the transaction is to be given up.
    Gone,
}

/// The outcome of a call that changed values.
#[derive(Debug, Clone, Copy)]
pub struct KeptOutcome<'a> {
    /// Which plugin was called.
    pub plugin: PluginId,
    /// For which bot.
    pub bot: BotId,
    /// With which contact, if any.
    pub contact: Option<ContactId>,
    /// The same for every repetition of the call.
    pub call_id: &'a str,
    /// What it came to, as JSON.
    pub outcome: &'a str,
}

impl Tx {
    /// A value as it is now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held_value(&mut self, holder: Holder, key: &str, now: Time) -> Result<Option<HeldValue>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT value, version FROM plugin_values
             WHERE plugin_id = $1 AND bot_id = $2 AND holder = $3 AND key = $4
               AND (expires_at IS NULL OR expires_at > $5)",
        )
        .bind(holder.plugin.0)
        .bind(holder.bot.0)
        .bind(holder.column())
        .bind(key)
        .bind(now)
        .fetch_optional(c)
        .await)?)
    }

    /// A holder's keys that begin with `prefix`, in the order of their bytes, those after `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held_keys(
        &mut self,
        holder: Holder,
        prefix: &str,
        after: &str,
        limit: i64,
        now: Time,
    ) -> Result<Vec<String>> {
        // Everything that begins with the prefix comes before the prefix with the last character there is.
        let end = format!("{prefix}\u{10ffff}");
        let by_bytes = self.by_bytes();
        Ok(on!(self, c => {
            let mut query = sqlx::QueryBuilder::new("SELECT key FROM plugin_values WHERE plugin_id = ");
            query.push_bind(holder.plugin.0).push(" AND bot_id = ").push_bind(holder.bot.0);
            query.push(" AND holder = ").push_bind(holder.column());
            query.push(" AND key").push(by_bytes).push(" >= ").push_bind(prefix);
            query.push(" AND key").push(by_bytes).push(" < ").push_bind(end);
            query.push(" AND key").push(by_bytes).push(" > ").push_bind(after);
            query.push(" AND (expires_at IS NULL OR expires_at > ").push_bind(now).push(") ORDER BY key").push(by_bytes);
            query.push(" LIMIT ").push_bind(limit);
            query.build_query_scalar().fetch_all(c).await
        })?)
    }

    /// How much a holder has now.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn held_usage(&mut self, holder: Holder, now: Time) -> Result<HeldUsage> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT COUNT(*) AS keys, CAST(COALESCE(SUM(OCTET_LENGTH(key) + OCTET_LENGTH(value)), 0) AS BIGINT) AS bytes
             FROM plugin_values WHERE plugin_id = $1 AND bot_id = $2 AND holder = $3
               AND (expires_at IS NULL OR expires_at > $4)",
        )
        .bind(holder.plugin.0)
        .bind(holder.bot.0)
        .bind(holder.column())
        .bind(now)
        .fetch_one(c)
        .await)?)
    }

    /// Makes a call's changes, if what they depend on is still so. Anything but [`ValueCommit::Done`] leaves the
    /// transaction half done, to be given up.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the contact is gone.
    pub async fn change_values(
        &mut self,
        checks: &[ValueCheck],
        writes: &[ValueWrite],
        limits: ValueLimits,
        now: Time,
    ) -> Result<ValueCommit> {
        let mut holders: BTreeMap<Holder, HeldUsage> =
            checks.iter().map(|check| (check.holder, HeldUsage::default())).collect();
        holders.extend(writes.iter().map(|write| (write.holder, HeldUsage::default())));
        for holder in holders.keys() {
            self.lock_values(holder.plugin.0, holder.bot.0, holder.column()).await?;
        }
        if let Some(holder) = holders.keys().next()
            && !self.has_plugin_and_bot(holder.plugin, holder.bot).await?
        {
            return Ok(ValueCommit::Gone);
        }
        for check in checks {
            let value = self.held_value(check.holder, &check.key, now).await?;
            if value.map(|value| value.version) != check.version {
                return Ok(ValueCommit::Conflict);
            }
        }
        for write in writes {
            let before = self.held_size(write.holder, &write.key, now).await?;
            self.write_value(write, now).await?;
            let length = |value: &Vec<u8>| i64::try_from(value.len()).unwrap_or(i64::MAX);
            let after = write.value.as_ref().map(length);
            let key = i64::try_from(write.key.len()).unwrap_or(i64::MAX);
            let more = holders.entry(write.holder).or_default();
            more.keys += i64::from(after.is_some()) - i64::from(before.is_some());
            more.bytes += after.map_or(0, |bytes| bytes + key) - before.map_or(0, |bytes| bytes + key);
        }
        // Adding up reads every key of the holder, at most as many as it may have: not for a counter that counts on.
        for (holder, _) in holders.into_iter().filter(|(_, more)| more.keys > 0 || more.bytes > 0) {
            let usage = self.held_usage(holder, now).await?;
            if usage.keys > limits.keys || usage.bytes > limits.bytes {
                return Ok(ValueCommit::OverQuota(holder));
            }
        }
        Ok(ValueCommit::Done)
    }

    /// Bytes of a value, if there is one.
    async fn held_size(&mut self, holder: Holder, key: &str, now: Time) -> Result<Option<i64>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT CAST(OCTET_LENGTH(value) AS BIGINT) FROM plugin_values
             WHERE plugin_id = $1 AND bot_id = $2 AND holder = $3 AND key = $4
               AND (expires_at IS NULL OR expires_at > $5)",
        )
        .bind(holder.plugin.0)
        .bind(holder.bot.0)
        .bind(holder.column())
        .bind(key)
        .bind(now)
        .fetch_optional(c)
        .await)?)
    }

    async fn has_plugin_and_bot(&mut self, plugin: PluginId, bot: BotId) -> Result<bool> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM plugins WHERE id = $1)
                AND EXISTS (SELECT 1 FROM bots WHERE id = $2 AND owner_id IS NOT NULL)")
            .bind(plugin.0)
            .bind(bot.0)
            .fetch_one(c)
            .await)?)
    }

    async fn write_value(&mut self, write: &ValueWrite, now: Time) -> Result<()> {
        let holder = write.holder;
        let Some(value) = &write.value else {
            return Ok(on!(self, c => sqlx::query(
                "DELETE FROM plugin_values WHERE plugin_id = $1 AND bot_id = $2 AND holder = $3 AND key = $4")
                .bind(holder.plugin.0)
                .bind(holder.bot.0)
                .bind(holder.column())
                .bind(&write.key)
                .execute(c)
                .await
                .map(|_| ()))?);
        };
        let expires_at = match write.expiry {
            ValueExpiry::At(at) => Some(at),
            ValueExpiry::Never | ValueExpiry::Kept => None,
        };
        // The time as first version: one that is removed and made again has a later one.
        Ok(on!(self, c => sqlx::query(
            "INSERT INTO plugin_values (plugin_id, bot_id, holder, key, contact_id, value, version, expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (plugin_id, bot_id, holder, key) DO UPDATE SET
                 value = excluded.value,
                 expires_at = CASE WHEN $9 AND plugin_values.expires_at > $10 THEN plugin_values.expires_at
                                   ELSE excluded.expires_at END,
                 version = CASE WHEN plugin_values.version < excluded.version THEN excluded.version
                                ELSE plugin_values.version + 1 END")
            .bind(holder.plugin.0)
            .bind(holder.bot.0)
            .bind(holder.column())
            .bind(&write.key)
            .bind(holder.contact.map(|contact| contact.0))
            .bind(value.as_slice())
            .bind(now.timestamp_micros())
            .bind(expires_at)
            .bind(write.expiry == ValueExpiry::Kept)
            .bind(now)
            .execute(c)
            .await
            .map(|_| ()))?)
    }

    /// Keeps what a call came to, in the transaction of its changes.
    ///
    /// # Errors
    /// [`Error::Conflict`](crate::Error::Conflict) when the call has an outcome already: another host has made it.
    pub async fn keep_outcome(&mut self, kept: KeptOutcome<'_>, now: Time) -> Result<()> {
        Ok(on!(self, c => sqlx::query(
            "INSERT INTO plugin_outcomes (plugin_id, bot_id, call_id, contact_id, outcome, created_at)
             VALUES ($1, $2, $3, $4, $5, $6)")
            .bind(kept.plugin.0)
            .bind(kept.bot.0)
            .bind(kept.call_id)
            .bind(kept.contact.map(|contact| contact.0))
            .bind(kept.outcome)
            .bind(now)
            .execute(c)
            .await
            .map(|_| ()))?)
    }

    /// What a call came to that changed values before, as JSON.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn kept_outcome(&mut self, bot: BotId, call_id: &str) -> Result<Option<String>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT outcome FROM plugin_outcomes WHERE bot_id = $1 AND call_id = $2")
            .bind(bot.0)
            .bind(call_id)
            .fetch_optional(c)
            .await)?)
    }

    /// Removes up to `limit` values that have expired, and as many outcomes that are older than `kept_for`. Answers how
    /// many of both.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn purge_values(&mut self, kept_for: TimeDelta, limit: i64, now: Time) -> Result<u64> {
        let passing_over = self.for_update_skip_locked();
        let values = on!(&mut *self, c => {
            let mut query = sqlx::QueryBuilder::new(
                "DELETE FROM plugin_values WHERE (plugin_id, bot_id, holder, key) IN (
                     SELECT plugin_id, bot_id, holder, key FROM plugin_values WHERE expires_at <= ");
            query.push_bind(now).push(" ORDER BY expires_at LIMIT ").push_bind(limit).push(passing_over).push(")");
            query.build().execute(c).await.map(|done| done.rows_affected())
        })?;
        let outcomes = on!(self, c => {
            let mut query = sqlx::QueryBuilder::new(
                "DELETE FROM plugin_outcomes WHERE (bot_id, call_id) IN (
                     SELECT bot_id, call_id FROM plugin_outcomes WHERE created_at < ");
            query.push_bind(now - kept_for).push(" ORDER BY created_at LIMIT ").push_bind(limit);
            query.push(passing_over).push(")");
            query.build().execute(c).await.map(|done| done.rows_affected())
        })?;
        Ok(values + outcomes)
    }
}
