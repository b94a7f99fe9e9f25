//! Which bot a phone number id belongs to, and which secret signs its webhooks.

use std::{
    collections::HashMap,
    num::NonZeroUsize,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use domain::{BotId, Clock};
use lru::LruCache;
use storage::{Bot, Db, NumberFacts};
use tokio::time::Instant;

use super::Wishes;
use crate::{config::SecretText, credentials::Defaults};

/// How long an answer of the database is believed. A secret that was replaced is looked up again at once, because the
/// old one no longer fits.
const FRESH: Duration = Duration::from_secs(1);
/// Answers kept before the old ones are dropped.
const ROUTES_MAX: usize = 20_000;
/// Numbers whose facts are remembered, so that they are not written again with each webhook.
const NOTED_MAX: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

/// Where updates of a phone number id go.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) bot_id: BotId,
    /// The bot's own app secret, or the environment's.
    pub(crate) app_secret: Option<SecretText>,
    /// What its contacts may say to get nothing more.
    pub(crate) wishes: Arc<Wishes>,
}

/// See the module.
pub(crate) struct Routes {
    db: Db,
    defaults: Defaults,
    known: Mutex<HashMap<String, (Instant, Route)>>,
    clock: Arc<dyn Clock>,
    /// The environment's account, which is that of bots without one of their own.
    waba_id: Option<String>,
    /// What is stored of numbers, as far as this process has seen it.
    noted: Mutex<LruCache<String, NumberFacts>>,
}

impl Routes {
    pub(crate) fn new(db: Db, clock: Arc<dyn Clock>, defaults: Defaults, waba_id: Option<String>) -> Self {
        let noted = Mutex::new(LruCache::new(NOTED_MAX));
        Self { db, defaults, known: Mutex::default(), clock, waba_id, noted }
    }

    /// The environment's app secret.
    pub(crate) fn global_secret(&self) -> Option<&SecretText> {
        self.defaults.app_secret.as_ref()
    }

    /// The route of a phone number id. That a number is unknown is never remembered: its bot may be made any moment.
    pub(crate) async fn find(&self, phone_number_id: &str, fresh: bool) -> storage::Result<Option<Route>> {
        if !fresh
            && let Some((at, route)) = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(phone_number_id)
            && at.elapsed() < FRESH
        {
            return Ok(Some(route.clone()));
        }
        let mut tx = self.db.read().await?;
        let mut bot = tx.bot_by_phone_number(phone_number_id).await?;
        if bot.is_none() && self.defaults.phone_number_id.as_deref() == Some(phone_number_id) {
            bot = tx.default_bot().await?;
        }
        tx.commit().await?;
        let route = bot.map(|bot| self.route(&bot));
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match &route {
            Some(route) => {
                if known.len() >= ROUTES_MAX {
                    known.retain(|_, (at, _)| at.elapsed() < FRESH);
                }
                known.insert(phone_number_id.to_owned(), (Instant::now(), route.clone()));
            }
            None => {
                known.remove(phone_number_id);
            }
        }
        Ok(route)
    }

    fn route(&self, bot: &Bot) -> Route {
        let can_send = self.defaults.of(bot).is_some();
        let wishes = Arc::new(Wishes::of(bot, can_send));
        Route { bot_id: bot.id, app_secret: self.defaults.app_secret(bot), wishes }
    }

    /// The routes of all bots that an update of an account may concern, each with whether the number that the update
    /// names is its own.
    pub(crate) async fn of_account(
        &self,
        waba_id: &str,
        display_phone_number: Option<&str>,
    ) -> storage::Result<Vec<(Route, bool)>> {
        let mut tx = self.db.read().await?;
        let mut bots = tx.bots_of_account(waba_id).await?;
        if bots.is_empty() && self.waba_id.as_deref() == Some(waba_id) {
            bots.extend(tx.default_bot().await?);
        }
        let numbers = if display_phone_number.is_some() { tx.numbers_of_account(waba_id).await? } else { Vec::new() };
        tx.commit().await?;
        let is_named = |bot: &Bot| {
            numbers.iter().any(|number| {
                number.display_phone_number.as_deref() == display_phone_number
                    && bot.whatsapp_phone_number_id.as_ref() == Some(&number.phone_number_id)
            })
        };
        let route = |bot: Bot| (self.route(&bot), is_named(&bot));
        Ok(bots.into_iter().map(route).collect())
    }

    /// Remembers what an update of a bot's number tells of it, for updates that name the number in another way.
    pub(crate) async fn note(&self, facts: NumberFacts) -> storage::Result<()> {
        let is_known = {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            noted.get(&facts.phone_number_id).is_some_and(|known| *known == facts)
        };
        if is_known || (facts.waba_id.is_none() && facts.display_phone_number.is_none()) {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        tx.note_number(&facts, self.clock.now()).await?;
        tx.commit().await?;
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).put(facts.phone_number_id.clone(), facts);
        Ok(())
    }
}
