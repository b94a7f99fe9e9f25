//! Keeping what is stored of when and where a trigger fires in step with the trigger.

use domain::{Time, TriggerRule, WebhookRule, plugin::TriggerKind};
use engine::triggers::schedule::next_fire;
use storage::{TriggerRow, Tx};

use super::hook::keep_address;
use crate::{
    app::App,
    http::problem::{Problem, Result},
};

/// Name under which a trigger's secret is sealed.
pub(crate) const SIGNATURE_SECRET: &str = "trigger_signature_secret";

/// Sets when a trigger fires or looks next that was just saved, reckoned from now, and its address. One that was not
/// rescheduled keeps what it has, also fires that are overdue.
pub(super) async fn keep(tx: &mut Tx, before: Option<&TriggerRow>, after: &mut TriggerRow, now: Time) -> Result<()> {
    keep_address(tx, after).await?;
    if before.is_some_and(|before| before.is_active == after.is_active && before.rule == after.rule) {
        return Ok(());
    }
    let was = |kind: fn(&TriggerRule) -> bool| before.is_some_and(|before| kind(&before.rule));
    if was(is_schedule) || is_schedule(&after.rule) {
        let next = match &after.rule {
            TriggerRule::Schedule(schedule) if after.is_active => next_fire(schedule, now),
            _ => None,
        };
        tx.set_schedule(after.id, next).await?;
    }
    if was(is_poller) || is_poller(&after.rule) {
        // Another plugin or type cannot read the cursor of the one before.
        if before.is_some_and(|before| !same_poller(&before.rule, &after.rule)) {
            tx.set_poller(after.id, None).await?;
        }
        if is_poller(&after.rule) {
            // Switched off, it keeps its cursor and is passed over.
            tx.set_poller(after.id, Some(now)).await?;
        }
    }
    Ok(())
}

fn is_schedule(rule: &TriggerRule) -> bool {
    matches!(rule, TriggerRule::Schedule(_))
}

fn is_poller(rule: &TriggerRule) -> bool {
    matches!(rule, TriggerRule::Plugin(rule) if rule.kind == TriggerKind::Poller)
}

fn same_poller(before: &TriggerRule, after: &TriggerRule) -> bool {
    match (before, after) {
        (TriggerRule::Plugin(before), TriggerRule::Plugin(after)) => {
            (&before.plugin, &before.trigger_type, before.kind) == (&after.plugin, &after.trigger_type, after.kind)
        }
        _ => false,
    }
}

/// Seals and stores the secret of a trigger that was just saved. `None` keeps what is there. A trigger that checks no
/// signatures has none.
pub(super) async fn keep_secret(
    app: &App,
    tx: &mut Tx,
    trigger: &mut TriggerRow,
    secret: Option<Option<String>>,
) -> Result<()> {
    let checks = matches!(&trigger.rule, TriggerRule::Webhook(WebhookRule { signature: Some(_), .. }));
    let wanted = match secret {
        Some(Some(secret)) if checks => {
            let sealed = app.secrets.seal(trigger.bot_id, SIGNATURE_SECRET, &secret);
            Some(sealed.map_err(|error| Problem::internal(&error))?)
        }
        None if checks => trigger.hook_secret.clone(),
        _ => None,
    };
    if wanted != trigger.hook_secret {
        tx.set_hook_secret(trigger.id, wanted.as_deref()).await?;
        trigger.hook_secret = wanted;
    }
    Ok(())
}
