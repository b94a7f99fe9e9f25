//! Message templates of WhatsApp, as Meta last described them. Each bot has its own copy of its account's list.

use std::collections::HashSet;

use domain::{BotId, Time};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Page, Result, Tx, db::on};

/// A message template in one language, as stored.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct MessageTemplate {
    /// Row id.
    pub id: i64,
    /// The bot whose account has it.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// Meta's id.
    pub meta_id: String,
    /// Its name; with the language, unique for a bot.
    pub name: String,
    /// E.g. `en_US`.
    pub language: String,
    /// `MARKETING`, `UTILITY`, `AUTHENTICATION`, …
    pub category: String,
    /// `APPROVED`, `PENDING`, `PAUSED`, …
    pub status: String,
    /// Why it has this status.
    pub reason: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    pub quality: Option<String>,
    /// Whether its variables have names.
    pub is_named: bool,
    /// Header, body, footer and buttons, as Meta describes them.
    #[sqlx(json)]
    pub components: Value,
    /// When it was last in Meta's list.
    pub synced_at: Time,
}

/// What Meta's list says of one template.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessageTemplate {
    /// Meta's id.
    pub meta_id: String,
    /// Its name.
    pub name: String,
    /// E.g. `en_US`.
    pub language: String,
    /// Meta's word.
    pub category: String,
    /// Meta's word.
    pub status: String,
    /// Why it has this status.
    pub reason: Option<String>,
    /// Meta's word.
    pub quality: Option<String>,
    /// Whether its variables have names.
    pub is_named: bool,
    /// Header, body, footer and buttons.
    pub components: Value,
}

/// What a webhook says has changed; what is none stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateChange {
    /// The new status. A reason that came before goes with the old one.
    pub status: Option<String>,
    /// Why it has the new status.
    pub reason: Option<String>,
    /// The new quality.
    pub quality: Option<String>,
    /// The new category.
    pub category: Option<String>,
}

/// Which template a webhook is about: by Meta's id, else by name and language.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TemplateKey {
    /// Meta's id.
    pub meta_id: Option<String>,
    /// Its name.
    pub name: Option<String>,
    /// Its language.
    pub language: Option<String>,
}

/// How fetching a bot's templates went.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct TemplateSync {
    /// The account they were fetched from.
    pub waba_id: String,
    /// When Meta was last asked with success, which is when the list is from; none when it must be asked again.
    pub synced_at: Option<Time>,
    /// When Meta was last asked.
    pub tried_at: Time,
    /// Why that failed; none when it did not.
    pub error: Option<String>,
}

/// Which templates to list.
#[derive(Debug, Clone, Default)]
pub struct MessageTemplateFilter {
    /// Only of this name.
    pub name: Option<String>,
    /// Only of this language.
    pub language: Option<String>,
    /// Only of this status, in upper case.
    pub status: Option<String>,
    /// Only of this category, in upper case.
    pub category: Option<String>,
}

/// Templates in one statement: each has ten parameters.
const ROWS_MAX: usize = 500;
const COLUMNS: &str =
    "SELECT id, bot_id, meta_id, name, language, category, status, reason, quality, is_named, components,
    synced_at FROM message_templates";

impl Tx {
    /// Replaces a bot's templates by what was fetched from an account: `asked_at` is when fetching began, `now` when it
    /// ended. What a webhook has said meanwhile stands. No two of them may have the same name and language.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn replace_message_templates(
        &mut self,
        bot: BotId,
        waba_id: &str,
        templates: &[NewMessageTemplate],
        asked_at: Time,
        now: Time,
    ) -> Result<()> {
        let marketing = self.marketing_templates(bot).await?;
        let is_other = self.template_sync(bot).await?.is_some_and(|sync| sync.waba_id != waba_id);
        if is_other {
            on!(self, c => sqlx::query("DELETE FROM message_templates WHERE bot_id = $1")
                .bind(bot.0).execute(c).await.map(|_| ()))?;
        }
        for part in templates.chunks(ROWS_MAX) {
            on!(self, c => {
                let mut query = QueryBuilder::new(
                    "INSERT INTO message_templates (bot_id, meta_id, name, language, category, status, reason, quality,
                        is_named, components, synced_at) ");
                query.push_values(part, |mut row, t| {
                    row.push_bind(bot.0)
                        .push_bind(&t.meta_id)
                        .push_bind(&t.name)
                        .push_bind(&t.language)
                        .push_bind(&t.category)
                        .push_bind(&t.status)
                        .push_bind(&t.reason)
                        .push_bind(&t.quality)
                        .push_bind(t.is_named)
                        .push_bind(Json(&t.components))
                        .push_bind(now);
                });
                query.push(
                    " ON CONFLICT (bot_id, name, language) DO UPDATE SET meta_id = excluded.meta_id,
                        is_named = excluded.is_named, components = excluded.components, synced_at = excluded.synced_at");
                for column in ["category", "status", "reason", "quality"] {
                    query.push(", ").push(column).push(" = CASE WHEN message_templates.changed_at >= ");
                    query.push_bind(asked_at);
                    query.push(" THEN message_templates.").push(column).push(" ELSE excluded.").push(column).push(" END");
                }
                query.build().persistent(false).execute(c).await.map(|_| ())
            })?;
        }
        self.drop_other_templates(bot, templates).await?;
        if self.marketing_templates(bot).await? != marketing {
            self.bump_revision(bot).await?;
        }
        on!(self, c => sqlx::query(
            "INSERT INTO template_syncs (bot_id, waba_id, synced_at, tried_at, error) VALUES ($1, $2, $3, $3, NULL)
             ON CONFLICT (bot_id) DO UPDATE SET waba_id = excluded.waba_id, synced_at = excluded.synced_at,
                tried_at = excluded.tried_at, error = NULL")
            .bind(bot.0).bind(waba_id).bind(now).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// Deletes a bot's templates that are not among these.
    async fn drop_other_templates(&mut self, bot: BotId, kept: &[NewMessageTemplate]) -> Result<()> {
        let kept: HashSet<(&str, &str)> = kept.iter().map(|t| (t.name.as_str(), t.language.as_str())).collect();
        let rows: Vec<(i64, String, String)> = on!(self, c => sqlx::query_as(
            "SELECT id, name, language FROM message_templates WHERE bot_id = $1").bind(bot.0).fetch_all(c).await)?;
        let gone = rows.into_iter().filter(|(_, name, language)| !kept.contains(&(name.as_str(), language.as_str())));
        let gone: Vec<i64> = gone.map(|(id, ..)| id).collect();
        for part in gone.chunks(ROWS_MAX) {
            on!(self, c => {
                let mut query = QueryBuilder::new("DELETE FROM message_templates WHERE id IN (");
                let mut list = query.separated(", ");
                for id in part {
                    list.push_bind(id);
                }
                query.push(")").build().persistent(false).execute(c).await.map(|_| ())
            })?;
        }
        Ok(())
    }

    /// Takes note that fetching a bot's templates failed. What was fetched before stays, unless it was another account's.
    ///
    /// # Errors
    /// [`Error::Dangling`](crate::Error::Dangling) when the bot is gone.
    pub async fn note_template_failure(&mut self, bot: BotId, waba_id: &str, error: &str, now: Time) -> Result<()> {
        on!(self, c => sqlx::query(
            "INSERT INTO template_syncs (bot_id, waba_id, synced_at, tried_at, error) VALUES ($1, $2, NULL, $3, $4)
             ON CONFLICT (bot_id) DO UPDATE SET
                synced_at = CASE WHEN template_syncs.waba_id = excluded.waba_id THEN template_syncs.synced_at END,
                waba_id = excluded.waba_id, tried_at = excluded.tried_at, error = excluded.error")
            .bind(bot.0).bind(waba_id).bind(now).bind(error).execute(c).await.map(|_| ()))?;
        Ok(())
    }

    /// How fetching a bot's templates went; none when it never was tried.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn template_sync(&mut self, bot: BotId) -> Result<Option<TemplateSync>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT waba_id, synced_at, tried_at, error FROM template_syncs WHERE bot_id = $1")
            .bind(bot.0).fetch_optional(c).await)?)
    }

    /// A bot's templates by name and language.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn message_templates(
        &mut self,
        bot: BotId,
        filter: &MessageTemplateFilter,
        limit: i64,
        skip: i64,
    ) -> Result<Page<MessageTemplate>> {
        let filters = [
            (" AND name = ", &filter.name),
            (" AND language = ", &filter.language),
            (" AND status = ", &filter.status),
            (" AND category = ", &filter.category),
        ];
        let total: i64 = on!(self, c => {
            let mut query = QueryBuilder::new("SELECT COUNT(*) FROM message_templates WHERE bot_id = ");
            query.push_bind(bot.0);
            for (words, value) in filters {
                if let Some(value) = value {
                    query.push(words).push_bind(value);
                }
            }
            query.build_query_scalar().fetch_one(c).await
        })?;
        let items = on!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push(" WHERE bot_id = ").push_bind(bot.0);
            for (words, value) in filters {
                if let Some(value) = value {
                    query.push(words).push_bind(value);
                }
            }
            query.push(" ORDER BY name, language LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Page { items, total })
    }

    /// A bot's template, if it is known.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn message_template(
        &mut self,
        bot: BotId,
        name: &str,
        language: &str,
    ) -> Result<Option<MessageTemplate>> {
        Ok(on!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push(" WHERE bot_id = ").push_bind(bot.0).push(" AND name = ").push_bind(name);
            query.push(" AND language = ").push_bind(language);
            query.build_query_as().fetch_optional(c).await
        })?)
    }

    /// The languages in which a bot has a template of this name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn template_languages(&mut self, bot: BotId, name: &str) -> Result<Vec<String>> {
        Ok(on!(self, c => sqlx::query_scalar(
            "SELECT language FROM message_templates WHERE bot_id = $1 AND name = $2 ORDER BY language")
            .bind(bot.0).bind(name).fetch_all(c).await)?)
    }

    /// Changes a template of each of these bots. Answers whether all of them had it; the lists of those that had not are
    /// marked to be fetched again.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn change_message_template(
        &mut self,
        bots: &[BotId],
        key: &TemplateKey,
        change: &TemplateChange,
        now: Time,
    ) -> Result<bool> {
        let mut all = true;
        for bot in bots {
            let changed = on!(self, c => sqlx::query(
                "UPDATE message_templates SET status = COALESCE($3, status), quality = COALESCE($4, quality),
                    category = COALESCE($5, category), changed_at = $6,
                    reason = CASE WHEN $7 THEN $8 ELSE reason END
                 WHERE bot_id = $1 AND (meta_id = $2 OR (name = $9 AND language = $10))")
                .bind(bot.0).bind(&key.meta_id).bind(&change.status).bind(&change.quality).bind(&change.category).bind(now)
                .bind(change.status.is_some()).bind(&change.reason).bind(&key.name).bind(&key.language)
                .execute(c).await.map(|done| done.rows_affected()))?;
            if changed > 0 && change.category.is_some() {
                self.bump_revision(*bot).await?;
            }
            if changed == 0 {
                all = false;
                self.expire_templates(*bot).await?;
            }
        }
        Ok(all)
    }

    /// Marks a bot's templates as to be fetched again. Until then they count as they are.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn expire_templates(&mut self, bot: BotId) -> Result<()> {
        on!(self, c => sqlx::query("UPDATE template_syncs SET synced_at = NULL WHERE bot_id = $1")
            .bind(bot.0).execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
