//! Messages that only say something about an earlier one, or about who sends them.

use serde_json::Value;

use super::{fields::Fields, message, people};

/// What a message changes.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Somebody reacted to a message, or took the reaction back.
    Reaction {
        /// The message reacted to.
        wamid: String,
        /// Empty: taken back.
        emoji: String,
    },
    /// Somebody edited a message of theirs.
    Edit {
        /// The message edited.
        wamid: String,
        /// What it says now.
        text: Option<String>,
        /// Its type's object as it is now.
        content: Value,
    },
    /// Somebody deleted a message of theirs for everybody.
    Revoke {
        /// The message deleted.
        wamid: String,
    },
    /// The sender has another phone number, and with it another business-scoped user id.
    Number {
        /// The new number in digits.
        phone: String,
        /// The new user id, where Meta tells it.
        bsuid: Option<String>,
    },
    /// The sender has another business-scoped user id.
    UserId {
        /// The id so far, where Meta tells it.
        previous: Option<String>,
        /// The id from now on.
        current: String,
    },
}

/// What a message of this type changes; none when it changes nothing, or nothing that could be named.
pub(super) fn read(fields: &Fields<'_>, kind: &str) -> Option<Change> {
    match kind {
        "reaction" => {
            let reaction = fields.object("reaction")?;
            let emoji = reaction.text("emoji").unwrap_or_default();
            Some(Change::Reaction { wamid: reaction.filled("message_id")?, emoji })
        }
        "edit" => {
            let edit = fields.object("edit")?;
            let edited = edit.object("message")?;
            let (kind, content) = message::content(&edited, &edited.filled("type")?, &mut |_, _| {});
            let (text, _) = message::said(&kind, &content);
            Some(Change::Edit { wamid: original(fields, &edit)?, text, content })
        }
        "revoke" => {
            let wamid = match fields.object("revoke") {
                Some(revoke) => original(fields, &revoke)?,
                None => fields.filled("original_message_id")?,
            };
            Some(Change::Revoke { wamid })
        }
        "system" => system(&fields.object("system")?),
        _ => None,
    }
}

/// The message concerned, wherever Meta puts it.
fn original(fields: &Fields<'_>, object: &Fields<'_>) -> Option<String> {
    object.filled("original_message_id").or_else(|| fields.filled("original_message_id"))
}

fn system(notice: &Fields<'_>) -> Option<Change> {
    let bsuid = notice.text("user_id").and_then(|id| people::bsuid(&id));
    match notice.text("type")?.as_str() {
        "user_changed_number" | "customer_changed_number" => {
            let phone = notice.text("wa_id").or_else(|| notice.text("new_wa_id"))?;
            Some(Change::Number { phone: people::digits(&phone)?, bsuid })
        }
        "user_changed_user_id" => {
            let current = bsuid?;
            let previous = notice.text("body").and_then(|body| previous_id(&body, &current));
            Some(Change::UserId { previous, current })
        }
        _ => None,
    }
}

/// The id so far: Meta tells it only in words, `… changed from A to B`. Before it stands a name that people choose, so
/// only the end counts, and only if it ends with the new id.
fn previous_id(body: &str, current: &str) -> Option<String> {
    let before = body.trim_end().strip_suffix(current)?.strip_suffix(" to ")?;
    people::bsuid(before.rsplit(' ').next()?)
}

/// The number that a notice of a new number comes from, where it is not in `from`.
pub(super) fn former_number(notice: &Fields<'_>) -> Option<String> {
    notice.text("customer").and_then(|id| people::digits(&id))
}
