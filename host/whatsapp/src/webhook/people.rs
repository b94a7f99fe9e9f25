//! Who a message is from: the sender's own fields, completed from the `contacts` beside the messages.

use std::collections::HashMap;

use domain::Address;

use super::{document::Within, fields::Fields};

/// One entry of `value.contacts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Person {
    /// Digits.
    pub(super) phone: Option<String>,
    pub(super) bsuid: Option<String>,
    pub(super) username: Option<String>,
    pub(super) name: Option<String>,
}

/// The people of one change. There may be fewer than messages, or more, in any order: they are matched by id.
pub(super) struct People {
    list: Vec<Person>,
    /// Where in the list a phone or id is first; empty where the list is so short that it is quicker looked through.
    places: HashMap<String, usize>,
}

/// Most people that are looked through.
const FEW: usize = 16;

/// Most characters of a name. People have 25 for theirs; each of their messages gets a copy.
const NAME_CHARS_MAX: usize = 512;

impl People {
    /// Reads what can be read of `contacts`.
    pub(super) fn of(contacts: Within<'_>) -> Self {
        let list: Vec<Person> = contacts.filter_map(|raw| Person::of(&Fields::of(raw)?)).collect();
        let mut places = HashMap::new();
        if list.len() > FEW {
            for (at, person) in list.iter().enumerate() {
                for address in [&person.phone, &person.bsuid].into_iter().flatten() {
                    places.entry(address.clone()).or_insert(at);
                }
            }
        }
        Self { list, places }
    }

    /// A person known by `phone` or `bsuid`, with whatever else the contacts tell.
    pub(super) fn complete(&self, phone: Option<String>, bsuid: Option<String>) -> Person {
        let found = if self.places.is_empty() {
            let same = |a: &Option<String>, b: &Option<String>| a.is_some() && a == b;
            self.list.iter().find(|p| same(&p.phone, &phone) || same(&p.bsuid, &bsuid))
        } else {
            let place = |address: &Option<String>| self.places.get(address.as_deref()?).copied();
            [place(&phone), place(&bsuid)].into_iter().flatten().min().and_then(|at| self.list.get(at))
        };
        let found = found.cloned().unwrap_or_default();
        Person { phone: phone.or(found.phone), bsuid: bsuid.or(found.bsuid), ..found }
    }
}

impl Person {
    fn of(fields: &Fields<'_>) -> Option<Self> {
        let profile = fields.object("profile");
        let profile = |name| profile.as_ref().and_then(|p| p.filled(name));
        let person = Self {
            phone: fields.text("wa_id").and_then(|id| digits(&id)),
            bsuid: fields.text("user_id").and_then(|id| bsuid(&id)),
            // Seen with and without the sign; stored without.
            username: profile("username").map(|name| cut(name.trim_start_matches('@'))),
            name: profile("name").map(|name| cut(&name)),
        };
        (person.phone.is_some() || person.bsuid.is_some()).then_some(person)
    }
}

fn cut(name: &str) -> String {
    name.chars().take(NAME_CHARS_MAX).collect()
}

/// A `wa_id` in digits. Meta says how long they are, not we; only what is no number at all is refused.
pub(super) fn digits(text: &str) -> Option<String> {
    if let Ok(Address::Phone(digits)) = Address::parse(text) {
        return Some(digits);
    }
    let text = text.trim().trim_start_matches('+');
    let is_number = (1..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.to_owned())
}

/// A business-scoped user id.
pub(super) fn bsuid(text: &str) -> Option<String> {
    match Address::parse(text) {
        Ok(Address::Bsuid(id)) => Some(id),
        _ => None,
    }
}
