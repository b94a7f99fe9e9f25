//! Refusing before anything is sent what WhatsApp would certainly refuse, and what the contact does not want.

use chrono::SecondsFormat;
use domain::{Contact, OutgoingMessage, Time, Window};
use serde_json::Value;
use storage::{Bot, Tx};

use crate::http::problem::{Kind, Problem, Result};

/// Checks a message against the contact's window and agreement. Of what is not known Meta has the last word.
pub(super) async fn check(
    tx: &mut Tx,
    bot: &Bot,
    contact: &Contact,
    message: &OutgoingMessage,
    now: Time,
) -> Result<()> {
    let window = contact.window(bot.number_changed_at, now);
    if let Window::Closed { since } = window
        && window.refuses(&message.kind)
    {
        let told = "the contact wrote more than 24 hours ago, so WhatsApp takes only templates";
        let since = since.to_rfc3339_opts(SecondsFormat::Secs, true);
        return Err(Problem::new(Kind::WINDOW_CLOSED, told).with("closed_since", since));
    }
    if contact.opted_in || message.kind != "template" {
        return Ok(());
    }
    let text = |pointer: &str| message.content.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if tx.is_marketing(bot.id, text("/name"), text("/language/code")).await? {
        let told = "the contact has opted out of marketing messages, and this template is one";
        return Err(Problem::new(Kind::OPTED_OUT, told));
    }
    Ok(())
}
