//! Keeping what is stored of when a trigger fires in step with the trigger.

use domain::{Time, TriggerRule};
use engine::triggers::schedule::next_fire;
use storage::{TriggerRow, Tx};

use crate::http::problem::Result;

/// Sets when a trigger fires next that was just saved, reckoned from now. One that was not rescheduled keeps what it
/// has, also fires that are overdue.
pub(super) async fn keep(tx: &mut Tx, before: Option<&TriggerRow>, after: &TriggerRow, now: Time) -> Result<()> {
    let is_schedule = |trigger: &TriggerRow| matches!(trigger.rule, TriggerRule::Schedule(_));
    let was_schedule = before.is_some_and(is_schedule);
    if !was_schedule && !is_schedule(after) {
        return Ok(());
    }
    if before.is_some_and(|before| before.is_active == after.is_active && before.rule == after.rule) {
        return Ok(());
    }
    let next = match &after.rule {
        TriggerRule::Schedule(schedule) if after.is_active => next_fire(schedule, now),
        _ => None,
    };
    tx.set_schedule(after.id, next).await?;
    Ok(())
}
