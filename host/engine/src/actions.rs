//! What a plugin's step asks for, checked before any of it is done.

use domain::{
    CustomEvent, OutgoingMessage,
    plugin::{Actions, ContactChange, EmittedEvent},
};
use serde_json::Value;

use crate::{
    content,
    limits::{
        CONTACT_ATTRIBUTES, CONTACT_TAG_CHARS, CONTACT_TAGS, CONTACT_TEXT_CHARS, EVENT_PAYLOAD_BYTES, EVENTS_PER_STEP,
        Limits,
    },
    path::Target,
    state,
};

/// Actions that can be done.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) messages: Vec<OutgoingMessage>,
    pub(crate) variables: Vec<(Target, Option<Value>)>,
    pub(crate) contact: Option<ContactChange>,
    pub(crate) events: Vec<EmittedEvent>,
}

/// Checks all of a step's actions. The error is a sentence that names the action.
pub(crate) fn check(actions: Actions, limits: &Limits) -> Result<Checked, String> {
    let Actions { messages, variables, contact, events } = actions;
    let messages = messages.into_iter().enumerate().map(|(n, message)| {
        content::literal(&message.message_type, message.content)
            .map_err(|fault| format!("`messages/{n}{}` {}", fault.0, fault.1))
    });
    let messages = messages.collect::<Result<_, _>>()?;
    let variables = variables.into_iter().map(|(path, value)| {
        let target = Target::parse(&path).map_err(|fault| format!("`variables/{path}`: {fault}"))?;
        Ok((target, Some(value).filter(|value| !value.is_null())))
    });
    let variables = variables.collect::<Result<_, String>>()?;
    let contact = contact.map(|change| check_contact(change, limits)).transpose()?;
    if events.len() > EVENTS_PER_STEP {
        return Err(format!("`events` has more than {EVENTS_PER_STEP} events"));
    }
    let events = events.into_iter().enumerate().map(|(n, event)| {
        check_event(&event.name, event.payload, limits)
            .map(|payload| EmittedEvent { name: event.name, payload })
            .map_err(|fault| format!("`events/{n}` {fault}"))
    });
    Ok(Checked { messages, variables, contact, events: events.collect::<Result<_, _>>()? })
}

/// Checks an event that is to be told to triggers and waiting nodes, and cleans its payload. The error is the second half
/// of a sentence.
///
/// # Errors
/// When the name is none of a custom event, or the payload is too large or nested too deep.
pub fn check_event(name: &str, mut payload: Value, limits: &Limits) -> Result<Value, String> {
    if CustomEvent::parse(name).is_none() {
        let word = CustomEvent::WORD_CHARS_MAX;
        return Err(format!(
            "has the name `{name}`, which must be `custom.` and a snake-case word of at most {word} characters"
        ));
    }
    state::scrub(&mut payload);
    if state::deeper_than(&payload, limits.state_depth) {
        return Err(format!("has a payload nested more than {} deep", limits.state_depth));
    }
    if state::longer_than(&payload, EVENT_PAYLOAD_BYTES) {
        return Err(format!("has a payload of more than {EVENT_PAYLOAD_BYTES} bytes"));
    }
    Ok(payload)
}

fn check_contact(mut change: ContactChange, limits: &Limits) -> Result<ContactChange, String> {
    let one_line = |field: &str, text: &Option<String>, most: usize| match text {
        Some(text) if text.chars().any(char::is_control) => {
            Err(format!("`contact/{field}` has a line break or another control character"))
        }
        Some(text) if text.chars().nth(most).is_some() => {
            Err(format!("`contact/{field}` has more than {most} characters"))
        }
        _ => Ok(()),
    };
    one_line("name", &change.name, CONTACT_TEXT_CHARS)?;
    one_line("email", &change.email, 254)?;
    one_line("language", &change.language, 35)?;
    let said =
        |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned);
    if said(&change.email).is_some_and(|email| !is_email(&email)) {
        return Err("`contact/email` is no e-mail address".to_owned());
    }
    if said(&change.language).is_some_and(|language| !is_language(&language)) {
        return Err("`contact/language` is no language tag such as pt-BR".to_owned());
    }
    if said(&change.timezone).is_some_and(|zone| zone.parse::<chrono_tz::Tz>().is_err()) {
        return Err("`contact/timezone` is no IANA time zone such as Europe/Berlin".to_owned());
    }
    for (field, tags) in [("add_tags", &change.add_tags), ("remove_tags", &change.remove_tags)] {
        if tags.len() > CONTACT_TAGS {
            return Err(format!("`contact/{field}` has more than {CONTACT_TAGS} tags"));
        }
        let bad = |tag: &String| {
            tag.trim().is_empty() || tag.chars().nth(CONTACT_TAG_CHARS).is_some() || tag.chars().any(char::is_control)
        };
        if let Some(n) = tags.iter().position(bad) {
            return Err(format!("`contact/{field}/{n}` must be a line of 1 to {CONTACT_TAG_CHARS} characters"));
        }
    }
    if change.attributes.len() > CONTACT_ATTRIBUTES {
        return Err(format!("`contact/attributes` has more than {CONTACT_ATTRIBUTES} fields"));
    }
    let mut attributes = Value::Object(std::mem::take(&mut change.attributes));
    state::scrub(&mut attributes);
    if state::deeper_than(&attributes, limits.state_depth) || state::longer_than(&attributes, limits.state_bytes) {
        return Err(format!(
            "`contact/attributes` takes more than {} bytes or is nested more than {} deep",
            limits.state_bytes, limits.state_depth
        ));
    }
    if let Value::Object(attributes) = attributes {
        change.attributes = attributes;
    }
    Ok(change)
}

fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    !local.is_empty() && host.contains('.') && !text.chars().any(char::is_whitespace)
}

fn is_language(text: &str) -> bool {
    text.split(['-', '_'])
        .all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}
