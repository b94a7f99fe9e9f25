//! Fires schedule triggers.
//!
//! It sleeps until the earliest fire that is stored, or until it is nudged, and goes by the clock that it was given. A
//! crate that ticks (tokio-cron-scheduler) was looked at and left out: it wakes up twice a second to look, by the wall
//! clock, and keeps jobs in memory that every host would have to keep in step with the database, where `schedules` has
//! the same facts under a lock.
//!
//! A fire is begun at once, and then starts its audience in batches between the runner's other work: each batch puts an
//! item into the mailboxes of its contacts and moves the cursor, in one transaction. The flows start where all flows
//! start, in the runner's desk.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{Clock, ContactId, Missed, Schedule, Time, TriggerRule};
use engine::triggers::schedule::next_fire;
use storage::{Arrival, Db, DueSchedule, ItemKind, NewItem, Tx};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{
    host::Membership,
    pause::jittered,
    runner::{Payload, Runner},
};

/// Most contacts started in one transaction.
const BATCH: i64 = 200;
/// Contacts in work from which on no more are started by the clock: people who write go first.
const BUSY: usize = 1_000;
/// How long to wait for the runner to become less busy.
const BUSY_PAUSE: Duration = Duration::from_millis(100);
/// A fire that is later than this was missed.
const MISSED_AFTER: TimeDelta = TimeDelta::minutes(1);
/// Longest sleep of the only host of a database: nothing can come due that it does not know of.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Longest sleep of a host that shares its database: it may not have heard what another host said.
const SLEEP_MAX_SHARED: Duration = Duration::from_secs(5);
/// Pause after the database refused.
const PAUSE_TROUBLE: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Schedules {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    runner: Arc<Runner>,
    nudge: Notify,
}

/// What is left to do.
enum Left {
    /// Look again at once.
    More,
    /// A fire is under way, and the runner is busy.
    Busy,
    /// Nothing is due before this.
    Until(Option<Time>),
}

impl Schedules {
    pub(crate) fn new(
        db: &Db,
        clock: &Arc<dyn Clock>,
        membership: &Arc<Membership>,
        runner: &Arc<Runner>,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            db: db.clone(),
            clock: clock.clone(),
            membership: membership.clone(),
            runner: runner.clone(),
            nudge: Notify::new(),
        });
        let weak = Arc::downgrade(&this);
        clock.on_move(Arc::new(move || {
            if let Some(this) = weak.upgrade() {
                this.nudge();
            }
        }));
        this
    }

    /// Look now: a schedule has changed, or the time.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let cap = if self.db.is_shared() { jittered(SLEEP_MAX_SHARED) } else { SLEEP_MAX };
        loop {
            let nudged = self.nudge.notified();
            let sleep = match self.turn().await {
                Ok(Left::More) if !stop.is_cancelled() => continue,
                Ok(Left::More | Left::Busy) => BUSY_PAUSE,
                Ok(Left::Until(Some(at))) => self.clock.until(at, cap),
                Ok(Left::Until(None)) => cap,
                Err(error) => {
                    tracing::warn!(%error, "cannot look for schedules that are due");
                    PAUSE_TROUBLE
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = nudged => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    async fn turn(&self) -> storage::Result<Left> {
        let now = self.clock.now();
        let mut tx = self.db.read().await?;
        let next = tx.next_schedule_at().await?;
        tx.commit().await?;
        if next.is_none_or(|at| at > now) {
            return Ok(Left::Until(next));
        }
        if self.begin(now).await? {
            return Ok(Left::More);
        }
        if !self.runner.has_room() || self.runner.in_work() >= BUSY {
            return Ok(Left::Busy);
        }
        // What is due and cannot be had is in another host's hands.
        Ok(if self.batch(now).await? { Left::More } else { Left::Until(None) })
    }

    /// Begins one fire that is due, or decides that it does not take place.
    async fn begin(&self, now: Time) -> storage::Result<bool> {
        let mut tx = self.db.begin().await?;
        let Some(due) = tx.claim_schedule(false, now).await? else { return Ok(false) };
        match schedule(&due).filter(|schedule| takes_place(&due, schedule, now)) {
            Some(schedule) => {
                tx.ensure_contacts(due.trigger.bot_id, &schedule.contact_phones, now).await?;
                tx.move_schedule(due.trigger.id, now, ContactId(0)).await?;
            }
            None => {
                tracing::info!(trigger.id = %due.trigger.id, due_at = %due.due_at, "a schedule did not fire: switched off or missed");
                end(&mut tx, &due, now).await?;
            }
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Starts the next contacts of a fire under way.
    async fn batch(&self, now: Time) -> storage::Result<bool> {
        let mut tx = self.db.begin().await?;
        let Some(due) = tx.claim_schedule(true, now).await? else { return Ok(false) };
        let begun_at = due.begun_at.unwrap_or(now);
        let contacts = match schedule(&due).filter(|_| due.bot_is_active) {
            Some(schedule) => tx.audience(due.trigger.bot_id, schedule, due.cursor, BATCH).await?,
            None => Vec::new(),
        };
        match contacts.last() {
            Some(last) if i64::try_from(contacts.len()).is_ok_and(|count| count == BATCH) => {
                tx.move_schedule(due.trigger.id, begun_at, *last).await?;
            }
            _ => end(&mut tx, &due, begun_at).await?,
        }
        let payload = Payload::of_fire(due.trigger.id, due.due_at).stored();
        let items: Vec<NewItem> = contacts
            .iter()
            .map(|contact| NewItem {
                contact_id: *contact,
                kind: ItemKind::Schedule,
                message_id: None,
                execution_id: None,
                payload: payload.clone(),
            })
            .collect();
        tx.add_items(&items, now).await?;
        let bot_id = due.trigger.bot_id;
        let arrivals: Vec<Arrival> =
            contacts.iter().map(|contact| Arrival { contact_id: *contact, bot_id, count: 1, open: 0 }).collect();
        let host = self.membership.host();
        let owners = tx.note_arrivals(&arrivals, self.runner.claimant(), now).await?;
        tx.commit().await?;
        self.runner.see_to(host, owners);
        Ok(true)
    }
}

/// The schedule of a trigger that is switched on.
fn schedule(due: &DueSchedule) -> Option<&Schedule> {
    match &due.trigger.rule {
        TriggerRule::Schedule(schedule) if due.trigger.is_active => Some(schedule),
        _ => None,
    }
}

/// Whether a fire that is due takes place.
fn takes_place(due: &DueSchedule, schedule: &Schedule, now: Time) -> bool {
    due.bot_is_active && (schedule.missed == Missed::CatchUp || now - due.due_at <= MISSED_AFTER)
}

/// Ends a fire: the next one is the first after `since`, so that all that were missed until then count as one.
async fn end(tx: &mut Tx, due: &DueSchedule, since: Time) -> storage::Result<()> {
    let next = schedule(due).and_then(|schedule| next_fire(schedule, since));
    tx.set_schedule(due.trigger.id, next).await
}
