//! What this host does when another one tells it something.

use std::sync::Arc;

use crate::{
    host::Membership,
    media::Media,
    outbox::Outbox,
    pollers::Pollers,
    runner::{Cache, Runner},
    schedules::Schedules,
    signals::{Heard, Signal},
};

/// Everybody whom a signal may concern.
pub(super) struct Ears {
    pub(super) membership: Arc<Membership>,
    pub(super) runner: Arc<Runner>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) cache: Arc<Cache>,
    pub(super) schedules: Arc<Schedules>,
    pub(super) pollers: Arc<Pollers>,
    pub(super) media: Arc<Media>,
}

impl Ears {
    pub(super) fn hear(&self, heard: Heard) {
        match heard {
            Heard::Gap => {
                self.cache.forget_all();
                self.runner.look_again();
                self.schedules.nudge();
                self.pollers.nudge();
                self.media.look_here();
                self.membership.hosts_changed();
            }
            Heard::Signal(signal) => self.heed(signal),
        }
    }

    fn heed(&self, signal: Signal) {
        match signal {
            Signal::Mail { contacts, .. } if contacts.is_empty() => self.runner.look_again(),
            Signal::Mail { contacts, .. } => self.runner.wake(contacts),
            Signal::Free(_) => self.runner.look_here(),
            Signal::Schedules => {
                self.schedules.nudge();
                self.pollers.nudge();
            }
            Signal::Files => self.media.look_here(),
            Signal::Mended(bot) => self.runner.heard_mended(bot),
            Signal::Throughput(number) => self.outbox.ask_throughput_again(&number),
            Signal::Pause { of, milliseconds, too_fast } => self.outbox.heard_pause(of, milliseconds, too_fast),
            Signal::Hosts => self.membership.hosts_changed(),
        }
    }
}
