//! The revision of everything about plugins, as this process knows it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use storage::Db;

/// For how long what was read holds where other hosts may change it.
const HOLDS: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Revision {
    is_shared: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Changes that this process made: what was read before one does not hold after it.
    changes: u64,
    read: Option<(i64, Instant)>,
}

impl Revision {
    pub(super) fn new(db: &Db) -> Self {
        Self { is_shared: db.is_shared(), known: Mutex::default() }
    }

    /// This process has changed something.
    pub(super) fn changed(&self) {
        let mut known = self.lock();
        known.changes += 1;
        known.read = None;
    }

    /// The present revision; on a database that other hosts share, half a second old at most.
    pub(super) async fn now(&self, db: &Db) -> storage::Result<i64> {
        let changes = {
            let known = self.lock();
            if let Some((revision, read)) = known.read
                && (!self.is_shared || read.elapsed() < HOLDS)
            {
                return Ok(revision);
            }
            known.changes
        };
        let read = Instant::now();
        let mut tx = db.read().await?;
        let revision = tx.plugin_revision().await?;
        tx.commit().await?;
        let mut known = self.lock();
        if known.changes == changes {
            known.read = Some((revision, read));
        }
        Ok(revision)
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
