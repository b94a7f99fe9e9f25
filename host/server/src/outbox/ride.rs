//! Rounds that ride along in the transaction of somebody else.
//!
//! SQLite has one writer, and each commit waits for the disk. Whoever takes messages in commits all the time when there is
//! much to do, so outcomes of sends go along with that, and the committer commits only when nothing is coming in.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use storage::Tx;
use tokio::sync::{MutexGuard, Notify};

use super::{
    Outbox,
    committer::{Parking, Round, Written},
};

/// Somebody who has something to commit. Until it is dropped the committer leaves what is due to the rides.
pub(crate) struct Coming<'a> {
    rides: &'a AtomicUsize,
    changed: &'a Notify,
}

impl Drop for Coming<'_> {
    fn drop(&mut self) {
        if self.rides.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.changed.notify_one();
        }
    }
}

/// A transaction of one's own in which what is due may go along. Dropped before it is [committed](Ride::committed), it leaves
/// what it took to the committer.
pub(crate) struct Ride<'a> {
    outbox: &'a Arc<Outbox>,
    /// Before `round`, so that it is given up first.
    written: Option<Written<'a>>,
    round: Option<MutexGuard<'a, Round>>,
    is_committed: bool,
}

impl Outbox {
    /// Says that a ride is coming, which must begin soon. None where the outbox commits for itself: on a server, which
    /// commits several transactions side by side, and where locks are taken in another order.
    pub(crate) fn coming(&self) -> Option<Coming<'_>> {
        if self.db.is_shared() {
            return None;
        }
        self.rides.fetch_add(1, Ordering::AcqRel);
        Some(Coming { rides: &self.rides, changed: &self.changed })
    }

    /// Whether somebody is about to let what is due ride along. Nobody waits for those who fail.
    pub(super) fn awaits_ride(&self) -> bool {
        self.rides.load(Ordering::Acquire) > 0 && !self.rides_fail.load(Ordering::Acquire)
    }

    /// Begins a ride. None as with [`coming`](Self::coming).
    pub(crate) fn ride<'a>(self: &'a Arc<Self>) -> Option<Ride<'a>> {
        if self.db.is_shared() {
            return None;
        }
        Some(Ride { outbox: self, written: None, round: None, is_committed: false })
    }
}

impl Ride<'_> {
    /// Writes what is due, as the last thing in the transaction, if nobody else is about to store outcomes.
    ///
    /// # Errors
    /// When the database refuses. Then the transaction is to be given up.
    pub(crate) async fn write(&mut self, tx: &mut Tx) -> storage::Result<()> {
        // Not waited for: whoever has it may be waiting for this transaction to end.
        let Ok(mut round) = self.outbox.round.try_lock() else { return Ok(()) };
        // What is left of a try that failed may be at fault, and must not keep others from being stored.
        if !round.is_empty() {
            return Ok(());
        }
        *round = self.outbox.next_round();
        let round = self.round.insert(round);
        if !round.is_empty() {
            self.written = Some(self.outbox.write(tx, round, Parking::OfKnown).await?);
        }
        Ok(())
    }

    /// Sets off what follows.
    pub(crate) fn committed(mut self) {
        self.is_committed = true;
        self.outbox.rides_fail.store(false, Ordering::Release);
        let (Some(written), Some(mut round)) = (self.written.take(), self.round.take()) else { return };
        self.outbox.apply(std::mem::take(&mut *round), written);
        let (mut state, now) = self.outbox.at_present();
        // The committer sleeps until the earliest time that it knew of.
        if state.next_due(now).is_some() {
            self.outbox.changed.notify_one();
        }
    }
}

impl Drop for Ride<'_> {
    fn drop(&mut self) {
        if !self.is_committed {
            self.written = None;
            self.outbox.rides_fail.store(true, Ordering::Release);
            self.outbox.changed.notify_one();
        }
    }
}
