//! Removing what is older than the operator wants it kept, a little at a time, so that nothing else has to wait for it.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{Clock, Time};
use storage::{Aging, Db};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{config::RetentionConfig, metrics};

/// How often it is looked for what has become too old.
const EVERY: TimeDelta = TimeDelta::hours(1);
/// Longest sleep.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Pause between two transactions, in which others have the database for themselves.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause after the database refused.
const PAUSE_TROUBLE: Duration = Duration::from_secs(5);
/// How long answers to requests with an `Idempotency-Key` are kept at most: twice as long as they count.
const REQUESTS_DAYS: u32 = 2;

/// See the module.
pub(crate) struct Retention {
    db: Db,
    clock: Arc<dyn Clock>,
    rules: Vec<(Aging, u32)>,
    moved: Notify,
}

impl Retention {
    pub(crate) fn new(db: &Db, clock: &Arc<dyn Clock>, config: &RetentionConfig) -> Arc<Self> {
        let days = |what| match what {
            Aging::Messages => config.messages_days,
            Aging::Steps => config.steps_days,
            Aging::Executions => config.executions_days,
            Aging::TriggerLogs => config.trigger_logs_days,
            Aging::AccountEvents => config.account_events_days,
            Aging::PluginLogs => config.plugin_logs_days,
            Aging::Requests => Some(REQUESTS_DAYS),
        };
        let rules = Aging::ALL.into_iter().filter_map(|what| Some((what, days(what)?))).collect();
        let this = Arc::new(Self { db: db.clone(), clock: clock.clone(), rules, moved: Notify::new() });
        let weak = Arc::downgrade(&this);
        clock.on_move(Arc::new(move || {
            if let Some(this) = weak.upgrade() {
                this.moved.notify_one();
            }
        }));
        this
    }

    /// Removes what there is to remove, every hour, until told to stop.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut next = self.clock.now();
        loop {
            let moved = self.moved.notified();
            let now = self.clock.now();
            if now >= next {
                next = now + EVERY;
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = self.round(now) => {}
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = moved => {}
                () = tokio::time::sleep(self.clock.until(next, SLEEP_MAX)) => {}
            }
        }
    }

    /// Removes all that is too old by now. Being interrupted between two transactions does no harm.
    async fn round(&self, now: Time) {
        for (what, days) in &self.rules {
            let removed = self.remove(*what, now - TimeDelta::days(i64::from(*days))).await;
            if removed > 0 {
                tracing::info!(table = what.table(), rows = removed, "removed what was too old");
            }
        }
    }

    /// Removes what is older. Answers how many rows that were.
    async fn remove(&self, what: Aging, before: Time) -> u64 {
        let (mut after, mut removed) = ((0, 0), 0);
        loop {
            let pause = match self.stride(what, after, before).await {
                Ok(Some(stride)) => {
                    removed += stride.removed;
                    metrics::add_purged(what, stride.removed);
                    let Some(next) = stride.next else { return removed };
                    after = next;
                    PAUSE
                }
                // Another host is at it.
                Ok(None) => return removed,
                Err(error) => {
                    tracing::warn!(%error, table = what.table(), "cannot remove what is too old; trying again");
                    PAUSE_TROUBLE
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn stride(&self, what: Aging, after: (i64, i64), before: Time) -> storage::Result<Option<storage::Stride>> {
        let mut tx = self.db.begin().await?;
        let stride = tx.purge(what, after, before).await?;
        tx.commit().await?;
        Ok(stride)
    }
}
