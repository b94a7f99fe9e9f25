//! Wakes contacts whose time has come, and claims mailboxes that nobody owns.
//!
//! It sleeps until the earliest time that it knows of, or until it is nudged; it does not poll. Where many come due one after
//! the other, it takes those of a moment together. Several hosts on one
//! PostgreSQL nudge each other; they also look every few seconds, in case a nudge was lost with a connection or a host.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use domain::{ContactId, Time};
use tokio::{sync::Notify, time::Instant};

use super::{LANES_MAX, PAUSE_MAX, Runner};
use crate::pause::jittered;

/// Most mailboxes claimed at once.
const CLAIM_MAX: usize = 256;
/// How long the next look waits after the beginning of a claim that took all that were due. Those who come due meanwhile
/// share it, and the transactions that follow from it. Whoever comes due when nobody did just before waits for nobody.
const GATHERING: Duration = Duration::from_millis(25);
/// Longest sleep of the only host of a database: nothing can come due that it does not know of.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Longest sleep of a host that shares its database: it may not have heard what another host said.
const SLEEP_MAX_SHARED: Duration = Duration::from_secs(5);

#[derive(Default)]
struct State {
    /// Timers of contacts whose mailbox this host keeps meanwhile, because messages are still to be sent.
    owned: BTreeSet<(Time, ContactId)>,
    /// The one entry that each contact has in `owned`.
    owned_at: HashMap<ContactId, Time>,
    /// When the next parked mailbox wants an owner, as far as known.
    next_parked: Option<Time>,
    /// Whether this host may not have been told of something.
    in_doubt: bool,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Timekeeper {
    state: Mutex<State>,
    nudge: Notify,
}

impl Timekeeper {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Look now.
    pub(crate) fn nudge(&self) {
        self.state().next_parked = None;
        self.nudge.notify_one();
    }

    /// Look now, also at what this host owns: it may not have been told of something.
    pub(super) fn overlooked(&self) {
        self.state().in_doubt = true;
        self.nudge();
    }

    /// A contact wants to be woken at a time. `owned`: its mailbox stays with this host until then.
    pub(super) fn set(&self, contact: ContactId, at: Time, owned: bool) {
        let mut state = self.state();
        if let Some(before) = state.owned_at.remove(&contact) {
            state.owned.remove(&(before, contact));
        }
        let earliest = if owned {
            state.owned.insert((at, contact));
            state.owned_at.insert(contact, at);
            state.owned.first().is_some_and(|first| first.1 == contact)
        } else if state.next_parked.is_none_or(|next| at < next) {
            state.next_parked = Some(at);
            true
        } else {
            false
        };
        drop(state);
        if earliest {
            self.nudge.notify_one();
        }
    }

    /// A contact's mailbox does not stay with this host.
    pub(super) fn disown(&self, contact: ContactId) {
        let mut state = self.state();
        if let Some(at) = state.owned_at.remove(&contact) {
            state.owned.remove(&(at, contact));
        }
        drop(state);
        self.nudge();
    }

    fn take_due(&self, now: Time) -> Vec<ContactId> {
        let mut state = self.state();
        let later = state.owned.split_off(&(now, ContactId(i64::MAX)));
        let due = std::mem::replace(&mut state.owned, later);
        for (_, contact) in &due {
            state.owned_at.remove(contact);
        }
        due.into_iter().map(|(_, contact)| contact).collect()
    }
}

pub(super) async fn run(runner: &Arc<Runner>) {
    let cap = if runner.db.is_shared() { jittered(SLEEP_MAX_SHARED) } else { SLEEP_MAX };
    let mut looked = Instant::now();
    let mut gathering = Gathering::default();
    loop {
        let keeper = &runner.timekeeper;
        let nudged = keeper.nudge.notified();
        let due = keeper.take_due(runner.clock.now());
        runner.lanes.wake(due);
        if std::mem::take(&mut keeper.state().in_doubt) || looked.elapsed() >= cap {
            looked = Instant::now();
            if let Err(error) = overlooked(runner).await {
                tracing::warn!(%error, "cannot look for what this host was not told of");
                keeper.state().in_doubt = true;
            }
        }
        let claimed = claim(runner, &mut gathering).await;
        let first_owned = keeper.state().owned.first().map(|(at, _)| *at);
        let until = |at: Option<Time>| at.map_or(cap, |at| runner.clock.until(at, cap));
        let sleep = match claimed {
            Ok(Claimed::More) => continue,
            Ok(Claimed::Soon(at)) => until(first_owned).min(at.saturating_duration_since(Instant::now())),
            Ok(Claimed::Full) => PAUSE_MAX,
            Ok(Claimed::Until(next)) => until([next, first_owned].into_iter().flatten().min()),
            Err(error) => {
                tracing::warn!(%error, "cannot look for mailboxes that are due");
                PAUSE_MAX
            }
        };
        tokio::select! {
            () = runner.stop.cancelled() => return,
            () = nudged => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
}

/// Looks for mailboxes of this host with something left to do that it was not told of: another host took in a message,
/// or a request ended between its commit and the wake-up.
async fn overlooked(runner: &Runner) -> storage::Result<()> {
    let mut tx = runner.db.read().await?;
    let busy = tx.busy_mailboxes(runner.membership.host()).await?;
    tx.commit().await?;
    let left = busy.into_iter().filter(|(contact, unhandled)| *unhandled || !runner.outbox.has(*contact));
    runner.lanes.wake(left.map(|(contact, _)| contact));
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Claimed {
    /// There may be more at once.
    More,
    /// The next look waits until then, so that there is more to be found.
    Soon(Instant),
    /// This host has enough to do.
    Full,
    /// Nothing is due before this.
    Until(Option<Time>),
}

/// Until when the next look waits.
#[derive(Default)]
struct Gathering {
    until: Option<Instant>,
}

impl Gathering {
    fn waits(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// What follows from a claim that began at a time and found so many, of at most `limit`.
    fn claimed(&mut self, began: Instant, count: usize, limit: usize) -> Claimed {
        self.until = None;
        if count == 0 {
            // Rows that are due but could not be claimed are locked by a host that is claiming them.
            Claimed::Until(None)
        } else if count >= limit {
            Claimed::More
        } else {
            Claimed::Soon(*self.until.insert(began + GATHERING))
        }
    }
}

async fn claim(runner: &Runner, gathering: &mut Gathering) -> storage::Result<Claimed> {
    // One that may have been declared dead claims for nobody.
    let Some(host) = runner.claimant() else { return Ok(Claimed::Full) };
    let began = Instant::now();
    if let Some(at) = gathering.waits(began) {
        return Ok(Claimed::Soon(at));
    }
    let now = runner.clock.now();
    // Forgotten before the look, so that whatever is parked from here on is earlier and nudges.
    runner.timekeeper.state().next_parked = None;
    let mut tx = runner.db.read().await?;
    let next = tx.next_ready_at().await?;
    tx.commit().await?;
    if next.is_none_or(|at| at > now) {
        let mut state = runner.timekeeper.state();
        state.next_parked = state.next_parked.into_iter().chain(next).min();
        return Ok(Claimed::Until(next));
    }
    let room = LANES_MAX.saturating_sub(runner.lanes.len());
    let limit = CLAIM_MAX.min(room).max(1);
    let mut tx = runner.db.begin().await?;
    let claimed = tx.claim_mailboxes(host, now, i64::try_from(limit).unwrap_or(i64::MAX)).await?;
    tx.commit().await?;
    let count = claimed.len();
    runner.lanes.wake(claimed);
    Ok(gathering.claimed(began, count, limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_due_soon_after_others_shares_a_claim() {
        let mut gathering = Gathering::default();
        let began = Instant::now();
        let after = |ms| began + Duration::from_millis(ms);
        assert_eq!(gathering.waits(began), None, "the first one waits for nobody");
        assert_eq!(gathering.claimed(began, 1, 256), Claimed::Soon(after(25)));
        for (now, waits) in [(0, Some(25)), (24, Some(25)), (25, None), (1_000, None)] {
            assert_eq!(gathering.waits(after(now)), waits.map(after), "after {now} ms");
        }
    }

    #[test]
    fn nobody_waits_after_a_claim_that_left_some_or_found_none() {
        let mut gathering = Gathering::default();
        let began = Instant::now();
        for (count, expected) in [(256, Claimed::More), (0, Claimed::Until(None))] {
            assert_eq!(gathering.claimed(began, 1, 256), Claimed::Soon(began + GATHERING));
            assert_eq!(gathering.claimed(began, count, 256), expected);
            assert_eq!(gathering.waits(began), None);
        }
    }
}
