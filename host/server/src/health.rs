//! Bots' health as webhooks tell it, and what is released when it gets better. What Meta's answers to sends tell is in
//! `outbox/health.rs`.

use domain::{BotId, Time};
use storage::{Stops, Tx};
use whatsapp::{
    errors::{self, Problem},
    webhook::AccountUpdate,
};

/// What an update says of a bot's health.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Ill {
        problem: Problem,
        stops: Stops,
        detail: String,
    },
    /// A problem of this kind is over.
    Over(Problem),
    Nothing,
}

/// Acts on an update. `true` when messages may have been released.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn absorb(tx: &mut Tx, bot: BotId, update: &AccountUpdate, now: Time) -> storage::Result<bool> {
    match verdict(update) {
        Verdict::Nothing => Ok(false),
        Verdict::Ill { problem, stops, detail } => {
            tx.set_health(bot, problem.as_str(), stops, None, Some(&detail), now).await?;
            tracing::error!(bot.id = %bot, problem = problem.as_str(), detail, "Meta reports a problem of the bot");
            Ok(false)
        }
        Verdict::Over(problem) => {
            let is_it = tx.bot_runtimes(&[bot]).await?.first().is_some_and(|bot| bot.health.status == problem.as_str());
            if is_it {
                release(tx, bot, now).await?;
            }
            Ok(is_it)
        }
    }
}

/// What kept a bot from sending may be mended: nothing is said to be wrong with it any more, and what waited is tried
/// again. To be told to the outbox once it is committed.
///
/// # Errors
/// When the database refuses.
pub(crate) async fn release(tx: &mut Tx, bot: BotId, now: Time) -> storage::Result<()> {
    tx.clear_health(bot).await?;
    tx.lift_holds(bot, &errors::codes_after_human()).await?;
    tx.lift_holds(bot, &errors::codes_of_bots()).await?;
    tx.release_held(bot, now, i64::MAX).await?;
    Ok(())
}

fn verdict(update: &AccountUpdate) -> Verdict {
    match update {
        AccountUpdate::NumberQuality { event, .. } => match event.as_str() {
            "FLAGGED" => Verdict::Ill {
                problem: Problem::Quality,
                stops: Stops::Nothing,
                detail: "Meta flagged the number: too many people blocked or reported it".into(),
            },
            "UNFLAGGED" => Verdict::Over(Problem::Quality),
            _ => Verdict::Nothing,
        },
        AccountUpdate::Account { event, ban_state, restrictions, .. } => {
            account(event, ban_state.as_deref().unwrap_or_default(), restrictions)
        }
        _ => Verdict::Nothing,
    }
}

/// Meta's words for bans and restrictions are no closed list: what is not recognised stops nothing, because a send that
/// would fail says so itself.
fn account(event: &str, ban_state: &str, restrictions: &[String]) -> Verdict {
    let ill = |stops, detail: String| Verdict::Ill { problem: Problem::Restricted, stops, detail };
    let restricts = |what: &str| restrictions.iter().any(|restriction| restriction.contains(what));
    match event {
        "DISABLED_UPDATE" | "ACCOUNT_DISABLED" => match ban_state {
            "REINSTATE" => Verdict::Over(Problem::Restricted),
            "SCHEDULE_FOR_DISABLE" => ill(Stops::Nothing, "Meta is about to disable the account".into()),
            _ => ill(Stops::All, "Meta disabled the account".into()),
        },
        "ACCOUNT_REINSTATED" | "ACCOUNT_RESTRICTION_LIFTED" => Verdict::Over(Problem::Restricted),
        "ACCOUNT_RESTRICTION" => {
            let stops = match (restricts("CUSTOMER_INITIATED_MESSAGING"), restricts("BIZ_INITIATED_MESSAGING")) {
                (true, _) => Stops::All,
                (false, true) => Stops::Templates,
                _ => Stops::Nothing,
            };
            let words = if restrictions.is_empty() { String::new() } else { format!(": {}", restrictions.join(", ")) };
            ill(stops, format!("Meta restricted the account{words}"))
        }
        _ => Verdict::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restrictions_stop_what_they_say_and_no_more() {
        let stops = |event: &str, ban: &str, restriction: &str| match account(event, ban, &[restriction.to_owned()]) {
            Verdict::Ill { stops, .. } => Some(stops),
            Verdict::Over(_) | Verdict::Nothing => None,
        };
        assert_eq!(stops("DISABLED_UPDATE", "DISABLE", ""), Some(Stops::All));
        assert_eq!(stops("DISABLED_UPDATE", "SCHEDULE_FOR_DISABLE", ""), Some(Stops::Nothing));
        assert_eq!(stops("ACCOUNT_RESTRICTION", "", "RESTRICTED_BIZ_INITIATED_MESSAGING"), Some(Stops::Templates));
        assert_eq!(stops("ACCOUNT_RESTRICTION", "", "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"), Some(Stops::All));
        assert_eq!(stops("ACCOUNT_RESTRICTION", "", "RESTRICTED_ADD_PHONE_NUMBER_ACTION"), Some(Stops::Nothing));
        assert_eq!(account("DISABLED_UPDATE", "REINSTATE", &[]), Verdict::Over(Problem::Restricted));
        assert_eq!(account("VERIFIED_ACCOUNT", "", &[]), Verdict::Nothing);
    }
}
