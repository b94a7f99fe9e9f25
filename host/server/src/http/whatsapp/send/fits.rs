//! Refusing a template that cannot be sent, or whose parameters do not fit.

use std::sync::Arc;

use domain::{Fault, OutgoingMessage};
use serde_json::Value;
use storage::{Bot, Tx};

use crate::{
    app::App,
    http::problem::{Kind, Problem, Result},
    templates::Objection,
};

/// What a message that was not handed to Meta has failed with: the template, which became known after it was queued.
pub(super) fn problem(error: &Value) -> Option<Problem> {
    let sentence = error.get("title").and_then(Value::as_str).unwrap_or_default();
    if let Some(status) = error.get("template_status").filter(|status| status.is_string()) {
        return Some(Problem::new(Kind::TEMPLATE_BLOCKED, sentence).with("template_status", status.clone()));
    }
    let faults: Vec<Fault> = serde_json::from_value(error.get("errors")?.clone()).ok()?;
    (!faults.is_empty()).then(|| Problem::invalid(faults))
}

/// Checks a template against what is known of it. One that is not known is for Meta to judge.
pub(super) async fn check(app: &Arc<App>, tx: &mut Tx, bot: &Bot, message: &OutgoingMessage) -> Result<()> {
    if message.kind != "template" {
        return Ok(());
    }
    let desk = app.work.templates();
    let Some(account) = desk.account(bot) else { return Ok(()) };
    let sync = desk.known(tx, bot).await?;
    let objection = desk.objection(tx, bot.id, Some(&account), message).await?;
    desk.freshen(bot, sync.as_ref());
    match objection {
        None => Ok(()),
        Some(Objection::Blocked { status, reason }) => {
            let sentence = Objection::Blocked { status: status.clone(), reason: reason.clone() }.sentence();
            Err(Problem::new(Kind::TEMPLATE_BLOCKED, sentence).with("template_status", status).with("reason", reason))
        }
        Some(Objection::Misfit(faults)) => Err(Problem::invalid(faults)),
        Some(objection @ Objection::Language { .. }) => {
            Err(Problem::invalid(vec![Fault::new("/language_code", objection.sentence())]))
        }
    }
}
