//! `POST /plugins/{name}/versions/{version}/try`

use std::sync::Arc;

use axum::{Json, extract::State};
use domain::{
    BotId, ContactId,
    plugin::{Capabilities, Manifest, NodeCause, PluginFailure, TriggerKind},
};
use plugin_host::{CallError, HookRequest, LogLine, Occurrence, OperatorPolicy, Usage};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    Place,
    grants::{missing, refused},
    seen,
};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Body,
        problem::{Problem, Result},
    },
    plugins::{Trial, TrialCall, TrialOutcome},
};

/// One call with given input.
#[derive(Debug, ToSchema)]
#[schema(as = PluginTrial)]
#[expect(dead_code, reason = "describes what `read` reads")]
pub(in crate::http) struct TrialInput {
    /// Node type to call; or else `trigger`.
    node: Option<String>,
    /// Trigger type to call.
    trigger: Option<String>,
    /// Configuration.
    #[schema(value_type = Option<Object>)]
    config: Option<Value>,
    /// Context as `context.schema.json` has it.
    #[schema(value_type = Option<Object>)]
    context: Option<Map<String, Value>>,
    /// Of a node: what its last call returned as state.
    #[schema(value_type = Option<Object>)]
    state: Option<Value>,
    /// Of a node: why it is called, `{"kind": "enter"}` when absent; else `input` or `event` with a `value`, `timed_out`,
    /// `elapsed` or `forced`.
    #[schema(value_type = Option<Object>)]
    cause: Option<Map<String, Value>>,
    /// Of a trigger: `{"message": {…}}` or `{"event": {…}}` for a matcher, `{"method", "path", "query", "headers", "body"}`
    /// for a webhook handler, the cursor for a poller.
    #[schema(value_type = Option<Object>)]
    input: Option<Value>,
    /// A bot of mine with whose grants, secrets and values it is called. Without one it may only do what needs no grant.
    bot_id: Option<i64>,
    /// A contact of that bot.
    contact_id: Option<i64>,
    /// Whether requests are really made. What the plugin keeps is never kept.
    #[schema(default = false)]
    allow_http: Option<bool>,
}

/// What came of a trial: one of `result`, `fault` and `failure`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginTrialOutcome)]
pub(in crate::http) struct TrialView {
    /// What the plugin answered: `step`, `recognition`, `handling` or `finding`.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Value>,
    /// What the plugin says went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<Value>,
    /// What the server found: it crashed, took too long, …; with panic message and backtrace for its owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    failure: Option<PluginFailure>,
    /// What it logged.
    #[schema(value_type = Vec<Object>)]
    logs: Vec<LogLine>,
    /// What this call used and was denied, in order: each a sentence that says which line is missing where.
    denials: Vec<String>,
    /// What it asks for and was not given, each as a line to be put into the grant.
    missing: Vec<String>,
    /// What it asks for and the operator does not allow.
    refused_by_operator: Vec<String>,
    /// What it cost.
    #[schema(value_type = Object)]
    usage: Usage,
}

/// Call a version once with given input, and see everything. Nothing is kept, sent or counted.
#[utoipa::path(
    post, path = "/plugins/{name}/versions/{version}/try", tag = "plugins", operation_id = "try_plugin",
    params(("name" = String, Path), ("version" = String, Path)), request_body = TrialInput,
    responses((status = OK, body = TrialView))
)]
pub(in crate::http) async fn trial(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
    mut body: Body,
) -> Result<Json<TrialView>> {
    let mut input = read(&mut body);
    let mut tx = app.db.read().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let version = tx.plugin_version(plugin.id, place.version()).await?;
    let version = version.ok_or_else(|| Problem::not_found("version of this plugin"))?;
    let call = call(&mut body, &mut input, &version.manifest);
    if let Some(bot) = input.bot
        && tx.bot(current.id, bot).await?.is_none()
    {
        body.fault("/bot_id", "there is no such bot");
    }
    if let Some(contact) = input.contact {
        let of_bot = tx.contact(current.id, contact).await?.is_some_and(|found| Some(found.bot_id) == input.bot);
        if !of_bot {
            body.fault("/contact_id", "there is no such contact of that bot");
        }
    }
    drop(tx);
    body.finish()?;
    let wanted = version.manifest.capabilities.clone();
    // Without a call the body has a fault.
    let call = call.ok_or_else(|| Problem::internal(&"a trial without a call"))?;
    let trial = Trial {
        user: current.id,
        bot: input.bot,
        contact: input.contact,
        allows_http: input.allow_http,
        config: input.config,
        context: Value::Object(input.context),
        call,
    };
    Ok(Json(match app.plugins.try_out(&plugin, version, trial).await? {
        Ok(outcome) => shown(outcome, &wanted, &app.config.plugins.policy),
        Err(failure) => TrialView {
            result: None,
            fault: None,
            failure: Some(PluginFailure { detail: None, ..failure }),
            logs: Vec::new(),
            denials: Vec::new(),
            missing: Vec::new(),
            refused_by_operator: Vec::new(),
            usage: Usage::default(),
        },
    }))
}

fn shown(outcome: TrialOutcome, wanted: &Capabilities, operator: &OperatorPolicy) -> TrialView {
    let TrialOutcome { result, usage, logs, denials, allowed } = outcome;
    let (result, fault, failure) = match result {
        Ok(result) => (Some(result), None, None),
        Err(CallError::Fault(fault)) => (None, Some(json!(fault)), None),
        Err(CallError::Failure(failure)) => (None, None, Some(failure)),
    };
    let (missing, refused_by_operator) = (missing(wanted, &allowed), refused(wanted, operator));
    TrialView { result, fault, failure, logs, denials, missing, refused_by_operator, usage }
}

/// What was read, before the manifest says what it means.
struct Input {
    node: Option<String>,
    trigger: Option<String>,
    config: Value,
    context: Map<String, Value>,
    state: Option<Value>,
    cause: Option<Map<String, Value>>,
    input: Option<Value>,
    bot: Option<BotId>,
    contact: Option<ContactId>,
    allow_http: bool,
}

fn read(body: &mut Body) -> Input {
    Input {
        node: body.text("node").optional(),
        trigger: body.text("trigger").optional(),
        config: body.any("config").optional().unwrap_or_else(|| json!({})),
        context: body.object("context").optional().unwrap_or_default(),
        state: body.any("state").optional(),
        cause: body.object("cause").optional(),
        input: body.any("input").optional(),
        bot: body.id("bot_id").optional(),
        contact: body.id("contact_id").optional(),
        allow_http: body.boolean("allow_http").optional().unwrap_or_default(),
    }
}

fn call(body: &mut Body, input: &mut Input, manifest: &Manifest) -> Option<TrialCall> {
    match (input.node.take(), input.trigger.take()) {
        (Some(node_type), None) if manifest.node(&node_type).is_some() => {
            let cause = input.cause.take().map_or(Ok(NodeCause::Enter), |cause| {
                serde_json::from_value(Value::Object(cause)).map_err(|error| format!("is no cause: {error}"))
            });
            match cause {
                Ok(cause) => Some(TrialCall::Node { node_type, state: input.state.take(), cause }),
                Err(fault) => {
                    body.fault("/cause", fault);
                    None
                }
            }
        }
        (Some(_), None) => {
            let known: Vec<_> = manifest.nodes.iter().map(|node| node.name.as_str()).collect();
            body.fault("/node", format!("is none of this plugin's node types: {}", known.join(", ")));
            None
        }
        (None, Some(name)) => {
            let Some(spec) = manifest.trigger(&name) else {
                let known: Vec<_> = manifest.triggers.iter().map(|trigger| trigger.name.as_str()).collect();
                body.fault("/trigger", format!("is none of this plugin's trigger types: {}", known.join(", ")));
                return None;
            };
            let given = input.input.take();
            match spec.kind {
                TriggerKind::Matcher => occurrence(body, given).map(|occurrence| TrialCall::Matches(name, occurrence)),
                TriggerKind::Webhook => request(body, given).map(|request| TrialCall::Handle(name, request)),
                TriggerKind::Poller => Some(TrialCall::Poll(name, given)),
            }
        }
        _ => {
            body.fault("", "name one of `node` and `trigger`");
            None
        }
    }
}

fn occurrence(body: &mut Body, given: Option<Value>) -> Option<Occurrence> {
    let found = match given {
        Some(Value::Object(mut object)) => match (object.remove("message"), object.remove("event")) {
            (Some(message), None) => Some(Occurrence::Message(message)),
            (None, Some(event)) => Some(Occurrence::Event(event)),
            _ => None,
        },
        _ => None,
    };
    if found.is_none() {
        body.fault("/input", "must be an object with either `message` or `event`");
    }
    found
}

fn request(body: &mut Body, given: Option<Value>) -> Option<HookRequest> {
    let Some(Value::Object(object)) = given else {
        body.fault("/input", "must be an object with `method`, `path`, `query`, `headers` and `body`");
        return None;
    };
    let mut given = Body::new(Value::Object(object));
    let headers = given.object("headers").optional().unwrap_or_default();
    let read = HookRequest {
        method: given.text("method").optional().unwrap_or_else(|| "POST".into()),
        path: given.text("path").optional().unwrap_or_default(),
        query: given.text("query").optional(),
        body: match given.any("body").optional() {
            None => Vec::new(),
            Some(Value::String(text)) => text.into_bytes(),
            Some(other) => other.to_string().into_bytes(),
        },
        headers: headers
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_ascii_lowercase(), value.as_str()?.to_owned())))
            .collect(),
    };
    let faults = given.into_faults();
    let is_sound = faults.is_empty();
    body.faults(faults.into_iter().map(|fault| fault.under("/input")));
    is_sound.then_some(read)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::body::assert_described;

    #[test]
    fn the_description_is_what_is_read() {
        assert_described::<TrialInput>(|body| drop(read(body)));
    }
}
