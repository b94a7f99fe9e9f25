//! Contacts and how they are addressed.

use serde::{Deserialize, Serialize};

use crate::{BotId, ConsentSource, ContactId, JsonMap, Time, Window, WindowFacts};

/// A person who writes to a bot. Known by a phone number, by Meta's business-scoped user id, or by both; never by
/// neither.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Row id.
    pub id: ContactId,
    /// The bot this contact writes to. The same person is another contact for another bot.
    pub bot_id: BotId,
    /// Phone number in digits with country code, without `+`.
    pub phone: Option<String>,
    /// Business-scoped user id (`US.1349…`): stable per person and business portfolio, for people who hide their phone.
    pub bsuid: Option<String>,
    /// WhatsApp username. Display data: it changes, so it is never a key.
    pub username: Option<String>,
    /// Profile name as the person typed it into WhatsApp, or as set by API.
    pub name: Option<String>,
    /// First name; from the profile name's first word unless set by API.
    pub first_name: Option<String>,
    /// Last name, set by API.
    pub last_name: Option<String>,
    /// E-mail address, set by API.
    pub email: Option<String>,
    /// BCP 47 language tag, set by API.
    pub language: Option<String>,
    /// IANA time zone, set by API.
    pub timezone: Option<String>,
    /// Labels for audiences.
    pub tags: Vec<String>,
    /// Free fields.
    pub attributes: JsonMap,
    /// Where the contact came from: `whatsapp`, `api` or what the API caller said.
    pub source: String,
    /// Whether the contact agrees to get messages that it did not ask for.
    pub opted_in: bool,
    /// When that last changed.
    pub opted_in_changed_at: Option<Time>,
    /// Who last changed that.
    #[serde(default)]
    pub opted_in_source: Option<ConsentSource>,
    /// The newest inbound message by Meta's timestamp; opens the customer service window.
    pub last_inbound_at: Option<Time>,
    /// When Meta refused a message because the customer service window was closed, if the contact has not written since.
    #[serde(default)]
    pub window_closed_at: Option<Time>,
    /// When the row was made.
    pub created_at: Time,
    /// When the row last changed.
    pub updated_at: Time,
}

impl Contact {
    /// What to call this contact by in the API: the phone, else the business-scoped user id.
    pub fn address(&self) -> &str {
        self.phone.as_deref().or(self.bsuid.as_deref()).unwrap_or_default()
    }

    /// The customer service window. `number_changed_at`: since when the bot has the number that it sends from,
    /// if it had another one before.
    pub fn window(&self, number_changed_at: Option<Time>, now: Time) -> Window {
        let (last_inbound_at, closed_at) = (self.last_inbound_at, self.window_closed_at);
        Window::at(now, &WindowFacts { last_inbound_at, closed_at, number_changed_at })
    }

    /// Where to send: the phone, else the business-scoped user id.
    pub fn recipient(&self) -> Address {
        match (&self.phone, &self.bsuid) {
            (None, Some(bsuid)) => Address::Bsuid(bsuid.clone()),
            (phone, _) => Address::Phone(phone.clone().unwrap_or_default()),
        }
    }
}

/// How a contact is named in a request: every API parameter called phone takes either form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Address {
    /// Digits with country code.
    Phone(String),
    /// Business-scoped user id.
    Bsuid(String),
}

/// Why a text is no contact address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be a phone number with country code (7 to 15 digits) or a business-scoped user id such as US.1349…")]
pub struct AddressError;

impl Address {
    /// Fewest digits of a phone number.
    pub const PHONE_DIGITS_MIN: usize = 7;
    /// Most digits of a phone number (ITU-T E.164).
    pub const PHONE_DIGITS_MAX: usize = 15;
    /// Most characters after the country part of a business-scoped user id.
    pub const BSUID_CHARS_MAX: usize = 128;

    /// Reads a phone number (`+`, spaces, dots, dashes and brackets are dropped) or a business-scoped user id.
    ///
    /// # Errors
    /// When the text is neither.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if is_bsuid(text) {
            return Ok(Self::Bsuid(text.to_owned()));
        }
        let digits = text.strip_prefix('+').unwrap_or(text);
        if !digits.chars().all(|c| c.is_ascii_digit() || " .-()/\u{a0}".contains(c)) {
            return Err(AddressError);
        }
        let digits: String = digits.chars().filter(char::is_ascii_digit).collect();
        if (Self::PHONE_DIGITS_MIN..=Self::PHONE_DIGITS_MAX).contains(&digits.len()) {
            Ok(Self::Phone(digits))
        } else {
            Err(AddressError)
        }
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Phone(text) | Self::Bsuid(text) => f.write_str(text),
        }
    }
}

/// Two capital letters, a dot, optionally `ENT.`, then up to 128 ASCII letters and digits.
fn is_bsuid(text: &str) -> bool {
    let Some((country, rest)) = text.split_once('.') else { return false };
    let id = rest.strip_prefix("ENT.").unwrap_or(rest);
    country.len() == 2
        && country.bytes().all(|b| b.is_ascii_uppercase())
        && (1..=Address::BSUID_CHARS_MAX).contains(&id.len())
        && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_lose_their_punctuation() {
        for text in ["+1 (650) 555-1234", "16505551234", " 1.650.555.1234 "] {
            assert_eq!(Address::parse(text), Ok(Address::Phone("16505551234".into())), "{text}");
        }
    }

    #[test]
    fn business_scoped_ids_are_kept_as_they_are() {
        for text in ["US.13491208655302741918", "GB.ENT.a1B2"] {
            assert_eq!(Address::parse(text), Ok(Address::Bsuid(text.into())));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "12345", "1234567890123456", "bob", "us.123", "USA.1", "US.", "US.a b", "١٢٣٤٥٦٧٨"] {
            assert_eq!(Address::parse(text), Err(AddressError), "{text}");
        }
    }
}
