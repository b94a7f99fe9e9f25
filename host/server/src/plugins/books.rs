//! Storing what calls used and logged, and removing what is needed no more.

use std::{sync::Arc, time::Duration};

use tokio_util::sync::CancellationToken;

use super::Plugins;

/// How long usage and log lines wait for others to be stored with.
const FLUSH_AFTER: Duration = Duration::from_secs(1);
/// Newest lines of the log that are kept of each plugin and bot.
const LINES_KEPT: i64 = 1_000;
/// How long the outcome of a call that changed values is kept for a repetition.
const OUTCOMES_KEPT: chrono::TimeDelta = chrono::TimeDelta::days(1);
/// Expired values, and old outcomes, that are removed in one transaction.
const PURGED_AT_ONCE: i64 = 500;

impl Plugins {
    /// Stores usage and log lines a moment after they came, and removes what has expired, until told to stop.
    pub(crate) async fn keep(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.ledger.written.notified() => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(FLUSH_AFTER) => {}
            }
            if let Err(error) = self.flush().await {
                tracing::warn!(%error, "usage and logs of plugins are not stored yet");
                self.ledger.written.notify_one();
            }
            if let Err(error) = self.purge().await {
                tracing::warn!(%error, "what plugins need no more is not removed yet");
            }
        }
        self.close().await;
    }

    /// Stores what is left.
    pub(crate) async fn close(&self) {
        if let Err(error) = self.flush().await {
            tracing::warn!(%error, "usage and logs of plugins are lost");
        }
    }

    /// Removes values that have expired and outcomes that nobody asks for any more, bit by bit.
    async fn purge(&self) -> storage::Result<()> {
        loop {
            let mut tx = self.db.begin().await?;
            let removed = tx.purge_values(OUTCOMES_KEPT, PURGED_AT_ONCE, self.clock.now()).await?;
            tx.commit().await?;
            if removed < PURGED_AT_ONCE.unsigned_abs() {
                return Ok(());
            }
        }
    }

    /// Stores what calls used and logged so far.
    ///
    /// # Errors
    /// When the database refuses; then it is stored with the next.
    pub async fn flush(&self) -> storage::Result<()> {
        let entries = self.ledger.take();
        if entries.is_empty() {
            return Ok(());
        }
        let write = async || {
            let mut tx = self.db.begin().await?;
            tx.append_plugin_logs(&entries.lines, LINES_KEPT).await?;
            tx.add_plugin_usage(&entries.usage).await?;
            tx.commit().await
        };
        let done = write().await;
        if done.is_err() {
            self.ledger.put_back(entries);
        }
        done
    }
}
