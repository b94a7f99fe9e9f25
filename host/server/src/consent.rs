//! What contacts agree to: the words that count for a bot, and the one way in which a change is noted.

use std::sync::{Arc, LazyLock};

use domain::{BotId, ConsentSource, EventType, Time, Window};
use engine::consent::{self, Words};
use serde_json::Value;
use storage::{Bot, Failed, ItemKind, NewConsent, NewItem, NewOutbound, Tx, WordLists};

use crate::runner::Payload;

/// Meta's word for the messages that people can switch off in WhatsApp.
pub(crate) const MARKETING: &str = "marketing_messages";

/// The stop words that count for a bot.
pub(crate) fn stop_words(bot: &Bot) -> WordLists {
    bot.stop_words.as_deref().cloned().unwrap_or_else(consent::stop_words)
}

/// The start words that count for a bot.
pub(crate) fn start_words(bot: &Bot) -> WordLists {
    bot.start_words.as_deref().cloned().unwrap_or_else(consent::start_words)
}

/// A bot's words, ready to be compared. Bots without words of their own share those that come along: making these ready takes
/// longer than handling a message.
pub(crate) fn words(bot: &Bot) -> Arc<Words> {
    static COME_ALONG: LazyLock<Arc<Words>> =
        LazyLock::new(|| Arc::new(Words::new(&consent::stop_words(), &consent::start_words())));
    if bot.stop_words.is_none() && bot.start_words.is_none() {
        return COME_ALONG.clone();
    }
    Arc::new(Words::new(&stop_words(bot), &start_words(bot)))
}

/// What became of a wish.
#[derive(Debug)]
pub(crate) struct Noted {
    /// Whether it changed anything.
    pub(crate) is_change: bool,
    /// What the contact's mailbox is to be told in the same transaction; none when nobody watches.
    pub(crate) event: Option<NewItem>,
}

/// Notes what a contact agrees to. Whoever calls puts the event into the mailbox in the same transaction, so that there
/// is one per change.
pub(crate) async fn note(tx: &mut Tx, bot: BotId, consent: &NewConsent, now: Time) -> storage::Result<Noted> {
    if !tx.change_consent(consent, now).await? {
        return Ok(Noted { is_change: false, event: None });
    }
    let event_type = if consent.opted_in { EventType::OptIn } else { EventType::OptOut };
    let event = tx.watches_events(bot, consent.contact_id).await?.then(|| NewItem {
        contact_id: consent.contact_id,
        kind: ItemKind::Event,
        message_id: None,
        execution_id: None,
        payload: Payload { event_type: Some(event_type), ..Payload::default() }.stored(),
    });
    Ok(Noted { is_change: true, event })
}

/// What a message that failed teaches about its contact.
#[derive(Debug, Default)]
pub(crate) struct Lesson {
    /// What the contact's mailbox is to be told.
    pub(crate) event: Option<NewItem>,
    /// What is to be sent instead.
    pub(crate) fallback: Option<NewOutbound>,
}

/// Learns from a message that failed: that the customer service window is closed, that the contact wants no marketing.
pub(crate) async fn learn(tx: &mut Tx, failed: &Failed, now: Time) -> storage::Result<Lesson> {
    let error = &failed.message.error;
    let mut lesson = Lesson::default();
    match error.get("code").and_then(Value::as_i64) {
        Some(Window::CLOSED_CODE) => {
            tx.close_window(failed.contact_id, now).await?;
            lesson.fallback = tx.take_fallback(failed.message.id).await?;
        }
        Some(ConsentSource::OPTED_OUT_CODE) => {
            let detail = ["details", "title"].iter().find_map(|field| error.get(field)?.as_str()).map(str::to_owned);
            let (contact_id, source) = (failed.contact_id, ConsentSource::MetaError);
            let said = NewConsent { contact_id, opted_in: false, source, detail, at: now };
            lesson.event = note(tx, failed.bot_id, &said, now).await?.event;
        }
        _ => {}
    }
    Ok(lesson)
}
