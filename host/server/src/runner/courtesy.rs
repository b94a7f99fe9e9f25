//! Showing contacts that their message was read and that an answer is being typed. Nothing waits for it and nothing
//! depends on it: what fails is counted and forgotten.

use std::{sync::Arc, time::Duration};

use domain::BotId;
use engine::Courtesy;
use storage::{Db, Stops};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use whatsapp::client::Client;

use super::{BotRuntime, Cache};
use crate::metrics;

/// Most requests in flight; beyond that nothing is shown.
const REQUESTS_MAX: usize = 64;
/// How long one may take. What is shown much later is of no use.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Courtesies {
    db: Db,
    cache: Arc<Cache>,
    client: Client,
    requests: Arc<Semaphore>,
    stop: CancellationToken,
}

impl Courtesies {
    pub(crate) fn new(db: Db, cache: Arc<Cache>, client: Client, stop: CancellationToken) -> Arc<Self> {
        Arc::new(Self { db, cache, client, requests: Arc::new(Semaphore::new(REQUESTS_MAX)), stop })
    }

    /// Shows a contact what its messages are to be shown. The newest one stands for those before it.
    pub(super) fn show(self: &Arc<Self>, bot: Option<&BotRuntime>, courtesies: &[Courtesy]) {
        let Some(message) = courtesies.iter().map(|courtesy| courtesy.message).max() else { return };
        // While nothing of the bot would arrive, this would not either.
        let Some(bot) = bot.filter(|bot| bot.health.stops != Stops::All) else { return };
        let courtesy = Courtesy { message, typing: courtesies.iter().any(|courtesy| courtesy.typing) };
        let Ok(slot) = self.requests.clone().try_acquire_owned() else {
            metrics::count(metrics::COURTESIES_FAILED);
            return;
        };
        let (this, bot) = (self.clone(), bot.info.id);
        tokio::spawn(async move {
            let shown = tokio::select! {
                () = this.stop.cancelled() => return,
                shown = tokio::time::timeout(PATIENCE, this.request(bot, courtesy)) => shown.unwrap_or(Some(false)),
            };
            drop(slot);
            match shown {
                Some(true) => metrics::count(metrics::COURTESIES),
                Some(false) => metrics::count(metrics::COURTESIES_FAILED),
                None => {}
            }
        });
    }

    /// Whether Meta took it; none when there is nothing to show, as with messages given by API.
    async fn request(&self, bot: BotId, courtesy: Courtesy) -> Option<bool> {
        let found = async {
            let key = self.db.read().await?.inbound_key(courtesy.message).await?;
            Ok::<_, storage::Error>((key, self.cache.credentials(&self.db, bot, false).await?))
        };
        let (key, credentials) = match found.await {
            Ok((key, credentials)) => (key?, credentials?),
            Err(error) => {
                tracing::debug!(message.id = %courtesy.message, %error, "a message could not be marked as read");
                return Some(false);
            }
        };
        let token = credentials.access_token.reveal();
        let marked = self.client.mark_read(&key.0, token, &key.1, courtesy.typing).await;
        if let Err(error) = &marked {
            tracing::debug!(message.id = %courtesy.message, %error, "a message could not be marked as read");
        }
        Some(marked.is_ok())
    }
}
