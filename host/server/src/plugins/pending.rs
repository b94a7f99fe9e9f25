//! Values that a webhook handler or a poller keeps. They are stored in the transaction that stores the events that it found,
//! so that a request that is repeated, or a look, changes them as little as it starts flows.

use domain::Time;
use storage::{Tx, ValueCheck, ValueCommit, ValueLimits, ValueWrite};

/// How often a call is made when others change the values that it depends on.
pub(crate) const ATTEMPTS: u32 = 8;

/// What a call wants kept.
#[derive(Debug)]
pub(crate) struct PendingValues {
    pub(super) checks: Vec<ValueCheck>,
    pub(super) writes: Vec<ValueWrite>,
    pub(super) limits: ValueLimits,
}

impl PendingValues {
    /// Those of a call that keeps nothing.
    pub(super) fn none() -> Self {
        Self { checks: Vec::new(), writes: Vec::new(), limits: ValueLimits { keys: 0, bytes: 0 } }
    }

    /// Whether there is nothing to store.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Stores them. `false`: others were faster, or it is too much; the transaction is to be given up and the call to be
    /// made again, which then sees what there is.
    ///
    /// # Errors
    /// When the plugin or the bot is gone, or the database refuses.
    pub(crate) async fn store(&self, tx: &mut Tx, now: Time) -> storage::Result<bool> {
        if self.is_empty() {
            return Ok(true);
        }
        match tx.change_values(&self.checks, &self.writes, self.limits, now).await {
            Ok(ValueCommit::Done) => Ok(true),
            Ok(ValueCommit::Conflict | ValueCommit::OverQuota(_)) | Err(storage::Error::Retry(_)) => Ok(false),
            Ok(ValueCommit::Gone) => Err(storage::Error::Dangling("the plugin or the bot".into())),
            Err(error) => Err(error),
        }
    }
}
