//! Events that requests to triggers bring, on their way into mailboxes.

use domain::{ContactId, HostId};
use storage::{Decision, Tally, TriggerRow, Tx};

use super::Work;
use crate::{
    findings::{Fate, Findings, Source},
    plugins::PendingValues,
};

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
        let (claimant, source) = self.source(trigger, why);
        let mut tx = self.db.begin().await?;
        let stored = findings.store(&mut tx, source, claimant, self.clock.now()).await?;
        self.commit(tx, stored.owners).await?;
        Ok(stored.fates)
    }

    /// Stores what a plugin made of a request: its events and what it keeps, in one transaction. Where the trigger has seen
    /// all of the events before, the request is a repetition and nothing is kept. `false`: others have changed the values
    /// meanwhile; the plugin is to be called again. Durable when it returns.
    ///
    /// # Errors
    /// When the database refuses, or the plugin or the bot is gone.
    pub(crate) async fn take_handling(
        &self,
        trigger: &TriggerRow,
        findings: Findings,
        values: &PendingValues,
    ) -> storage::Result<bool> {
        if findings.is_empty() && values.is_empty() {
            return Ok(true);
        }
        let (claimant, source) = self.source(trigger, "a request came in");
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let stored = findings.store(&mut tx, source, claimant, now).await?;
        let is_repeated = !stored.fates.is_empty() && stored.fates.iter().all(|fate| *fate == Fate::Duplicate);
        if !is_repeated && !values.store(&mut tx, now).await? {
            tx.rollback().await?;
            return Ok(false);
        }
        self.commit(tx, stored.owners).await?;
        Ok(true)
    }

    /// Who takes on mailboxes that nobody owns, and whose events they are.
    fn source<'a>(&self, trigger: &TriggerRow, why: &'a str) -> (Option<HostId>, Source<'a>) {
        (self.runner.claimant(), Source { bot: trigger.bot_id, trigger: trigger.id, why })
    }

    /// Commits events, and sees that somebody looks at the mailboxes; also if whoever asked goes away meanwhile.
    async fn commit(&self, tx: Tx, owners: Vec<(ContactId, Option<HostId>)>) -> storage::Result<()> {
        let (runner, host) = (self.runner.clone(), self.membership.host());
        let done = tokio::spawn(async move {
            tx.commit().await?;
            runner.see_to(host, owners);
            Ok(())
        });
        done.await.unwrap_or(Err(storage::Error::Stopping))
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
