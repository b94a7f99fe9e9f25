//! Removing what deleted bots leave behind, bit by bit, so that nothing else has to wait for it.

use std::{sync::Arc, time::Duration};

use storage::Db;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Contacts, with their messages and executions, removed in one transaction.
const CONTACTS: i64 = 100;
/// Pause between two transactions, in which others have the database for themselves.
const PAUSE: Duration = Duration::from_millis(20);
/// Pause after the database refused.
const PAUSE_TROUBLE: Duration = Duration::from_secs(5);

/// See the module. Bots that were deleted before a restart are taken up at the next start.
#[derive(Debug, Default)]
pub(crate) struct Graves {
    deleted: Notify,
}

impl Graves {
    /// A bot was deleted.
    pub(crate) fn look(&self) {
        self.deleted.notify_one();
    }

    /// Removes what there is to remove, until told to stop.
    pub(crate) async fn run(self: Arc<Self>, db: Db, stop: CancellationToken) {
        loop {
            let pause = match dig(&db).await {
                Ok(true) => PAUSE,
                Ok(false) => {
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = self.deleted.notified() => continue,
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot remove what a deleted bot left behind; trying again");
                    PAUSE_TROUBLE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// Removes one part. `false` when there was nothing.
async fn dig(db: &Db) -> storage::Result<bool> {
    let mut tx = db.read().await?;
    let bot = tx.deleted_bot().await?;
    tx.commit().await?;
    let Some(bot) = bot else { return Ok(false) };
    let mut tx = db.begin().await?;
    if tx.purge_bot(bot, CONTACTS).await? {
        tracing::info!(bot.id = %bot, "a deleted bot is removed");
    }
    tx.commit().await?;
    Ok(true)
}
