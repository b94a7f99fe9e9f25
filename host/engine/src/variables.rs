//! What templates and conditions can see.

use std::cell::OnceCell;

use chrono::SecondsFormat;
use domain::{BotInfo, Contact, Execution, FlowInfo, InboundMessage, Time};
use minijinja::value::Serde;
use serde_json::{Value, json};

use crate::path::{Root, Variable};

/// What surrounds an execution while it is advanced.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The bot, for `bot.*`; its time zone also decides what a local time means.
    pub bot: &'a BotInfo,
    /// The flow, for `flow.*`.
    pub flow: &'a FlowInfo,
    /// The contact, for `contact.*`.
    pub contact: &'a Contact,
    /// The present. It stands still during a sprint.
    pub now: Time,
    /// Whether the message template of this name and language is known to be for marketing.
    pub is_marketing: &'a dyn Fn(&str, &str) -> bool,
    /// A stopwatch in microseconds that never runs backwards; measures how long steps take and nothing else.
    pub elapsed_us: &'a dyn Fn() -> i64,
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope")
            .field("bot", &self.bot.id)
            .field("flow", &self.flow.id)
            .field("contact", &self.contact.id)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

/// The variables of one sprint, converted only when something asks for them.
pub(crate) struct Variables<'a> {
    scope: &'a Scope<'a>,
    /// As JSON, as far as they are not the execution's.
    values: PerRoot<Value>,
    /// In the template engine's form.
    converted: PerRoot<minijinja::Value>,
    /// The contact as this sprint has changed it.
    contact: Option<Contact>,
}

/// What was made of roots so far.
#[derive(Debug)]
struct PerRoot<T>([OnceCell<T>; Root::COUNT]);

impl<T> Default for PerRoot<T> {
    fn default() -> Self {
        Self(std::array::from_fn(|_| OnceCell::new()))
    }
}

impl<T> PerRoot<T> {
    fn get_or(&self, root: Root, make: impl FnOnce() -> T) -> &T {
        self.0[root as usize].get_or_init(make)
    }

    fn forget(&mut self, root: Root) {
        self.0[root as usize].take();
    }
}

impl<'a> Variables<'a> {
    /// The variables of a sprint that begins.
    pub(crate) fn new(scope: &'a Scope<'a>) -> Self {
        Self { scope, values: PerRoot::default(), converted: PerRoot::default(), contact: None }
    }

    /// The contact as it is by now.
    pub(crate) fn contact(&self) -> &Contact {
        self.contact.as_ref().unwrap_or(self.scope.contact)
    }

    /// To be told when the contact was changed.
    pub(crate) fn contact_changed(&mut self, contact: Contact) {
        self.contact = Some(contact);
        self.values.forget(Root::Contact);
        self.converted.forget(Root::Contact);
    }

    /// To be told when the execution's state was changed.
    pub(crate) fn state_changed(&mut self) {
        self.values.forget(Root::State);
        self.converted.forget(Root::State);
    }

    /// To be told when the execution got a message.
    pub(crate) fn message_changed(&mut self) {
        self.values.forget(Root::Message);
        self.converted.forget(Root::Message);
    }

    /// The variables below these roots in the template engine's form.
    pub(crate) fn context(&self, execution: &Execution, roots: &[Root]) -> minijinja::Value {
        let converted = |root: &Root| {
            let value = self.converted.get_or(*root, || match root {
                // It changes with every other step, and need not be copied.
                Root::State => minijinja::Value::from(Serde(&execution.state)),
                root => minijinja::Value::from(Serde(self.value(*root, execution))),
            });
            (root.name(), value.clone())
        };
        minijinja::Value::from_pairs(roots.iter().map(converted))
    }

    /// The value of a variable, none when it is missing.
    pub(crate) fn lookup(&self, variable: &Variable, execution: &Execution) -> Option<Value> {
        let way = &variable.segments;
        let found = match variable.root {
            Root::State => {
                let Some((first, rest)) = way.split_first() else {
                    return Some(Value::Object(execution.state.clone()));
                };
                walk(execution.state.get(first)?, rest)
            }
            root => walk(self.value(root, execution), way),
        };
        found.cloned()
    }

    /// Everything that a plugin may know.
    pub(crate) fn surroundings(&self, execution: &Execution) -> Value {
        let value = |root| self.value(root, execution);
        let mut known = json!({
            "contact": value(Root::Contact),
            "bot": value(Root::Bot),
            "flow": value(Root::Flow),
            "execution": {"id": execution.id},
            "variables": execution.state,
            "now": value(Root::Now),
        });
        if execution.message.is_some() {
            known["message"] = value(Root::Message).clone();
        }
        known
    }

    fn value(&self, root: Root, execution: &Execution) -> &Value {
        let Scope { bot, flow, now, .. } = self.scope;
        self.values.get_or(root, || match root {
            Root::State => Value::Object(execution.state.clone()),
            Root::Contact => contact(self.contact()),
            Root::Message => message(execution.message.as_ref()),
            Root::Bot => json!({"id": bot.id, "name": bot.name, "timezone": bot.timezone}),
            Root::Flow => json!({"id": flow.id, "name": flow.name, "version": flow.version}),
            Root::Now => Value::String(local(*now, &bot.timezone)),
        })
    }
}

/// RFC 3339 with whole seconds, in the bot's time zone: what a person there would read off a clock.
pub fn local(now: Time, timezone: &str) -> String {
    match timezone.parse::<chrono_tz::Tz>() {
        Ok(zone) => now.with_timezone(&zone).to_rfc3339_opts(SecondsFormat::Secs, true),
        Err(_) => now.to_rfc3339_opts(SecondsFormat::Secs, true),
    }
}

/// The contact as flows see it. Fields that are not known are left out rather than null, so that `default("…")` works on them.
pub fn contact(contact: &Contact) -> Value {
    let first_name = filled(contact.first_name.as_deref())
        .or_else(|| contact.name.as_deref().and_then(|name| name.split_whitespace().next()));
    without_nulls(json!({
        "id": contact.id,
        "phone": contact.phone,
        "bsuid": contact.bsuid,
        "username": contact.username,
        "name": contact.name,
        "first_name": first_name,
        "last_name": contact.last_name,
        "email": contact.email,
        "language": contact.language,
        "timezone": contact.timezone,
        "tags": contact.tags,
        "attributes": contact.attributes,
        "source": contact.source,
        "opted_in": contact.opted_in,
        "created_at": contact.created_at.to_rfc3339_opts(SecondsFormat::Secs, true),
    }))
}

/// The message as flows see it.
pub fn message(message: Option<&InboundMessage>) -> Value {
    let Some(message) = message else { return json!({}) };
    without_nulls(json!({
        "id": message.id,
        "type": message.kind,
        "text": message.text,
        "reply_id": message.reply_id,
        "content": message.content,
        "context": message.context,
        "referral": message.referral,
        "error": message.error,
        "timestamp": message.timestamp.to_rfc3339_opts(SecondsFormat::Secs, true),
    }))
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, member| !member.is_null());
    }
    value
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.trim().is_empty())
}

/// The value at the end of a way.
pub(crate) fn walk<'v>(from: &'v Value, way: &[String]) -> Option<&'v Value> {
    way.iter().try_fold(from, |at, segment| match at {
        Value::Object(members) => members.get(segment),
        Value::Array(items) => items.get(segment.parse::<usize>().ok()?),
        _ => None,
    })
}
