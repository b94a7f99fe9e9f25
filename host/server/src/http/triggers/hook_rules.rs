//! What a client may say of triggers that requests fire, and of those of plugins.

use domain::{Fault, JsonMap, PluginRule, SignatureRule, UserId, WebhookRule, plugin::TriggerKind};
use engine::Schema;
use serde_json::Value;

use crate::{
    app::App,
    http::{
        body::Body,
        problem::{Problem, Result},
    },
};

/// Most characters of a template or a pointer.
const TEMPLATE_CHARS: usize = 4_000;
/// Most characters of a name of a plugin, a type, a header, an event.
const NAME_CHARS: usize = 100;
/// Most variables that a flow is started with.
const VARIABLES_MAX: usize = 200;
/// Most things that a matcher listens to.
const LISTENS_TO_MAX: usize = 50;
/// Most characters of a secret.
const SECRET_CHARS: usize = 500;
/// Fewest characters of a secret: less can be guessed.
const SECRET_CHARS_MIN: usize = 8;
/// Longest tolerance of a signature's time, in seconds.
const TOLERANCE_SECONDS_MAX: u32 = 86_400;
/// Seconds between two looks of a poller unless the plugin or the trigger says otherwise.
const POLL_SECONDS: u32 = 300;
/// Longest time between two looks, in seconds.
const POLL_SECONDS_MAX: i64 = 30 * 86_400;

/// Reads what a webhook trigger has.
pub(super) fn webhook(body: &mut Body, rule: &mut WebhookRule, is_new: bool) {
    body.text("contact").max(TEMPLATE_CHARS).set(&mut rule.contact, is_new);
    for (name, target) in [
        ("contact_name", &mut rule.contact_name),
        ("event_id", &mut rule.event_id),
        ("condition", &mut rule.condition),
        ("items", &mut rule.items),
    ] {
        body.text(name).or_empty().max(TEMPLATE_CHARS).set_optional(target);
    }
    let few = |state: &JsonMap| match state.len() {
        n if n > VARIABLES_MAX => Err(format!("must have at most {VARIABLES_MAX} variables, not {n}")),
        _ => Ok(()),
    };
    if let Some(state) = body.object("initial_state").check(few).patch() {
        rule.initial_state = state.unwrap_or_default();
    }
    body.object("signature").and_then(|object| signature(Value::Object(object))).set_optional(&mut rule.signature);
}

fn signature(value: Value) -> std::result::Result<SignatureRule, String> {
    let mut rule: SignatureRule = serde_json::from_value(value).map_err(|error| error.to_string())?;
    rule.header.make_ascii_lowercase();
    if let Some(name) = &mut rule.timestamp_header {
        name.make_ascii_lowercase();
    }
    let is_name = |name: &str| {
        !name.is_empty() && name.len() <= NAME_CHARS && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if !is_name(&rule.header) || rule.timestamp_header.as_deref().is_some_and(|name| !is_name(name)) {
        return Err("names a header that cannot be one".into());
    }
    if rule.prefix.chars().count() > NAME_CHARS {
        return Err(format!("has a prefix of more than {NAME_CHARS} characters"));
    }
    match (&rule.timestamp_header, rule.tolerance_seconds) {
        (Some(_), Some(1..=TOLERANCE_SECONDS_MAX)) | (None, None) => Ok(rule),
        (Some(_), None) => Err("has a timestamp_header and needs tolerance_seconds".into()),
        (Some(_), Some(_)) => Err(format!("has tolerance_seconds that are not from 1 to {TOLERANCE_SECONDS_MAX}")),
        (None, Some(_)) => Err("has tolerance_seconds and needs a timestamp_header".into()),
    }
}

/// Reads the secret that requests are signed with: nothing when it is to stay, `Some(None)` when it is to go.
pub(super) fn secret(body: &mut Body) -> Option<Option<String>> {
    body.text("signature_secret").min(SECRET_CHARS_MIN).max(SECRET_CHARS).patch()
}

/// A trigger that checks signatures needs a secret to check them with.
pub(super) fn check_secret(rule: &domain::TriggerRule, has_secret: bool) -> Result<()> {
    match rule {
        domain::TriggerRule::Webhook(WebhookRule { signature: Some(_), .. }) if !has_secret => {
            Err(Problem::invalid(vec![Fault::new("/signature_secret", "is needed to check signatures")]))
        }
        _ => Ok(()),
    }
}

/// A plugin's trigger that says nothing yet.
pub(super) fn blank_plugin() -> PluginRule {
    PluginRule {
        plugin: String::new(),
        trigger_type: String::new(),
        kind: TriggerKind::Matcher,
        config: Value::Object(JsonMap::new()),
        listens_to: Vec::new(),
        interval_seconds: None,
    }
}

/// Reads what a plugin's trigger has. Whether it fits the plugin shows [`fit`].
pub(super) fn plugin(body: &mut Body, rule: &mut PluginRule, is_new: bool) {
    body.text("plugin").one_line().min(1).max(NAME_CHARS).set(&mut rule.plugin, is_new);
    body.text("type").one_line().min(1).max(NAME_CHARS).set(&mut rule.trigger_type, is_new);
    body.object("config").map(Value::Object).set(&mut rule.config, false);
    if let Some(what) = body.texts("listens_to", LISTENS_TO_MAX, NAME_CHARS).patch() {
        rule.listens_to = what.unwrap_or_default();
    }
    let seconds = body.integer("interval_seconds").within(1, POLL_SECONDS_MAX);
    if let Some(seconds) = seconds.patch() {
        rule.interval_seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    }
}

/// Checks a plugin's trigger against what the owner of the bot can use, and completes it from the manifest.
pub(super) async fn fit(app: &App, owner: UserId, rule: &mut PluginRule) -> Result<()> {
    let catalogue = app.plugins.catalogue(owner).await?;
    let Some(usable) = catalogue.get(&rule.plugin) else {
        let detail = if catalogue.is_disabled(&rule.plugin) { "is switched off" } else { "is no plugin that you have" };
        return Err(Problem::invalid(vec![Fault::new("/plugin", detail)]));
    };
    let Some(spec) = usable.manifest.trigger(&rule.trigger_type) else {
        let known: Vec<&str> = usable.manifest.triggers.iter().map(|spec| spec.name.as_str()).collect();
        let detail = match known.is_empty() {
            true => "the plugin has no triggers".to_owned(),
            false => format!("is no trigger of the plugin; there are {}", known.join(", ")),
        };
        return Err(Problem::invalid(vec![Fault::new("/type", detail)]));
    };
    rule.kind = spec.kind;
    let mut faults = Vec::new();
    match Schema::compile(&spec.config_schema) {
        Ok(schema) => {
            let misfits = schema.misfits(&rule.config).into_iter();
            faults.extend(misfits.map(|(at, detail)| Fault::new(format!("/config{at}"), detail)));
        }
        Err(fault) => faults.push(Fault::new("/type", format!("the plugin's schema cannot be used: {fault}"))),
    }
    if rule.kind == TriggerKind::Matcher {
        if rule.listens_to.is_empty() {
            rule.listens_to.push(PluginRule::MESSAGE.to_owned());
        }
        for (n, what) in rule.listens_to.iter().enumerate().filter(|(_, what)| !can_be_heard(what)) {
            let detail = format!("`{what}` is none of message, new_contact, opt_in, opt_out and custom.…");
            faults.push(Fault::new(format!("/listens_to/{n}"), detail));
        }
    } else {
        rule.listens_to.clear();
    }
    if rule.kind == TriggerKind::Poller {
        let least = app.config.triggers.poll_seconds_min;
        match rule.interval_seconds {
            Some(seconds) if seconds < least => {
                faults.push(Fault::new("/interval_seconds", format!("must be at least {least} on this server")));
            }
            Some(_) => {}
            None => rule.interval_seconds = Some(spec.interval_seconds.unwrap_or(POLL_SECONDS).max(least)),
        }
    } else {
        rule.interval_seconds = None;
    }
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}

fn can_be_heard(what: &str) -> bool {
    ["message", "new_contact", "opt_in", "opt_out"].contains(&what) || domain::CustomEvent::parse(what).is_some()
}
