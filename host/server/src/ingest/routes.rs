//! Which bot a phone number id belongs to, and which secret signs its webhooks.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::BotId;
use storage::{Bot, Db};

use crate::{config::SecretText, credentials::Defaults};

/// How long an answer of the database is believed. A secret that was replaced is looked up again at once, because the
/// old one no longer fits.
const FRESH: Duration = Duration::from_secs(1);
/// Answers kept before the old ones are dropped.
const ROUTES_MAX: usize = 20_000;

/// Where updates of a phone number id go.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) bot_id: BotId,
    /// The bot's own app secret, or the environment's.
    pub(crate) app_secret: Option<SecretText>,
}

/// See the module.
pub(crate) struct Routes {
    db: Db,
    defaults: Defaults,
    known: Mutex<HashMap<String, (Instant, Route)>>,
}

impl Routes {
    pub(crate) fn new(db: Db, defaults: Defaults) -> Self {
        Self { db, defaults, known: Mutex::default() }
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
        let route = bot.map(|bot: Bot| Route { bot_id: bot.id, app_secret: self.defaults.app_secret(&bot) });
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
}
