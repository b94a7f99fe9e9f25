//! Message templates: fetched from Meta, kept up to date, and consulted before a template is sent.
//!
//! A bot's list is fetched when somebody asks for it, and again in the background when it is used and older than
//! [`FRESH`], or when a webhook told of something that it does not know. One fetch per bot runs at a time; whoever wants
//! one meanwhile waits for the same. A bot that uses no templates costs nothing.

mod objection;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::TimeDelta;
use domain::{BotId, Clock, OutgoingMessage, Time};
use futures_util::{
    FutureExt,
    future::{BoxFuture, Shared},
};
use storage::{Bot, Db, MessageTemplate, NewMessageTemplate, TemplateChange, TemplateKey, TemplateSync, Tx};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use whatsapp::{
    client::{Client, SendError},
    templates::{self, Definition},
    webhook::{AccountUpdate, TemplateRef},
};

use crate::{credentials::Defaults, nul};

pub(crate) use objection::Objection;

/// How long a list is believed. Webhooks tell of changes before; this is for those that get lost.
const FRESH: TimeDelta = TimeDelta::hours(1);
/// How long the background leaves Meta alone after a fetch that failed.
const AFTER_FAILURE: TimeDelta = TimeDelta::minutes(5);
/// Most pages of a list, a bound on what a broken answer can keep us busy with. Meta allows 6,000 templates: 120 pages.
const PAGES_MAX: usize = 400;

/// Why a list could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum SyncError {
    /// The bot has no WhatsApp business account id or no access token.
    #[error("the bot has no WhatsApp business account id and access token, or WhatsApp is switched off for it")]
    NoAccount,
    /// Meta did not give it.
    #[error(transparent)]
    Meta(#[from] SendError),
    /// The list has no end.
    #[error("Meta's list of templates has no end")]
    Endless,
    /// The database refused.
    #[error("{0}")]
    Storage(Arc<storage::Error>),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

impl From<storage::Error> for SyncError {
    fn from(error: storage::Error) -> Self {
        Self::Storage(Arc::new(error))
    }
}

type Fetch = Shared<BoxFuture<'static, Result<(), SyncError>>>;

/// See the module.
pub(crate) struct Templates {
    db: Db,
    clock: Arc<dyn Clock>,
    client: Client,
    defaults: Defaults,
    /// Fetches under way.
    running: Mutex<HashMap<BotId, Fetch>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Templates {
    pub(crate) fn new(
        db: &Db,
        clock: &Arc<dyn Clock>,
        client: &Client,
        defaults: &Defaults,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self {
            db: db.clone(),
            clock: clock.clone(),
            client: client.clone(),
            defaults: defaults.clone(),
            running: Mutex::default(),
            tasks: tasks.clone(),
            stop: stop.clone(),
        })
    }

    /// How fetching the bot's list went, if that was the list of the account which the bot has now.
    pub(crate) async fn known(&self, tx: &mut Tx, bot: &Bot) -> storage::Result<Option<TemplateSync>> {
        let account = self.defaults.business_account(bot);
        Ok(tx.template_sync(bot.id).await?.filter(|sync| Some(&sync.waba_id) == account.as_ref()))
    }

    /// Whether a list should be fetched again.
    pub(crate) fn is_stale(&self, sync: Option<&TemplateSync>) -> bool {
        let fresh_since = self.clock.now() - FRESH;
        sync.and_then(|sync| sync.synced_at).is_none_or(|at| at < fresh_since)
    }

    /// Fetches the bot's list in the background, if it is stale and Meta did not refuse it a moment ago.
    pub(crate) fn freshen(self: &Arc<Self>, bot: &Bot, sync: Option<&TemplateSync>) {
        let now = self.clock.now();
        let failed = sync.is_some_and(|sync| sync.error.is_some() && sync.tried_at > now - AFTER_FAILURE);
        if self.is_stale(sync) && !failed {
            // It runs by itself; nobody waits for it.
            drop(self.refresh(bot));
        }
    }

    /// Fetches the bot's list, or waits for the fetch that is under way. It goes on if the waiting is given up.
    pub(crate) fn refresh(self: &Arc<Self>, bot: &Bot) -> Fetch {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(fetch) = running.get(&bot.id) {
            return fetch.clone();
        }
        let (templates, bot_id, row) = (self.clone(), bot.id, bot.clone());
        let work = self.tasks.spawn(async move {
            let result = tokio::select! {
                () = templates.stop.cancelled() => Err(SyncError::Stopping),
                result = templates.fetch(&row) => result,
            };
            templates.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&bot_id);
            result
        });
        let fetch = async move { work.await.unwrap_or(Err(SyncError::Stopping)) }.boxed().shared();
        running.insert(bot_id, fetch.clone());
        fetch
    }

    async fn fetch(&self, bot: &Bot) -> Result<(), SyncError> {
        let (Some(account), Some(credentials)) = (self.defaults.business_account(bot), self.defaults.of(bot)) else {
            return Err(SyncError::NoAccount);
        };
        let asked_at = self.clock.now();
        match self.ask(&account, credentials.access_token.reveal()).await {
            Ok(list) => {
                let mut tx = self.db.begin().await?;
                tx.replace_message_templates(bot.id, &account, &list, asked_at, self.clock.now()).await?;
                tx.commit().await?;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(bot.id = %bot.id, %error, "the bot's message templates cannot be fetched");
                let mut tx = self.db.begin().await?;
                let text = nul::without_in_text(&error.to_string());
                tx.note_template_failure(bot.id, &account, &text, self.clock.now()).await?;
                tx.commit().await?;
                Err(error)
            }
        }
    }

    /// The whole list of an account.
    async fn ask(&self, account: &str, token: &str) -> Result<Vec<NewMessageTemplate>, SyncError> {
        let mut list: HashMap<(String, String), NewMessageTemplate> = HashMap::new();
        let mut after: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let page = self.client.templates(account, token, after.as_deref()).await?;
            if page.odd > 0 {
                tracing::warn!(count = page.odd, "message templates that cannot be read");
            }
            for definition in page.templates {
                let row = row(definition);
                // A list that changes while it is read may hold one twice.
                list.insert((row.name.clone(), row.language.clone()), row);
            }
            match page.after {
                None => return Ok(list.into_values().collect()),
                next if next == after => return Err(SyncError::Endless),
                next => after = next,
            }
        }
        Err(SyncError::Endless)
    }

    /// Why a message of the bot's must not be sent: it is a template that Meta surely refuses, or does not fit its
    /// definition. Templates that are not known are for Meta to judge. `account` is the bot's business account.
    pub(crate) async fn objection(
        &self,
        tx: &mut Tx,
        bot: BotId,
        account: Option<&str>,
        message: &OutgoingMessage,
    ) -> storage::Result<Option<Objection>> {
        if message.kind != "template" {
            return Ok(None);
        }
        let sync = tx.template_sync(bot).await?.filter(|sync| Some(sync.waba_id.as_str()) == account);
        let text = |pointer: &str| message.content.pointer(pointer).and_then(serde_json::Value::as_str);
        let (Some(sync), Some(name), Some(language)) = (sync, text("/name"), text("/language/code")) else {
            return Ok(None);
        };
        if let Some(template) = tx.message_template(bot, name, language).await? {
            return Ok(Objection::to(&template, message));
        }
        let languages = tx.template_languages(bot, name).await?;
        let is_fresh = !self.is_stale(Some(&sync));
        Ok((is_fresh && !languages.is_empty()).then_some(Objection::Language { languages }))
    }

    /// [`Self::objection`] in a transaction of its own, for the outbox; looks after the list on the way.
    pub(crate) async fn objection_of(
        self: &Arc<Self>,
        bot: BotId,
        message: &OutgoingMessage,
    ) -> storage::Result<Option<Objection>> {
        if message.kind != "template" {
            return Ok(None);
        }
        let mut tx = self.db.read().await?;
        let rows = tx.bot_runtimes(&[bot]).await?;
        let Some(bot) = rows.first() else { return Ok(None) };
        let sync = self.known(&mut tx, bot).await?;
        let account = self.defaults.business_account(bot);
        let objection = self.objection(&mut tx, bot.id, account.as_deref(), message).await?;
        tx.commit().await?;
        if account.is_some() {
            self.freshen(bot, sync.as_ref());
        }
        Ok(objection)
    }

    /// The bot's business account.
    pub(crate) fn account(&self, bot: &Bot) -> Option<String> {
        self.defaults.business_account(bot)
    }
}

/// Marks a bot's list as old when a webhook of this field says that something has changed, and not to what.
pub(crate) async fn hear(tx: &mut Tx, bot: BotId, field: &str) -> storage::Result<()> {
    if field == "message_template_components_update" { tx.expire_templates(bot).await } else { Ok(()) }
}

/// Does what a webhook says of a bot's template, in the transaction that stores the event.
pub(crate) async fn absorb(tx: &mut Tx, bot: BotId, update: &AccountUpdate, now: Time) -> storage::Result<()> {
    let (template, change) = match update {
        AccountUpdate::TemplateStatus { template, event, reason } => {
            let Some(status) = templates::status_after(event) else { return tx.expire_templates(bot).await };
            let reason = reason.clone().filter(|reason| reason != "NONE");
            (template, TemplateChange { status: Some(status), reason, ..TemplateChange::default() })
        }
        AccountUpdate::TemplateQuality { template, score } => {
            (template, TemplateChange { quality: Some(score.to_ascii_uppercase()), ..TemplateChange::default() })
        }
        AccountUpdate::TemplateCategory { template, category } => {
            (template, TemplateChange { category: Some(category.to_ascii_uppercase()), ..TemplateChange::default() })
        }
        _ => return Ok(()),
    };
    tx.change_message_template(&[bot], &key(template), &change, now).await.map(drop)
}

fn key(template: &TemplateRef) -> TemplateKey {
    let TemplateRef { id, name, language } = template.clone();
    TemplateKey { meta_id: id, name, language }
}

fn row(definition: Definition) -> NewMessageTemplate {
    let Definition { id, name, language, category, status, reason, quality, is_named, components } = definition;
    let clean = |text: String| nul::without_in_text(&text);
    NewMessageTemplate {
        meta_id: clean(id),
        name: clean(name),
        language: clean(language),
        category: clean(category),
        status: clean(status),
        reason: reason.map(clean),
        quality: quality.map(clean),
        is_named,
        components: nul::without(components),
    }
}

/// A stored template as `whatsapp` reads it.
fn definition(template: &MessageTemplate) -> Definition {
    let template = template.clone();
    Definition {
        id: template.meta_id,
        name: template.name,
        language: template.language,
        category: template.category,
        status: template.status,
        reason: template.reason,
        quality: template.quality,
        is_named: template.is_named,
        components: template.components,
    }
}
