//! Stop and start words: noted when the message comes in, whatever flows and whoever else do with it.

use std::sync::Arc;

use domain::{ConsentSource, ContactId, DeliveryStatus, Time, Window};
use engine::consent::{Wish, Words};
use serde_json::json;
use storage::{Bot, NewConsent, NewItem, NewOutbound, Tx};

use super::Addressed;
use crate::consent;

/// A bot's words, and what it answers to them.
#[derive(Debug)]
pub(crate) struct Wishes {
    words: Arc<Words>,
    opt_out_reply: Option<String>,
    opt_in_reply: Option<String>,
}

/// What follows from a message by the words in it.
#[derive(Default)]
pub(super) struct Heard {
    /// Whether it is a stop word, which only a trigger that names it gets.
    pub(super) is_stop: bool,
    /// What the triggers are to be told after the message.
    pub(super) event: Option<NewItem>,
    /// What the contact is answered.
    pub(super) reply: Option<NewOutbound>,
}

impl Wishes {
    /// Those of a bot. One that cannot send now, or is switched off, answers nothing.
    pub(super) fn of(bot: &Bot, can_send: bool) -> Self {
        let reply = |text: &Option<String>| text.clone().filter(|_| bot.is_active && can_send);
        Self {
            words: consent::words(bot),
            opt_out_reply: reply(&bot.opt_out_reply),
            opt_in_reply: reply(&bot.opt_in_reply),
        }
    }
}

/// Notes what a message says by its words, in the transaction that stores it. A stop word is kept from the flows; a
/// start word is a message like any other, and means something only to somebody who has opted out.
pub(super) async fn hear(tx: &mut Tx, message: &Addressed, contact_id: ContactId, now: Time) -> storage::Result<Heard> {
    let inbound = &message.inbound;
    let Some(wish) = message.wishes.words.wish(&inbound.kind, inbound.text.as_deref()) else {
        return Ok(Heard::default());
    };
    let (opted_in, at) = (wish == Wish::Start, inbound.timestamp);
    let detail = inbound.text.clone();
    let said = NewConsent { contact_id, opted_in, source: ConsentSource::Keyword, detail, at };
    let noted = consent::note(tx, message.bot_id, &said, now).await?;
    let text = if opted_in { &message.wishes.opt_in_reply } else { &message.wishes.opt_out_reply };
    // What comes days late is not answered: nothing but a template could be sent.
    let answers = noted.is_change && at + Window::LENGTH > now;
    let reply = text.as_ref().filter(|_| answers).map(|text| reply(message, contact_id, text));
    Ok(Heard { is_stop: !opted_in, event: noted.event, reply })
}

fn reply(message: &Addressed, contact_id: ContactId, text: &str) -> NewOutbound {
    NewOutbound {
        bot_id: message.bot_id,
        contact_id,
        execution_id: None,
        node: None,
        turn: 0,
        phone_number_id: message.phone_number_id.clone(),
        kind: "text".into(),
        content: json!({ "body": text }),
        text: Some(text.to_owned()),
        fallback: None,
        status: DeliveryStatus::Queued,
        error: None,
    }
}
