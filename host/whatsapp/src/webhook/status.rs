//! One entry of `value.statuses`: how far a message of ours got.

use domain::{DeliveryStatus, Time};
use serde_json::Value;

use super::{
    document::Raw,
    errors,
    fields::Fields,
    odd::OddKind,
    people::{self, People},
    time::timestamp,
};

/// A delivery report. Arrives late, doubled, out of order, and sometimes before Meta's answer to the send.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Meta's id of the message it is about.
    pub wamid: String,
    /// How far it got; `None` for a word we do not know (see `status_word`), which changes nothing.
    pub status: Option<DeliveryStatus>,
    /// Meta's word.
    pub status_word: String,
    /// When that was, by Meta's clock, else when it was received.
    pub at: Time,
    /// Recipient's phone in digits, or the group's id.
    pub recipient: Option<String>,
    /// Recipient's business-scoped user id.
    pub recipient_bsuid: Option<String>,
    /// In a group, which member this is about: phone or business-scoped user id. There is one status per member.
    pub participant: Option<String>,
    /// What we sent as `biz_opaque_callback_data`.
    pub callback_data: Option<String>,
    /// The first error: `{code, title, details}`, as far as given.
    pub error: Option<Value>,
    /// The status's JSON as received (price, conversation, all errors), apart from what [`super::parse`] replaces.
    pub raw: String,
}

/// Reads one status, or says what is missing: a pointer below it and what is odd.
pub(super) fn read(raw: Raw<'_>, people: &People, received_at: Time) -> Result<Status, (&'static str, OddKind)> {
    let fields = Fields::of(raw).ok_or(("", OddKind::NotAnObject))?;
    let wamid = fields.filled("id").ok_or(("/id", OddKind::NotAText))?;
    let status_word = fields.filled("status").ok_or(("/status", OddKind::NotAText))?;
    let is_group = fields.text("recipient_type").as_deref() == Some("group");
    let recipient = fields.filled("recipient_id");
    let phone = recipient.as_deref().filter(|_| !is_group).and_then(people::digits);
    let bsuid = fields.text("recipient_user_id").and_then(|id| people::bsuid(&id));
    let person = people.complete(phone, bsuid);
    Ok(Status {
        wamid,
        status: reported(&status_word),
        status_word,
        at: timestamp(&fields, received_at),
        recipient: if is_group { recipient } else { person.phone },
        recipient_bsuid: person.bsuid,
        participant: fields
            .filled("recipient_participant_id")
            .or_else(|| fields.filled("recipient_participant_user_id")),
        callback_data: fields.filled("biz_opaque_callback_data"),
        error: errors::first(&fields),
        raw: raw.get().to_owned(),
    })
}

/// The words Meta reports (status messages webhook reference). Our own stages, such as `queued`, are not among them.
fn reported(word: &str) -> Option<DeliveryStatus> {
    DeliveryStatus::parse(word)
        .filter(|status| !matches!(status, DeliveryStatus::Queued | DeliveryStatus::Sending | DeliveryStatus::Accepted))
}
