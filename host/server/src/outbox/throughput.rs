//! How fast Meta lets a number send: asked of Meta once a day and kept in the database.

use std::sync::Arc;

use chrono::TimeDelta;
use domain::Time;
use storage::Unsent;

use super::Outbox;
use crate::credentials::Credentials;

/// How often Meta is asked.
const ASK_EVERY: TimeDelta = TimeDelta::hours(24);
/// How many times the usual throughput a number of the level `HIGH` has: 1000 messages a second instead of 80 (Meta,
/// throughput).
const HIGH: f64 = 12.5;

impl Outbox {
    /// A message went out from a number: if it is not known how fast that is, Meta is asked in the background.
    pub(super) fn learn_throughput(self: &Arc<Self>, message: &Unsent, credentials: &Credentials) {
        if self.settings.messages_per_second == 0 {
            return;
        }
        let (now, number) = (self.clock.now(), message.phone_number_id.clone());
        {
            let mut state = self.state();
            if state.asked.get(&number).is_some_and(|asked| now < *asked + ASK_EVERY) {
                return;
            }
            state.asked.insert(number.clone(), now);
        }
        let (outbox, token) = (self.clone(), credentials.access_token.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = outbox.stop.cancelled() => {}
                learned = outbox.throughput(&number, token.reveal(), now) => match learned {
                    Ok(level) => outbox.state().pace.set_grade(&number, grade(&level), now),
                    Err(error) => tracing::info!(phone_number_id = %number, error, "the number's throughput is not known"),
                },
            }
        });
    }

    async fn throughput(&self, number: &str, token: &str, now: Time) -> Result<String, String> {
        let stored = self.db.read().await.map_err(|e| e.to_string())?.throughput(number).await;
        if let Ok(Some((level, asked))) = stored
            && now < asked + ASK_EVERY
        {
            return Ok(level);
        }
        let info = self.client.number(number, token).await.map_err(|e| e.to_string())?;
        let level = info.throughput.map(|throughput| throughput.level).ok_or("Meta does not say")?;
        let mut tx = self.db.begin().await.map_err(|e| e.to_string())?;
        tx.set_throughput(number, &level, now).await.map_err(|e| e.to_string())?;
        tx.commit().await.map_err(|e| e.to_string())?;
        Ok(level)
    }

    /// Meta says that a number's throughput has changed.
    pub(crate) async fn throughput_changed(&self, number: &str) -> storage::Result<()> {
        self.state().asked.remove(number);
        let mut tx = self.db.begin().await?;
        tx.forget_throughput(number).await?;
        tx.commit().await
    }
}

fn grade(level: &str) -> f64 {
    if level == "HIGH" { HIGH } else { 1.0 }
}
