//! Rates and pauses that several hosts share: asking the database for turns, and telling the others what Meta said.

use std::{collections::BTreeMap, sync::Arc};

use chrono::TimeDelta;

use super::{Outbox, gates::Key, share::Wanted};
use crate::{
    pause::Pause,
    signals::{Shared, Signal},
};

/// How much of a number's time that nobody used may be used later.
const UNUSED: TimeDelta = TimeDelta::milliseconds(100);

impl Outbox {
    /// So many hosts send, this one included.
    pub(crate) fn share_with(&self, hosts: usize) {
        self.state().pace.set_hosts(hosts);
        self.changed.notify_one();
    }

    /// With how many hosts this one shares the rates of numbers, itself included.
    pub(crate) fn hosts(&self) -> usize {
        self.state().pace.hosts()
    }

    /// Asks for turns whenever messages wait for one, until told to stop.
    pub(super) async fn take_turns(self: Arc<Self>) {
        let mut pause = Pause::default();
        loop {
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = self.wanting.notified() => {}
            }
            match self.ask_for_turns().await {
                Ok(()) => pause.reset(),
                Err(error) => {
                    tracing::warn!(%error, "cannot ask for a part of a number's rate; trying again");
                    tokio::select! {
                        () = self.stop.cancelled() => return,
                        () = pause.wait() => self.wanting.notify_one(),
                    }
                }
            }
        }
    }

    async fn ask_for_turns(&self) -> storage::Result<()> {
        let wanted: BTreeMap<String, Wanted> = {
            let (mut state, now) = self.at_present();
            state.wanted(now)
        };
        if wanted.is_empty() {
            return Ok(());
        }
        let time = |wanted: &Wanted| wanted.time.num_microseconds().unwrap_or(i64::MAX);
        let parts = wanted.iter().map(|(number, wanted)| (number.clone(), time(wanted))).collect();
        let mut tx = self.db.begin().await?;
        let there = tx.lease_clock(self.clock.now()).await?;
        // Turns are told by the database's clock; here they go by this host's.
        let here = self.clock.now();
        let turns = tx.take_turns(&parts, there - UNUSED).await?;
        tx.commit().await?;
        let (mut state, now) = self.at_present();
        // Later, unless the clock was set back meanwhile.
        let here = here.min(now);
        for ((number, wanted), from) in wanted.into_iter().zip(turns) {
            state.pace.grant(&number, wanted, here + (from - there), now);
        }
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// Tells other hosts of a pause, if it concerns them: a contact is one host's alone.
    pub(super) fn tell_pause(&self, key: &Key, pause: TimeDelta, too_fast: bool) {
        let of = match key {
            Key::App(app) => Shared::App(*app),
            Key::Account(account) => Shared::Account(account.clone()),
            Key::Number(number) => Shared::Number(number.clone()),
            Key::Contact(_) => return,
        };
        self.signals.send(Signal::Pause { of, milliseconds: pause.num_milliseconds(), too_fast });
    }

    /// Another host was told to pause.
    pub(crate) fn heard_pause(&self, of: Shared, milliseconds: i64, too_fast: bool) {
        let key = match of {
            Shared::App(app) => Key::App(app),
            Shared::Account(account) => Key::Account(account),
            Shared::Number(number) => Key::Number(number),
        };
        let (mut state, now) = self.at_present();
        if let Key::Number(number) = &key
            && too_fast
        {
            state.pace.slow_down_once(number, now);
        }
        state.gates.hold(key, now + TimeDelta::milliseconds(milliseconds.clamp(0, 3_600_000)));
    }

    /// Another host heard that a number's throughput has changed.
    pub(crate) fn ask_throughput_again(&self, number: &str) {
        self.state().asked.remove(number);
    }
}
