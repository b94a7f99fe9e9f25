//! What a client may say of a contact.

use domain::{Address, BotId, JsonMap};
use storage::ContactFields;
use utoipa::ToSchema;

use crate::http::{auth::register::is_email, body::Body, bots::input::is_timezone, problem::Problem};

/// Most tags of a contact.
const TAGS_MAX: usize = 100;
/// Most characters of a tag.
const TAG_CHARS_MAX: usize = 100;
/// Most free fields of a contact.
const ATTRIBUTES_MAX: usize = 200;

/// A contact. In an update, what is absent stays as it is and null clears.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct ContactInput {
    /// Required when creating; a contact does not move between bots.
    bot_id: Option<i64>,
    /// Required when creating. A phone number with country code, kept as digits, or a business-scoped user id.
    phone: Option<String>,
    #[schema(max_length = 200)]
    name: Option<String>,
    #[schema(max_length = 200)]
    first_name: Option<String>,
    #[schema(max_length = 200)]
    last_name: Option<String>,
    #[schema(max_length = 254)]
    email: Option<String>,
    /// BCP 47 language tag.
    #[schema(max_length = 35)]
    language: Option<String>,
    /// IANA time zone.
    timezone: Option<String>,
    #[schema(max_items = 100)]
    tags: Option<Vec<String>>,
    /// Free fields.
    #[schema(value_type = Option<Object>)]
    attributes: Option<JsonMap>,
    /// Where the contact came from.
    #[schema(max_length = 100, default = "api")]
    source: Option<String>,
    /// Whether the contact agrees to get messages that it did not ask for. A change is an `opt_in` or `opt_out` event.
    #[schema(default = true)]
    opted_in: Option<bool>,
}

/// A contact that is not there yet.
pub(super) fn blank() -> ContactFields {
    ContactFields { source: "api".into(), ..ContactFields::default() }
}

/// Reads a contact over `fields`, which is [`blank`] or what is there.
pub(super) fn read(body: &mut Body, fields: &mut ContactFields, is_new: bool) {
    let mut address = None;
    let phone = body.text("phone").and_then(|text| Address::parse(&text).map(Some).map_err(|error| error.to_string()));
    phone.set(&mut address, is_new);
    match address {
        Some(Address::Phone(phone)) => fields.phone = Some(phone),
        Some(Address::Bsuid(bsuid)) => fields.bsuid = Some(bsuid),
        None => {}
    }
    for (name, target) in
        [("name", &mut fields.name), ("first_name", &mut fields.first_name), ("last_name", &mut fields.last_name)]
    {
        body.text(name).or_empty().one_line().max(200).set_optional(target);
    }
    body.text("email").or_empty().one_line().max(254).check(|text| is_email(text)).set_optional(&mut fields.email);
    body.text("language")
        .or_empty()
        .one_line()
        .max(35)
        .check(|text| is_language(text))
        .set_optional(&mut fields.language);
    body.text("timezone").or_empty().check(|name| is_timezone(name)).set_optional(&mut fields.timezone);
    body.texts("tags", TAGS_MAX, TAG_CHARS_MAX).map(unique).set(&mut fields.tags, false);
    body.object("attributes").check(few).set(&mut fields.attributes, false);
    body.text("source").one_line().min(1).max(100).set(&mut fields.source, false);
    body.boolean("opted_in").set(&mut fields.opted_in, false);
}

/// A contact does not move between bots.
pub(super) fn stays_in(body: &mut Body, bot: BotId) {
    let same = |id: &BotId| if *id == bot { Ok(()) } else { Err("a contact does not move to another bot".into()) };
    let _ = body.id::<BotId>("bot_id").check(same).optional();
}

/// Whether the text has the form of a language tag; WhatsApp's own codes use an underscore.
pub(in crate::http) fn is_language(text: &str) -> Result<(), String> {
    let is_tag = text
        .split(['-', '_'])
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if is_tag { Ok(()) } else { Err("must be a language tag such as pt-BR".into()) }
}

fn unique(tags: Vec<String>) -> Vec<String> {
    let mut seen = Vec::<String>::with_capacity(tags.len());
    for tag in tags {
        let tag = tag.trim().to_owned();
        if !seen.contains(&tag) {
            seen.push(tag);
        }
    }
    seen
}

fn few(attributes: &JsonMap) -> Result<(), String> {
    if attributes.len() > ATTRIBUTES_MAX { Err(format!("must have at most {ATTRIBUTES_MAX} fields")) } else { Ok(()) }
}

/// What to say when the database finds the address taken.
pub(super) fn conflict(error: storage::Error) -> Problem {
    match error {
        storage::Error::Conflict(_) => Problem::conflict("the bot has a contact with this phone"),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<ContactInput>(|body| {
            stays_in(body, BotId(1));
            read(body, &mut blank(), true);
        });
    }
}
