//! Lines that plugins log and failures that the host finds, the newest of each plugin and bot.

use std::collections::BTreeSet;

use domain::{BotId, PluginId, Time, UserId};
use sqlx::{FromRow, QueryBuilder};

use crate::{Error, Page, Result, Tx, db::on};

/// Most rows of one statement; SQLite takes 32,766 parameters.
const ROWS_PER_STATEMENT: usize = 1_000;

/// Who wrote a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// The plugin.
    Plugin,
    /// The host: a failure.
    Host,
}

impl LogSource {
    /// The word used in the API and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plugin => "plugin",
            Self::Host => "host",
        }
    }
}

impl TryFrom<String> for LogSource {
    type Error = Error;

    fn try_from(word: String) -> Result<Self> {
        match word.as_str() {
            "plugin" => Ok(Self::Plugin),
            "host" => Ok(Self::Host),
            _ => Err(Error::Corrupt(format!("unknown log source {word}"))),
        }
    }
}

/// A line to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPluginLog {
    /// The plugin.
    pub plugin_id: PluginId,
    /// The bot it ran for.
    pub bot_id: BotId,
    /// Its version.
    pub version: String,
    /// The call.
    pub call_id: String,
    /// Who wrote it.
    pub source: LogSource,
    /// `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// The line.
    pub message: String,
    /// Details, a JSON object as text.
    pub fields: Option<String>,
    /// For the plugin's owner alone: panic message, backtrace.
    pub detail: Option<String>,
    /// When.
    pub at: Time,
}

/// A line as kept.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct PluginLog {
    /// Counts up.
    pub id: i64,
    /// The bot it ran for.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// The plugin's version.
    pub version: String,
    /// The call.
    pub call_id: String,
    /// Who wrote it.
    #[sqlx(try_from = "String")]
    pub source: LogSource,
    /// `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// The line.
    pub message: String,
    /// Details, a JSON object as text.
    pub fields: Option<String>,
    /// For the plugin's owner alone.
    pub detail: Option<String>,
    /// When.
    pub at: Time,
}

impl Tx {
    /// Adds lines and removes those beyond the newest `keep` of each plugin and bot. Lines of plugins and bots that are
    /// gone are dropped.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn append_plugin_logs(&mut self, lines: &[NewPluginLog], keep: i64) -> Result<()> {
        for chunk in lines.chunks(ROWS_PER_STATEMENT) {
            on!(&mut *self, c => {
                let mut query = QueryBuilder::new(
                    "INSERT INTO plugin_logs
                        (plugin_id, bot_id, version, call_id, source, level, message, fields, detail, at)
                     SELECT column1, column2, column3, column4, column5, column6, column7, column8, column9, column10
                     FROM (");
                query.push_values(chunk.iter().zip(0_i64..), |mut row, (line, place)| {
                    row.push_bind(line.plugin_id.0)
                        .push_bind(line.bot_id.0)
                        .push_bind(&line.version)
                        .push_bind(&line.call_id)
                        .push_bind(line.source.as_str())
                        .push_bind(line.level)
                        .push_bind(&line.message)
                        .push_bind(&line.fields)
                        .push_bind(&line.detail)
                        .push_bind(line.at)
                        .push_bind(place);
                });
                query.push(
                    ") AS v WHERE EXISTS (SELECT 1 FROM plugins WHERE id = v.column1)
                       AND EXISTS (SELECT 1 FROM bots WHERE id = v.column2) ORDER BY column11");
                query.build().persistent(false).execute(c).await.map(|_| ())
            })?;
        }
        let shares: BTreeSet<_> = lines.iter().map(|line| (line.plugin_id, line.bot_id)).collect();
        for (plugin, bot) in shares {
            on!(&mut *self, c => sqlx::query(
                "DELETE FROM plugin_logs WHERE plugin_id = $1 AND bot_id = $2 AND id <= (
                     SELECT id FROM plugin_logs WHERE plugin_id = $1 AND bot_id = $2
                     ORDER BY id DESC LIMIT 1 OFFSET $3)")
                .bind(plugin.0)
                .bind(bot.0)
                .bind(keep)
                .execute(c)
                .await
                .map(|_| ()))?;
        }
        Ok(())
    }

    /// The lines of a plugin that a user may see, newest first: all of the user's own bots, and, when `is_owner`, the
    /// failures of all bots. Of one bot, or of all.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn plugin_logs(
        &mut self,
        plugin: PluginId,
        viewer: UserId,
        is_owner: bool,
        bot: Option<BotId>,
        limit: i64,
        skip: i64,
    ) -> Result<Page<PluginLog>> {
        macro_rules! query {
            ($columns:literal) => {{
                let mut query = QueryBuilder::new($columns);
                query.push(" FROM plugin_logs l LEFT JOIN bots b ON b.id = l.bot_id WHERE l.plugin_id = ");
                query.push_bind(plugin.0).push(" AND (b.owner_id = ").push_bind(viewer.0);
                query.push(" OR (l.source = 'host' AND ").push_bind(is_owner).push("))");
                if let Some(bot) = bot {
                    query.push(" AND l.bot_id = ").push_bind(bot.0);
                }
                query
            }};
        }
        let total = on!(&mut *self, c => query!("SELECT COUNT(*)").build_query_scalar().fetch_one(c).await)?;
        let items = on!(self, c => {
            let mut query = query!(
                "SELECT l.id, l.bot_id, l.version, l.call_id, l.source, l.level, l.message, l.fields, l.detail, l.at");
            query.push(" ORDER BY l.id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Page { items, total })
    }
}
