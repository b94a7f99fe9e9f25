//! Notices that a newer program has changed the database so that this one must not work on it any more.

use std::time::Duration;

use storage::{Db, newest_schema};
use tokio_util::sync::CancellationToken;

/// How often it is looked. Until then statements that no longer fit fail, and nothing of their transactions is kept.
const LOOK_EVERY: Duration = Duration::from_secs(4);

/// Looks until told to stop. When it is so, takes on no more work by `stop`, and says so by `outdated`. An SQLite database
/// is this process's alone.
pub(crate) async fn watch(db: Db, stop: CancellationToken, outdated: CancellationToken) {
    if !db.is_shared() {
        return;
    }
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        match oldest_schema(&db).await {
            Ok(oldest) if oldest > newest_schema() => {
                tracing::error!(schema = oldest, "a newer chatboost has taken the database over; this one stops");
                outdated.cancel();
                stop.cancel();
                return;
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "cannot see whether the database still fits"),
        }
    }
}

async fn oldest_schema(db: &Db) -> storage::Result<i64> {
    let mut tx = db.read().await?;
    let oldest = tx.oldest_schema().await?;
    tx.commit().await?;
    Ok(oldest)
}
