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
    fixed: OnceCell<Fixed>,
    context: Option<minijinja::Value>,
    /// The message in the template engine's form.
    message: Option<minijinja::Value>,
    /// The contact as this sprint has changed it.
    contact: Option<Contact>,
}

/// What does not change during a sprint.
struct Fixed {
    contact: Value,
    bot: Value,
    flow: Value,
    now: Value,
    converted: Vec<(&'static str, minijinja::Value)>,
}

impl<'a> Variables<'a> {
    /// The variables of a sprint that begins.
    pub(crate) fn new(scope: &'a Scope<'a>) -> Self {
        Self { scope, fixed: OnceCell::new(), context: None, message: None, contact: None }
    }

    /// The contact as it is by now.
    pub(crate) fn contact(&self) -> &Contact {
        self.contact.as_ref().unwrap_or(self.scope.contact)
    }

    /// To be told when the contact was changed.
    pub(crate) fn contact_changed(&mut self, contact: Contact) {
        self.contact = Some(contact);
        self.fixed = OnceCell::new();
        self.context = None;
    }

    /// To be told when the execution's state was changed.
    pub(crate) fn state_changed(&mut self) {
        self.context = None;
    }

    /// To be told when the execution got a message.
    pub(crate) fn message_changed(&mut self) {
        self.message = None;
        self.context = None;
    }

    /// All variables in the template engine's form. Cheap to clone.
    pub(crate) fn context(&mut self, execution: &Execution) -> minijinja::Value {
        if let Some(context) = &self.context {
            return context.clone();
        }
        let state = (Root::State.name(), minijinja::Value::from(Serde(&execution.state)));
        let message = || minijinja::Value::from(Serde(message(execution.message.as_ref())));
        let message = (Root::Message.name(), self.message.get_or_insert_with(message).clone());
        let context = minijinja::Value::from_pairs(self.fixed().converted.iter().cloned().chain([state, message]));
        self.context = Some(context.clone());
        context
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
            Root::Message => return walk(&message(execution.message.as_ref()), way).cloned(),
            Root::Contact => walk(&self.fixed().contact, way),
            Root::Bot => walk(&self.fixed().bot, way),
            Root::Flow => walk(&self.fixed().flow, way),
            Root::Now => walk(&self.fixed().now, way),
        };
        found.cloned()
    }

    /// Everything that a plugin may know.
    pub(crate) fn surroundings(&self, execution: &Execution) -> Value {
        let Fixed { contact, bot, flow, now, .. } = self.fixed();
        let mut known = json!({
            "contact": contact,
            "bot": bot,
            "flow": flow,
            "execution": {"id": execution.id},
            "variables": execution.state,
            "now": now,
        });
        if execution.message.is_some() {
            known["message"] = message(execution.message.as_ref());
        }
        known
    }

    fn fixed(&self) -> &Fixed {
        self.fixed.get_or_init(|| {
            let contact = contact(self.contact());
            let bot = json!({
                "id": self.scope.bot.id, "name": self.scope.bot.name, "timezone": self.scope.bot.timezone
            });
            let flow = json!({
                "id": self.scope.flow.id, "name": self.scope.flow.name, "version": self.scope.flow.version
            });
            let now = Value::String(local(self.scope.now, &self.scope.bot.timezone));
            let converted = [(Root::Contact, &contact), (Root::Bot, &bot), (Root::Flow, &flow), (Root::Now, &now)]
                .map(|(root, value)| (root.name(), minijinja::Value::from(Serde(value))))
                .into();
            Fixed { contact, bot, flow, now, converted }
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
