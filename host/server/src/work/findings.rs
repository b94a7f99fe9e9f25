//! Events that requests to triggers bring, on their way into mailboxes.

use domain::{ContactId, HostId};
use storage::{Decision, Tally, TriggerRow};

use super::Work;
use crate::findings::{Fate, Findings, Source};

impl Work {
    /// Stores events of a trigger and sees that somebody looks at them. Durable when it returns.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn take_findings(
        &self,
        trigger: &TriggerRow,
        findings: Findings,
        why: &str,
    ) -> storage::Result<Vec<Fate>> {
        let claimant = self.runner.has_room().then(|| self.membership.host());
        let source = Source { bot: trigger.bot_id, trigger: trigger.id, why };
        let mut tx = self.db.begin().await?;
        let stored = findings.store(&mut tx, source, claimant, self.clock.now()).await?;
        let (runner, host) = (self.runner.clone(), self.membership.host());
        let owners = stored.owners;
        // Also if whoever asked goes away meanwhile.
        let done = tokio::spawn(async move {
            tx.commit().await?;
            wake(&runner, host, &owners);
            Ok(())
        });
        done.await.unwrap_or(Err(storage::Error::Stopping))?;
        Ok(stored.fates)
    }

    /// Notes in a trigger's log that it could not do its work.
    ///
    /// # Errors
    /// When the database refuses.
    pub(crate) async fn note_failure(&self, trigger: &TriggerRow, reason: String) -> storage::Result<()> {
        let mut tx = self.db.begin().await?;
        tx.add_tally(&failure(trigger, reason, self.clock.now())).await?;
        tx.commit().await
    }
}

/// The failure of a trigger, for its log.
pub(crate) fn failure(trigger: &TriggerRow, reason: String, at: domain::Time) -> Tally {
    let mut tally = Tally::default();
    tally.failed_to_say(Decision {
        bot_id: trigger.bot_id,
        trigger_id: trigger.id,
        flow_id: trigger.flow_id,
        contact_id: None,
        execution_id: None,
        message_id: None,
        reason,
        at,
    });
    tally
}

/// Sees that somebody looks at mailboxes with these owners.
pub(crate) fn wake(runner: &crate::runner::Runner, host: HostId, owners: &[(ContactId, Option<HostId>)]) {
    runner.wake(owners.iter().filter(|(_, owner)| *owner == Some(host)).map(|(contact, _)| *contact));
    if owners.iter().any(|(_, owner)| owner.is_none()) {
        runner.look();
    }
}
