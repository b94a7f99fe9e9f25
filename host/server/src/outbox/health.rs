//! Storing what was found out about bots' health, and letting go of what waited for it.

use chrono::TimeDelta;
use domain::{BotId, Time};
use storage::Stops;
use whatsapp::errors;

use super::Outbox;
use crate::{metrics, signals::Signal};

/// How often a bot that is not well tries one message.
pub(super) const PROBE_EVERY: TimeDelta = TimeDelta::minutes(10);
/// After how long a message that waits for its bot to get well is looked at again, should nobody have told it.
pub(super) const RECHECK_HELD: TimeDelta = TimeDelta::hours(1);

/// Something that was found out about a bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HealthChange {
    /// It is not well.
    Ill { bot: BotId, status: &'static str, stops: Stops, code: Option<i64>, detail: Option<String> },
    /// Meta took a message of the kind that waited.
    Well { bot: BotId },
    /// What waited for it was released. What was parked at that very moment was not seen.
    Mended { bot: BotId },
    /// The message that was to try its luck is settled and told nothing: another one is to try.
    Probe { bot: BotId, at: Time },
}

impl Outbox {
    /// Stores what was found out. What the database refuses is tried again. `false` when it refused.
    pub(super) async fn store_health(&self) -> bool {
        let changes = std::mem::take(&mut self.state().health);
        let mut changes = changes.into_iter();
        while let Some(change) = changes.next() {
            if let Err(error) = self.store_change(&change).await {
                tracing::warn!(%error, "a bot's health cannot be stored; trying again");
                self.state().health.splice(0..0, std::iter::once(change).chain(changes));
                return false;
            }
        }
        true
    }

    async fn store_change(&self, change: &HealthChange) -> storage::Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        match change {
            HealthChange::Ill { bot, status, stops, code, detail } => {
                let revision = tx.set_health(*bot, status, *stops, *code, detail.as_deref(), now).await?;
                tx.commit().await?;
                self.state().gates.stored(*bot, revision);
            }
            HealthChange::Well { bot } => {
                let revision = tx.clear_health(*bot).await?;
                let revision = match revision {
                    None => tx.revisions(&[*bot]).await?.first().map(|(_, revision)| *revision),
                    known => known,
                };
                tx.lift_holds(*bot, &errors::codes_of_bots()).await?;
                let released = tx.release_held(*bot, now, i64::MAX).await?;
                tx.commit().await?;
                self.state().gates.stored(*bot, revision);
                self.look(released);
                // Others may have parked messages at this very moment, which nobody has seen.
                self.signals.send(Signal::Mended(*bot));
                tracing::info!(bot.id = %bot, "Meta takes the bot's messages again");
            }
            HealthChange::Mended { bot } => {
                let released = tx.release_held(*bot, now, i64::MAX).await?;
                tx.commit().await?;
                self.look(released);
            }
            HealthChange::Probe { bot, at } => {
                let released = tx.release_held(*bot, *at, 1).await?;
                tx.commit().await?;
                self.look(released);
            }
        }
        Ok(())
    }

    /// A bot is not well: its other messages wait. The one that found out tries again at the time returned.
    pub(super) fn fall_ill(
        &self,
        bot: BotId,
        status: &'static str,
        stops: Stops,
        code: Option<i64>,
        detail: Option<String>,
    ) -> Time {
        let probe_at = self.clock.now() + PROBE_EVERY;
        let mut state = self.state();
        if state.gates.halt(bot, stops, probe_at) {
            metrics::count(metrics::BOT_ILL);
            tracing::error!(bot.id = %bot, status, code, detail, "Meta does not take the bot's messages; they wait");
        }
        // Of the many that find out at once, one is enough.
        state.health.retain(|known| !matches!(known, HealthChange::Ill { bot: other, .. } if *other == bot));
        state.health.push(HealthChange::Ill { bot, status, stops, code, detail });
        probe_at
    }
}
