//! What plugins used, added up per plugin, bot, version and day.

use std::collections::BTreeMap;

use domain::{BotId, PluginId, UserId};
use sqlx::{FromRow, QueryBuilder};

use crate::{Result, Tx, db::on};

/// Most rows of one statement; SQLite takes 32,766 parameters.
const ROWS_PER_STATEMENT: usize = 1_000;

/// Whose usage.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageKey {
    /// The plugin.
    pub plugin_id: PluginId,
    /// The bot it ran for.
    pub bot_id: BotId,
    /// Its version.
    pub version: String,
    /// Days since 1970-01-01 UTC.
    pub day: i64,
}

/// What was used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromRow)]
pub struct PluginUsage {
    /// Calls of its exports.
    pub calls: i64,
    /// Calls that the plugin answered with a fault.
    pub faults: i64,
    /// Calls that the host stopped or could not make.
    pub failures: i64,
    /// Microseconds on a processor.
    pub cpu_us: i64,
    /// Microseconds from admission to answer.
    pub wall_us: i64,
    /// Most bytes of memory that a call had at once.
    pub memory_peak: i64,
    /// HTTP exchanges.
    pub requests: i64,
    /// Bytes sent out and taken in by them.
    pub egress_bytes: i64,
}

impl PluginUsage {
    /// Adds another.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.faults += other.faults;
        self.failures += other.failures;
        self.cpu_us += other.cpu_us;
        self.wall_us += other.wall_us;
        self.memory_peak = self.memory_peak.max(other.memory_peak);
        self.requests += other.requests;
        self.egress_bytes += other.egress_bytes;
    }
}

#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "i64")]
    bot_id: BotId,
    version: String,
    day: i64,
    #[sqlx(flatten)]
    usage: PluginUsage,
}

impl Tx {
    /// Adds what was used to what is stored; that of plugins and bots that are gone is dropped.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn add_plugin_usage(&mut self, used: &BTreeMap<UsageKey, PluginUsage>) -> Result<()> {
        let rows: Vec<_> = used.iter().collect();
        for chunk in rows.chunks(ROWS_PER_STATEMENT) {
            on!(&mut *self, c => {
                let mut query = QueryBuilder::new(
                    "INSERT INTO plugin_usage (plugin_id, bot_id, version, day, calls, faults, failures, cpu_us, wall_us,
                                               memory_peak, requests, egress_bytes) SELECT * FROM (");
                query.push_values(chunk, |mut row, (key, usage)| {
                    row.push_bind(key.plugin_id.0)
                        .push_bind(key.bot_id.0)
                        .push_bind(&key.version)
                        .push_bind(key.day)
                        .push_bind(usage.calls)
                        .push_bind(usage.faults)
                        .push_bind(usage.failures)
                        .push_bind(usage.cpu_us)
                        .push_bind(usage.wall_us)
                        .push_bind(usage.memory_peak)
                        .push_bind(usage.requests)
                        .push_bind(usage.egress_bytes);
                });
                query.push(
                    ") AS v WHERE EXISTS (SELECT 1 FROM plugins WHERE id = v.column1)
                       AND EXISTS (SELECT 1 FROM bots WHERE id = v.column2) ORDER BY 1, 2, 3, 4
                     ON CONFLICT (plugin_id, bot_id, version, day) DO UPDATE SET
                       calls = plugin_usage.calls + excluded.calls,
                       faults = plugin_usage.faults + excluded.faults,
                       failures = plugin_usage.failures + excluded.failures,
                       cpu_us = plugin_usage.cpu_us + excluded.cpu_us,
                       wall_us = plugin_usage.wall_us + excluded.wall_us,
                       memory_peak = CASE WHEN plugin_usage.memory_peak > excluded.memory_peak
                                          THEN plugin_usage.memory_peak ELSE excluded.memory_peak END,
                       requests = plugin_usage.requests + excluded.requests,
                       egress_bytes = plugin_usage.egress_bytes + excluded.egress_bytes");
                query.build().persistent(false).execute(c).await.map(|_| ())
            })?;
        }
        Ok(())
    }

    /// What a plugin used from a day on, newest day first: for the user's own bots, or for all when `is_owner`; then the
    /// bots of others are one, without an id (0).
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_usage(
        &mut self,
        plugin: PluginId,
        viewer: UserId,
        is_owner: bool,
        since_day: i64,
    ) -> Result<Vec<(UsageKey, PluginUsage)>> {
        let rows: Vec<Row> = on!(self, c => sqlx::query_as(
            "SELECT CASE WHEN b.owner_id = $2 THEN u.bot_id ELSE 0 END AS bot_id, u.version, u.day,
                    CAST(SUM(u.calls) AS BIGINT) AS calls, CAST(SUM(u.faults) AS BIGINT) AS faults,
                    CAST(SUM(u.failures) AS BIGINT) AS failures, CAST(SUM(u.cpu_us) AS BIGINT) AS cpu_us,
                    CAST(SUM(u.wall_us) AS BIGINT) AS wall_us, MAX(u.memory_peak) AS memory_peak,
                    CAST(SUM(u.requests) AS BIGINT) AS requests, CAST(SUM(u.egress_bytes) AS BIGINT) AS egress_bytes
             FROM plugin_usage u LEFT JOIN bots b ON b.id = u.bot_id
             WHERE u.plugin_id = $1 AND u.day >= $4 AND (b.owner_id = $2 OR $3)
             GROUP BY 1, 2, 3 ORDER BY 3 DESC, 1, 2")
            .bind(plugin.0)
            .bind(viewer.0)
            .bind(is_owner)
            .bind(since_day)
            .fetch_all(c)
            .await)?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let Row { bot_id, version, day, usage } = row;
                (UsageKey { plugin_id: plugin, bot_id, version, day }, usage)
            })
            .collect())
    }
}
