//! Lets pollers look: triggers of plugins that find what is new by themselves.
//!
//! It sleeps until the earliest look that is stored, or until it is nudged, and goes by the clock that it was given. A look
//! is claimed, made outside of any transaction, and ended in the transaction that stores what it found, together with its
//! cursor: a crash repeats at most the look, and never an event.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{
    BotId, BotInfo, Clock, PluginRule, Time, TriggerRule,
    plugin::{FailureKind, PluginFailure, PluginFault, TriggerKind},
};
use engine::Limits;
use storage::{Db, DuePoller, Looked};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::{
    findings::{Findings, Source},
    host::Membership,
    nul,
    pause::jittered,
    plugins::{ATTEMPTS, Finding, PendingValues, PluginError, Plugins, PollCall, TriggerCall},
    runner::{Runner, surroundings, told},
    secrets::random_text,
    work::failure,
};

/// Most looks of this host at once.
const LOOKS_MAX: usize = 16;
/// Longest time for a look.
const LOOK_TIME: Duration = Duration::from_secs(60);
/// How long a claim stands; longer than a look takes.
const CLAIMED: TimeDelta = TimeDelta::minutes(3);
/// Longest pause after failures; it doubles from the trigger's interval up to this.
const PAUSE_MAX: TimeDelta = TimeDelta::hours(6);
/// Seconds between two looks where a trigger does not say.
const INTERVAL_SECONDS: u32 = 300;
/// Most bytes of a cursor, written as JSON.
const CURSOR_BYTES_MAX: usize = 64 * 1024;
/// Longest sleep of the only host of a database: nothing can come due that it does not know of.
const SLEEP_MAX: Duration = Duration::from_secs(60);
/// Longest sleep of a host that shares its database: it may not have heard what another host said.
const SLEEP_MAX_SHARED: Duration = Duration::from_secs(5);
/// Pause after the database refused.
const PAUSE_TROUBLE: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) struct Pollers {
    db: Db,
    clock: Arc<dyn Clock>,
    membership: Arc<Membership>,
    runner: Arc<Runner>,
    plugins: Arc<Plugins>,
    interval_min: TimeDelta,
    looks: Arc<Semaphore>,
    nudge: Notify,
}

impl Pollers {
    pub(crate) fn new(
        db: &Db,
        clock: &Arc<dyn Clock>,
        membership: &Arc<Membership>,
        runner: &Arc<Runner>,
        plugins: &Arc<Plugins>,
        poll_seconds_min: u32,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            db: db.clone(),
            clock: clock.clone(),
            membership: membership.clone(),
            runner: runner.clone(),
            plugins: plugins.clone(),
            interval_min: TimeDelta::seconds(poll_seconds_min.into()),
            looks: Arc::new(Semaphore::new(LOOKS_MAX)),
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

    /// Look now: a poller has changed, or the time.
    pub(crate) fn nudge(&self) {
        self.nudge.notify_one();
    }

    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let cap = if self.db.is_shared() { jittered(SLEEP_MAX_SHARED) } else { SLEEP_MAX };
        loop {
            let nudged = self.nudge.notified();
            let sleep = match self.turn(&stop).await {
                Ok(true) if !stop.is_cancelled() => continue,
                Ok(_) => match self.next().await {
                    Ok(Some(at)) => self.clock.until(at, cap),
                    Ok(None) => cap,
                    Err(_) => PAUSE_TROUBLE,
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot look for pollers that are due");
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

    async fn next(&self) -> storage::Result<Option<Time>> {
        let mut tx = self.db.read().await?;
        let next = tx.next_poll_at().await?;
        tx.commit().await?;
        Ok(next)
    }

    /// Claims one poller that is due and lets it look, beside others. Whether there may be more.
    async fn turn(self: &Arc<Self>, stop: &CancellationToken) -> storage::Result<bool> {
        let now = self.clock.now();
        if self.next().await?.is_none_or(|at| at > now) {
            return Ok(false);
        }
        let slot = tokio::select! {
            () = stop.cancelled() => return Ok(false),
            slot = self.looks.clone().acquire_owned() => slot,
        };
        let Ok(slot) = slot else { return Ok(false) };
        let claim = random_text().map_err(|error| storage::Error::Shared(error.to_string()))?;
        let mut tx = self.db.begin().await?;
        let due = tx.claim_poller(now, &claim, now + CLAIMED).await?;
        tx.commit().await?;
        let Some(due) = due else { return Ok(false) };
        let (this, stop) = (self.clone(), stop.clone());
        tokio::spawn(async move {
            let _slot = slot;
            let look = async {
                if let Err(error) = this.look(due, &claim).await {
                    // The claim runs out, and then somebody looks again.
                    tracing::warn!(%error, "a look of a poller could not be stored");
                }
                this.nudge();
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = look => {}
            }
        });
        Ok(true)
    }

    async fn look(&self, due: DuePoller, claim: &str) -> storage::Result<()> {
        let rule = match &due.trigger.rule {
            TriggerRule::Plugin(rule) if rule.kind == TriggerKind::Poller => rule.clone(),
            // It is none any more; the row goes with the next save.
            _ => return self.end(&due, claim, Looked { next_at: self.clock.now() + PAUSE_MAX, ..kept(&due) }).await,
        };
        let interval =
            TimeDelta::seconds(rule.interval_seconds.unwrap_or(INTERVAL_SECONDS).into()).max(self.interval_min);
        let bot = self.bot(due.trigger.bot_id).await?;
        let Some(bot) = bot.filter(|_| due.bot_is_active) else {
            return self.end(&due, claim, Looked { next_at: self.clock.now() + interval, ..kept(&due) }).await;
        };
        for _ in 0..ATTEMPTS {
            let found = self.ask(&due, &rule, &bot).await;
            let checked = found.and_then(|(found, values)| Ok((self.checked(found)?, values)));
            let ((findings, cursor, next), values) = match checked {
                Ok(checked) => checked,
                Err(failed) => return self.failed(&due, claim, interval, failed).await,
            };
            let pause = next.map_or(interval, |next| next.max(self.interval_min));
            let looked = Looked { next_at: self.clock.now() + pause, cursor, failures: 0 };
            if self.keep(&due, claim, looked, findings, &values).await? {
                return Ok(());
            }
        }
        let reason = format!("others changed the plugin's values {ATTEMPTS} times while it worked on them");
        self.failed(&due, claim, interval, (reason, None)).await
    }

    /// Notes why a look failed, and looks again later, with the same cursor.
    async fn failed(&self, due: &DuePoller, claim: &str, interval: TimeDelta, failed: Failed) -> storage::Result<()> {
        let (reason, after) = failed;
        tracing::warn!(trigger.id = %due.trigger.id, reason, "a poller failed");
        let doubled = interval * 2_i32.pow(u32::try_from(due.failures.clamp(0, 10)).unwrap_or(10));
        let pause = after.unwrap_or(doubled.min(PAUSE_MAX.max(interval))).max(self.interval_min);
        let looked =
            Looked { next_at: self.clock.now() + pause, cursor: due.cursor.clone(), failures: due.failures + 1 };
        let mut tx = self.db.begin().await?;
        if tx.end_look(due.trigger.id, claim, &looked).await? {
            tx.add_tally(&failure(&due.trigger, reason, self.clock.now())).await?;
        }
        tx.commit().await
    }

    async fn bot(&self, id: BotId) -> storage::Result<Option<BotInfo>> {
        let mut tx = self.db.read().await?;
        let bot = tx.bot_runtimes(&[id]).await?.into_iter().next();
        tx.commit().await?;
        Ok(bot.map(|bot| bot.info()))
    }

    /// The error is a sentence for the trigger's log, and when to look again if the plugin says so.
    async fn ask(&self, due: &DuePoller, rule: &PluginRule, bot: &BotInfo) -> Result<(Finding, PendingValues), Failed> {
        let call = PollCall {
            trigger: TriggerCall {
                plugin: rule.plugin.clone(),
                trigger_type: rule.trigger_type.clone(),
                config: rule.config.clone(),
                context: surroundings(bot, None, None, self.clock.now()),
                contact: None,
                // The same when a look is repeated whose end was not stored.
                idempotency_key: format!("poll-{}-{}", due.trigger.id, due.due_at.timestamp_micros()),
            },
            cursor: due.cursor.clone(),
        };
        let made = tokio::time::timeout(LOOK_TIME, self.plugins.poll(due.trigger.bot_id, call)).await;
        let error = match made {
            Ok(Ok(found)) => return Ok(found),
            Ok(Err(error)) => error,
            Err(_) => PluginError::Failure(PluginFailure {
                kind: FailureKind::TimedOut,
                message: format!("no answer within {} s", LOOK_TIME.as_secs()),
                detail: None,
            }),
        };
        let after = match &error {
            PluginError::Fault(PluginFault::Retryable { retry_after_ms: Some(ms), .. }) => {
                Some(milliseconds(*ms).min(PAUSE_MAX))
            }
            _ => None,
        };
        Err((told(&error), after))
    }

    fn checked(&self, found: Finding) -> Result<(Findings, Option<serde_json::Value>, Option<TimeDelta>), Failed> {
        let unusable = |reason: String| (format!("what it returned cannot be used: {reason}"), None);
        let findings = Findings::check(found.events, &Limits::default()).map_err(unusable)?;
        let cursor = found.cursor.map(nul::without).filter(|cursor| !cursor.is_null());
        if cursor.as_ref().is_some_and(|cursor| cursor.to_string().len() > CURSOR_BYTES_MAX) {
            return Err(unusable(format!("its cursor has more than {CURSOR_BYTES_MAX} bytes")));
        }
        let next = found.next_in_ms.map(|ms| milliseconds(ms).min(TimeDelta::days(30)));
        Ok((findings, cursor, next))
    }

    async fn end(&self, due: &DuePoller, claim: &str, looked: Looked) -> storage::Result<()> {
        let mut tx = self.db.begin().await?;
        tx.end_look(due.trigger.id, claim, &looked).await?;
        tx.commit().await
    }

    /// Stores what was found, what the plugin keeps, the cursor and the time of the next look, unless somebody else has the
    /// claim by now. `false`: others have changed the values meanwhile; nothing is stored.
    async fn keep(
        &self,
        due: &DuePoller,
        claim: &str,
        looked: Looked,
        findings: Findings,
        values: &PendingValues,
    ) -> storage::Result<bool> {
        let (host, now) = (self.membership.host(), self.clock.now());
        let claimant = self.runner.claimant();
        let mut tx = self.db.begin().await?;
        if !tx.end_look(due.trigger.id, claim, &looked).await? {
            return Ok(true);
        }
        let source = Source { bot: due.trigger.bot_id, trigger: due.trigger.id, why: "its poller found it" };
        let stored = findings.store(&mut tx, source, claimant, now).await?;
        if !values.store(&mut tx, now).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        tx.commit().await?;
        self.runner.see_to(host, stored.owners);
        Ok(true)
    }
}

/// Why a look failed, and when to look again if the plugin says so.
type Failed = (String, Option<TimeDelta>);

fn kept(due: &DuePoller) -> Looked {
    Looked { next_at: due.due_at, cursor: due.cursor.clone(), failures: due.failures }
}

fn milliseconds(ms: u64) -> TimeDelta {
    TimeDelta::milliseconds(i64::try_from(ms.min(1 << 40)).unwrap_or(i64::MAX))
}
