//! The background: files are fetched as they come, and removed when their time is over.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{BotId, MessageId, Time};
use futures_util::StreamExt;
use storage::PendingMedia;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{FetchError, FileRef, Key, Media, Store, StoreError};

/// Files fetched at a time.
const FETCHES_MAX: usize = 4;
/// How long one is left alone with a file before it counts as dead; longer than any fetch may take.
const CLAIM: TimeDelta = TimeDelta::minutes(15);
/// First pause before a file is tried again; it grows fourfold with each further one.
const BACKOFF_MIN: TimeDelta = TimeDelta::seconds(10);
/// Longest such pause.
const BACKOFF_MAX: TimeDelta = TimeDelta::hours(12);
/// Tries before a file is given up. By then its week at Meta is over.
const ATTEMPTS_MAX: i64 = 20;
/// How often it is looked for files to be removed.
const PURGE_EVERY: TimeDelta = TimeDelta::hours(1);
/// Files removed at once.
const PURGE_BATCH: i64 = 100;
/// Of these, so many at a time.
const PURGE_PARALLEL: usize = 8;
/// Longest sleep.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Pause after the database refused.
const PAUSE_TROUBLE: Duration = Duration::from_secs(2);

impl Media {
    /// Fetches and removes, until told to stop. What is under way then is given back, and taken up by the next start; after
    /// a crash it is once its claim has run out.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let Some(store) = self.store.clone() else { return };
        let mut fetches = JoinSet::new();
        let mut purge_at = self.clock.now();
        loop {
            let changed = self.changed.notified();
            let sleep = match self.round(&store, &mut fetches, &mut purge_at, &stop).await {
                Ok(next) => self.clock.until(next, SLEEP_MAX),
                Err(error) => {
                    tracing::warn!(%error, "the database refused media work; trying again");
                    PAUSE_TROUBLE
                }
            };
            tokio::select! {
                () = stop.cancelled() => {
                    while fetches.join_next().await.is_some() {}
                    return;
                }
                () = changed => {}
                () = tokio::time::sleep(sleep) => {}
                Some(_done) = fetches.join_next() => {}
            }
        }
    }

    /// Begins what is due, and says when to look again.
    async fn round(
        self: &Arc<Self>,
        store: &Store,
        fetches: &mut JoinSet<()>,
        purge_at: &mut Time,
        stop: &CancellationToken,
    ) -> storage::Result<Time> {
        let now = self.clock.now();
        while fetches.try_join_next().is_some() {}
        let room = FETCHES_MAX.saturating_sub(fetches.len());
        let mut next = *purge_at;
        let mut tx = self.db.read().await?;
        let due = tx.next_media_at().await?;
        tx.commit().await?;
        if room > 0 && due.is_some_and(|due| due <= now) {
            let mut tx = self.db.begin().await?;
            let claimed = tx.claim_media(i64::try_from(room).unwrap_or(1), now, now + CLAIM).await?;
            tx.commit().await?;
            for media in claimed {
                let (this, store, stop) = (self.clone(), store.clone(), stop.clone());
                fetches.spawn(async move {
                    let id = media.message_id;
                    tokio::select! {
                        () = stop.cancelled() => this.note_failure(id, "the server was stopped", Some(this.clock.now())).await,
                        () = this.keep(&store, media) => {}
                    }
                });
            }
            let mut tx = self.db.read().await?;
            next = next.min(tx.next_media_at().await?.unwrap_or(next));
            tx.commit().await?;
        } else if let Some(due) = due.filter(|due| *due > now) {
            next = next.min(due);
        }
        if now >= *purge_at {
            let more = self.purge(store, now).await?;
            *purge_at = if more { now } else { now + PURGE_EVERY };
            next = next.min(*purge_at);
        }
        // With all hands busy, the end of a fetch is what to wait for.
        Ok(if fetches.len() >= FETCHES_MAX { next.max(now + TimeDelta::seconds(1)) } else { next })
    }

    /// Fetches one file and keeps it.
    async fn keep(&self, store: &Store, media: PendingMedia) {
        let id = media.message_id;
        let Err(error) = self.try_keep(store, &media).await else { return };
        let may_pass = if let StoreError::Fetch(error) = &error { error.may_pass() } else { true };
        let error = error.to_string();
        let fourfolds = u32::try_from(media.attempts.clamp(1, 8) - 1).unwrap_or(0);
        let pause = (BACKOFF_MIN * 4_i32.pow(fourfolds)).min(BACKOFF_MAX);
        let again_at = (may_pass && media.attempts < ATTEMPTS_MAX).then(|| self.clock.now() + pause);
        tracing::warn!(message.id = %id, %error, attempt = media.attempts, again = again_at.is_some(), "a file cannot be kept");
        self.note_failure(id, &error, again_at).await;
    }

    /// Stores that a file was not kept, and when it is due again.
    async fn note_failure(&self, id: MessageId, error: &str, again_at: Option<Time>) {
        let noted = async {
            let mut tx = self.db.begin().await?;
            tx.media_failed(id, &crate::nul::without_in_text(error), again_at).await?;
            tx.commit().await
        };
        if let Err(error) = noted.await {
            // Its claim runs out, and then it is tried again.
            tracing::warn!(message.id = %id, %error, "what became of a file cannot be stored");
        }
    }

    async fn try_keep(&self, store: &Store, media: &PendingMedia) -> Result<(), StoreError> {
        let mut tx = self.db.read().await?;
        let bots = tx.bot_runtimes(&[media.bot_id]).await?;
        tx.commit().await?;
        let bot = bots.first().ok_or(FetchError::NoCredentials)?;
        let file = FileRef { media_id: media.media_id.clone(), sha256: media.sha256.clone() };
        let fetched = self.fetch(bot, &file).await?;
        let mime_type = fetched.mime_type().map(crate::nul::without_in_text);
        let key = Key { bot: media.bot_id, message: media.message_id };
        let size = store.put(&key, fetched).await?;
        let mut tx = self.db.begin().await?;
        let size = i64::try_from(size).unwrap_or(i64::MAX);
        let is_noted = tx.media_is_stored(media.message_id, mime_type.as_deref(), size).await?;
        tx.commit().await?;
        if !is_noted {
            // The contact was deleted meanwhile, and the file's row with it.
            store.delete(&key).await?;
        }
        Ok(())
    }

    /// Removes a batch of files whose time or contact is over. Answers whether there may be more.
    async fn purge(&self, store: &Store, now: Time) -> storage::Result<bool> {
        let mut tx = self.db.begin().await?;
        let mut over = tx.orphaned_media(PURGE_BATCH).await?;
        if let Some(since) = self.kept_since(now) {
            over.extend(tx.media_before(since, PURGE_BATCH).await?);
        }
        tx.commit().await?;
        over.sort_unstable();
        over.dedup();
        if over.is_empty() {
            return Ok(false);
        }
        let removed: Vec<MessageId> = futures_util::stream::iter(over)
            .map(|(message, bot)| remove(store, message, bot))
            .buffer_unordered(PURGE_PARALLEL)
            .filter_map(std::future::ready)
            .collect()
            .await;
        let mut tx = self.db.begin().await?;
        tx.forget_media(&removed).await?;
        tx.commit().await?;
        tracing::info!(count = removed.len(), "files removed");
        // A store that refuses is asked again the next time.
        Ok(!removed.is_empty())
    }
}

/// Removes a file; its message's id when it is gone.
async fn remove(store: &Store, message: MessageId, bot: BotId) -> Option<MessageId> {
    match store.delete(&Key { bot, message }).await {
        Ok(()) => Some(message),
        Err(error) => {
            tracing::warn!(message.id = %message, %error, "a file cannot be removed");
            None
        }
    }
}
