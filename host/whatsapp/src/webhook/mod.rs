//! Webhook payloads, cut into updates.
//!
//! One POST may hold up to 1000 updates of several numbers, and Meta sends it again for days unless it is answered
//! 200. So nothing in it may make the rest unreadable: each piece is parsed alone, and a piece that cannot be read
//! is reported as [`Odd`] while its siblings go through.

mod account;
mod change;
mod document;
mod errors;
mod fields;
mod message;
mod odd;
mod people;
mod repair;
mod status;
mod time;

use document::{Document, Raw, Within};
use domain::Time;
use fields::Fields;
use people::People;

pub use account::{AccountEvent, AccountUpdate, TemplateRef, UserIdChange};
pub use change::Change;
pub use message::Inbound;
pub use odd::{Odd, OddKind};
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
    /// The business wrote with its own phone (`smb_message_echoes`). No bot answers that.
    Echo(Box<Echo>),
    /// Anything else: template reviews, number quality, account restrictions, preferences, errors that belong to no
    /// message or status (field `errors`), and whatever Meta adds.
    Account(Box<AccountEvent>),
}

/// A message that the business sent from its own phone.
#[derive(Debug, Clone, PartialEq)]
pub struct Echo {
    /// Recipient's phone in digits.
    pub to: Option<String>,
    /// Recipient's business-scoped user id.
    pub to_bsuid: Option<String>,
    /// The message; its sender is the business.
    pub message: Inbound,
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
    let document = Document::of(&text)?;
    let mut walk = Walk { received_at, batch: Batch::default() };
    walk.root(document.root());
    Ok(walk.batch)
}

/// The way through one payload.
struct Walk {
    received_at: Time,
    batch: Batch,
}

/// Most bytes of what identifies a number or an account.
const ID_BYTES_MAX: usize = 128;

/// The field of echoes, and the list in it.
const ECHOES: (&str, &str) = ("smb_message_echoes", "message_echoes");

/// Meta's code for media that could not be fetched.
const MEDIA_LOST_CODE: i64 = 131_052;

/// What the updates of one change have in common.
struct Number {
    phone_number_id: Option<String>,
    display_phone_number: Option<String>,
    waba_id: Option<String>,
}

/// A field that every update of a change gets a copy of. Meta's have some 20 characters; what is too long for an id is none,
/// or a few megabytes that nobody has signed would become many gigabytes.
fn id(fields: &Fields<'_>, name: &str) -> Option<String> {
    fields.filled(name).filter(|id| id.len() <= ID_BYTES_MAX)
}

impl Walk {
    fn odd(&mut self, at: impl Into<String>, kind: OddKind) {
        self.batch.odd.push(Odd { at: at.into(), kind });
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
    fn list<'a>(&mut self, fields: &Fields<'a>, name: &'static str, at: &str) -> Within<'a> {
        fields.list(name).unwrap_or_else(|()| {
            self.odd(format!("{at}/{name}"), OddKind::NotAnArray);
            Within::default()
        })
    }

    fn root(&mut self, raw: Raw<'_>) {
        let Some(root) = Fields::of(raw) else { return self.odd("", OddKind::NotAnObject) };
        if root.text("object").as_deref() != Some(OBJECT) {
            self.odd("/object", OddKind::NotWhatsApp);
        }
        if root.raw("entry").is_none() {
            self.odd("/entry", OddKind::Missing);
        }
        for (index, raw) in self.list(&root, "entry", "").enumerate() {
            let at = format!("/entry/{index}");
            let Some(entry) = Fields::of(raw) else {
                self.odd(at, OddKind::NotAnObject);
                continue;
            };
            let sent_at = time::field(&entry, "time", self.received_at);
            let waba_id = id(&entry, "id");
            for (index, raw) in self.list(&entry, "changes", &at).enumerate() {
                self.change(raw, waba_id.clone(), sent_at, &format!("{at}/changes/{index}"));
            }
        }
    }

    fn change(&mut self, raw: Raw<'_>, waba_id: Option<String>, sent_at: Option<Time>, at: &str) {
        let Some(change) = Fields::of(raw) else { return self.odd(at, OddKind::NotAnObject) };
        let Some(raw_value) = change.raw("value") else { return self.odd(format!("{at}/value"), OddKind::Missing) };
        let value = Fields::of(raw_value);
        let metadata = value.as_ref().and_then(|v| v.object("metadata"));
        let metadata = |name| metadata.as_ref().and_then(|m| id(m, name));
        let number = Number {
            phone_number_id: metadata("phone_number_id"),
            display_phone_number: metadata("display_phone_number"),
            waba_id,
        };
        let field = change.filled("field").filter(|name| !name.starts_with(|c: char| c.is_ascii_digit() || c == '-'));
        match (field, value) {
            (Some(field), Some(value)) if field == "messages" => self.messages(&value, &number, sent_at, at),
            (Some(field), None) if field == "messages" => self.odd(format!("{at}/value"), OddKind::NotAnObject),
            (Some(field), Some(value)) if field == ECHOES.0 => self.echoes(&value, &number, at),
            (Some(field), value) => self.account(field, raw_value, value.as_ref(), &number, sent_at, at),
            // Better a message through a change without a readable name than a message lost.
            (None, Some(value)) if value.raw("messages").is_some() || value.raw("statuses").is_some() => {
                self.odd(format!("{at}/field"), OddKind::NotAText);
                self.messages(&value, &number, sent_at, at);
            }
            (None, _) => self.odd(format!("{at}/field"), OddKind::NotAText),
        }
    }

    fn account(
        &mut self,
        field: String,
        raw: Raw<'_>,
        value: Option<&Fields<'_>>,
        number: &Number,
        sent_at: Option<Time>,
        at: &str,
    ) {
        let mut odd = Vec::new();
        let mut report = |below: String, kind| odd.push(Odd { at: format!("{at}/value{below}"), kind });
        let updates =
            value.map(|value| account::read(&field, value, self.received_at, &mut report)).unwrap_or_default();
        self.batch.odd.append(&mut odd);
        let event = AccountEvent { field, value: raw.get().to_owned(), sent_at, updates };
        self.push(number, UpdateKind::Account(Box::new(event)));
    }

    fn echoes(&mut self, value: &Fields<'_>, number: &Number, at: &str) {
        let at = format!("{at}/value");
        let people = People::of(self.list(value, "contacts", &at));
        for (index, raw) in self.list(value, ECHOES.1, &at).enumerate() {
            let Some(message) = self.message(raw, &people, number, &format!("{at}/{}/{index}", ECHOES.1)) else {
                continue;
            };
            let to = Fields::of(raw).map(|fields| (fields.text("to"), fields.text("to_user_id")));
            let (to, to_bsuid) = to.unwrap_or_default();
            let person = people
                .complete(to.as_deref().and_then(people::digits), to_bsuid.or(to).as_deref().and_then(people::bsuid));
            let message = Inbound { starts_flow: false, ..message };
            let echo = Echo { to: person.phone, to_bsuid: person.bsuid, message };
            self.push(number, UpdateKind::Echo(Box::new(echo)));
        }
    }

    /// Reads one message and reports what is odd about it.
    fn message(&mut self, raw: Raw<'_>, people: &People, number: &Number, at: &str) -> Option<Inbound> {
        let mut odd = Vec::new();
        let own = number.display_phone_number.as_deref();
        let read = message::read(raw, people, own, self.received_at, &mut |below, kind| {
            odd.push(Odd { at: format!("{at}{below}"), kind });
        });
        self.batch.odd.append(&mut odd);
        read
    }

    fn messages(&mut self, value: &Fields<'_>, number: &Number, sent_at: Option<Time>, at: &str) {
        let at = format!("{at}/value");
        if number.phone_number_id.is_none() {
            self.odd(format!("{at}/metadata/phone_number_id"), OddKind::NoNumber);
        }
        let people = People::of(self.list(value, "contacts", &at));
        // Told beside the message, sometimes.
        let media_lost = if errors::has(value, MEDIA_LOST_CODE) { errors::first(value) } else { None };
        for (index, raw) in self.list(value, "messages", &at).enumerate() {
            let Some(mut inbound) = self.message(raw, &people, number, &format!("{at}/messages/{index}")) else {
                continue;
            };
            if inbound.is_media() && inbound.error.is_none() {
                inbound.error.clone_from(&media_lost);
            }
            self.push(number, UpdateKind::Message(Box::new(inbound)));
        }
        for (index, raw) in self.list(value, "statuses", &at).enumerate() {
            match status::read(raw, &people, self.received_at) {
                Ok(status) => {
                    if status.status.is_none() {
                        self.odd(format!("{at}/statuses/{index}/status"), OddKind::UnknownStatus);
                    }
                    self.push(number, UpdateKind::Status(Box::new(status)));
                }
                Err((below, kind)) => self.odd(format!("{at}/statuses/{index}{below}"), kind),
            }
        }
        if let Some(errors) = value.raw("errors") {
            let value = errors.get().to_owned();
            let event = AccountEvent { field: "errors".into(), value, sent_at, updates: Vec::new() };
            self.push(number, UpdateKind::Account(Box::new(event)));
        }
        if ["messages", "statuses", "errors"].iter().all(|name| value.raw(name).is_none()) {
            self.odd(at, OddKind::Empty);
        }
    }
}
