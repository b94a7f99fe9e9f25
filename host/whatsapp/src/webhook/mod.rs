//! Webhook payloads, cut into updates.
//!
//! One POST may hold up to 1000 updates of several numbers, and Meta sends it again for days unless it is answered
//! 200. So nothing in it may make the rest unreadable: each piece is parsed alone, and a piece that cannot be read
//! is reported as [`Odd`] while its siblings go through.

mod fields;
mod message;
mod people;
mod repair;
mod status;
mod time;

use domain::Time;
use fields::Fields;
use people::People;
use serde_json::value::RawValue;

pub use message::Inbound;
pub use status::Status;

/// The `object` of every WhatsApp webhook.
const OBJECT: &str = "whatsapp_business_account";

/// What one POST held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Batch {
    /// In the order of the payload. May hold the same message twice: Meta repeats itself.
    pub updates: Vec<Update>,
    /// What could not be used, for a log line and a counter each.
    pub odd: Vec<Odd>,
}

/// A piece of a payload that was not as documented.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Odd {
    /// JSON pointer into the payload.
    pub at: String,
    /// One of a few fixed phrases without anything personal, fit for a counter's label.
    pub reason: &'static str,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Id of the number it is about, as digits too long for a float. Absent for account-wide updates.
    pub phone_number_id: Option<String>,
    /// That number as Meta displays it; its format varies, so it is no key.
    pub display_phone_number: Option<String>,
    /// WhatsApp Business Account.
    pub waba_id: Option<String>,
    /// What happened.
    pub kind: UpdateKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum UpdateKind {
    /// Somebody wrote, or changed something they wrote.
    Message(Box<Inbound>),
    /// A message of ours got further, or failed.
    Status(Box<Status>),
    /// Errors that belong to no message or status (`value.errors`).
    Errors {
        /// The array as received, as JSON text.
        value: String,
    },
    /// Any other field of the webhook: template reviews, number quality, account restrictions, preferences, echoes
    /// of the business's own phone, and whatever Meta adds.
    Account {
        /// Name of the webhook field, e.g. `message_template_status_update`.
        field: String,
        /// Its value as received, as JSON text, because ids in it may be numbers beyond 2^53.
        value: String,
    },
}

/// Why a body is no webhook at all. Worth a 400: Meta never sends such a body, and repeating it will not help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is not JSON: {0}")]
pub struct ParseError(String);

/// Reads a webhook's body. `received_at` stands in for timestamps that are missing or absurd.
///
/// Texts never hold a NUL: escaped NULs, lone surrogates and invalid UTF-8 become U+FFFD before anything is read.
///
/// # Errors
/// When the body is not one JSON text. JSON of any other shape is no error but a [`Batch`] full of [`Odd`].
pub fn parse(body: &[u8], received_at: Time) -> Result<Batch, ParseError> {
    let text = repair::repair(body);
    // Syntax errors are told by place and kind; the parser's words never quote the body.
    let root: &RawValue = serde_json::from_str(&text).map_err(|error| ParseError(error.to_string()))?;
    let mut walk = Walk { received_at, batch: Batch::default() };
    walk.root(root);
    Ok(walk.batch)
}

/// The way through one payload.
struct Walk {
    received_at: Time,
    batch: Batch,
}

/// What the updates of one change have in common.
struct Number {
    phone_number_id: Option<String>,
    display_phone_number: Option<String>,
    waba_id: Option<String>,
}

impl Walk {
    fn odd(&mut self, at: impl Into<String>, reason: &'static str) {
        self.batch.odd.push(Odd { at: at.into(), reason });
    }

    fn push(&mut self, number: &Number, kind: UpdateKind) {
        self.batch.updates.push(Update {
            phone_number_id: number.phone_number_id.clone(),
            display_phone_number: number.display_phone_number.clone(),
            waba_id: number.waba_id.clone(),
            kind,
        });
    }

    /// The elements of an array; one that is no array is reported and has none.
    fn list<'a>(&mut self, fields: &Fields<'a>, name: &'static str, at: &str) -> Vec<&'a RawValue> {
        fields.list(name).unwrap_or_else(|()| {
            self.odd(format!("{at}/{name}"), "not an array");
            Vec::new()
        })
    }

    fn root(&mut self, raw: &RawValue) {
        let Some(root) = Fields::of(raw) else { return self.odd("", "not an object") };
        if root.text("object").as_deref() != Some(OBJECT) {
            self.odd("/object", "not a WhatsApp object");
        }
        if root.raw("entry").is_none() {
            self.odd("/entry", "missing");
        }
        for (index, raw) in self.list(&root, "entry", "").into_iter().enumerate() {
            let at = format!("/entry/{index}");
            let Some(entry) = Fields::of(raw) else {
                self.odd(at, "not an object");
                continue;
            };
            for (index, raw) in self.list(&entry, "changes", &at).into_iter().enumerate() {
                self.change(raw, entry.filled("id"), &format!("{at}/changes/{index}"));
            }
        }
    }

    fn change(&mut self, raw: &RawValue, waba_id: Option<String>, at: &str) {
        let Some(change) = Fields::of(raw) else { return self.odd(at, "not an object") };
        let Some(raw_value) = change.raw("value") else { return self.odd(format!("{at}/value"), "missing") };
        let value = Fields::of(raw_value);
        let metadata = value.as_ref().and_then(|v| v.object("metadata"));
        let metadata = |name| metadata.as_ref().and_then(|m| m.filled(name));
        let number = Number {
            phone_number_id: metadata("phone_number_id"),
            display_phone_number: metadata("display_phone_number"),
            waba_id,
        };
        let field = change.filled("field").filter(|name| !name.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
        match (field, value) {
            (Some(field), Some(value)) if field == "messages" => self.messages(&value, &number, at),
            (Some(field), None) if field == "messages" => self.odd(format!("{at}/value"), "not an object"),
            (Some(field), _) => {
                self.push(&number, UpdateKind::Account { field, value: raw_value.get().to_owned() });
            }
            // Better a message through a change without a readable name than a message lost.
            (None, Some(value)) if value.raw("messages").is_some() || value.raw("statuses").is_some() => {
                self.odd(format!("{at}/field"), "missing or not a text");
                self.messages(&value, &number, at);
            }
            (None, _) => self.odd(format!("{at}/field"), "missing or not a text"),
        }
    }

    fn messages(&mut self, value: &Fields<'_>, number: &Number, at: &str) {
        let at = format!("{at}/value");
        if number.phone_number_id.is_none() {
            self.odd(format!("{at}/metadata/phone_number_id"), "missing");
        }
        let contacts = self.list(value, "contacts", &at);
        let people = People::of(&contacts);
        for (index, raw) in self.list(value, "messages", &at).into_iter().enumerate() {
            let mut odd = Vec::new();
            let own = number.display_phone_number.as_deref();
            let read = message::read(raw, &people, own, self.received_at, &mut |below, reason| {
                odd.push(Odd { at: format!("{at}/messages/{index}{below}"), reason });
            });
            self.batch.odd.append(&mut odd);
            if let Some(inbound) = read {
                self.push(number, UpdateKind::Message(Box::new(inbound)));
            }
        }
        for (index, raw) in self.list(value, "statuses", &at).into_iter().enumerate() {
            match status::read(raw, &people, self.received_at) {
                Ok(status) => self.push(number, UpdateKind::Status(Box::new(status))),
                Err((below, reason)) => self.odd(format!("{at}/statuses/{index}{below}"), reason),
            }
        }
        if let Some(errors) = value.raw("errors") {
            self.push(number, UpdateKind::Errors { value: errors.get().to_owned() });
        }
        if ["messages", "statuses", "errors"].iter().all(|name| value.raw(name).is_none()) {
            self.odd(at, "holds neither messages nor statuses");
        }
    }
}
