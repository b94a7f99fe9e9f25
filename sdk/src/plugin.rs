//! A plugin as a whole: its types behind one door.

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Capabilities, Cause, Contact, Context, Fault, Finding, Handling, HookRequest, Manifest, Matcher, Node, NodeSpec,
    Occurrence, Outcome, Poller, Recognition, Result, TriggerCall, TriggerKind, TriggerSpec, Visit, WebhookHandler,
    raw,
};

/// A plugin. [`plugin!`](crate::plugin!) implements it.
pub trait Plugin {
    /// What it consists of.
    const DEFINITION: Definition;
}

/// What a plugin consists of.
#[derive(Debug)]
pub struct Definition {
    /// Name, kebab case.
    pub name: &'static str,
    /// Semantic version.
    pub version: &'static str,
    /// Name for people.
    pub title: &'static str,
    /// What it is good for.
    pub description: &'static str,
    /// What it wants to use.
    pub capabilities: fn() -> Capabilities,
    /// Node types.
    pub nodes: &'static [NodeEntry],
    /// Trigger types.
    pub triggers: &'static [TriggerEntry],
}

impl Definition {
    /// The plugin's description of itself.
    pub fn manifest(&self) -> Manifest {
        Manifest {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            title: self.title.to_owned(),
            description: self.description.to_owned(),
            nodes: self.nodes.iter().map(|entry| (entry.spec)()).collect(),
            triggers: self.triggers.iter().map(|entry| (entry.spec)()).collect(),
            capabilities: (self.capabilities)(),
        }
    }

    /// Calls a node: enters it when there is no cause, else goes on after a wait.
    ///
    /// # Errors
    ///
    /// What the node says, or that there is no such node or its configuration cannot be read.
    pub fn node(&self, call: &raw::NodeCall, cause: Option<raw::Cause>) -> Result<raw::Step> {
        let entry = self.nodes.iter().find(|entry| (entry.name)() == call.node_type);
        let entry = entry.ok_or_else(|| unknown("node", &call.node_type))?;
        (entry.call)(call, cause)
    }

    /// Asks a matcher.
    ///
    /// # Errors
    ///
    /// What the trigger says, or that there is no such matcher or its configuration cannot be read.
    pub fn matches(&self, call: &raw::TriggerCall, occurrence: &raw::Occurrence) -> Result<Option<Recognition>> {
        match self.trigger(call, "matcher")?.door {
            Door::Matcher(door) => door(call, occurrence),
            _ => Err(unknown("matcher", &call.trigger_type)),
        }
    }

    /// Hands a request to a webhook handler.
    ///
    /// # Errors
    ///
    /// What the trigger says, or that there is no such handler or its configuration cannot be read.
    pub fn handle(&self, call: &raw::TriggerCall, request: &HookRequest) -> Result<Handling> {
        match self.trigger(call, "webhook handler")?.door {
            Door::Webhook(door) => door(call, request),
            _ => Err(unknown("webhook handler", &call.trigger_type)),
        }
    }

    /// Lets a poller look.
    ///
    /// # Errors
    ///
    /// What the trigger says, or that there is no such poller, or its configuration or cursor cannot be read.
    pub fn poll(&self, call: &raw::TriggerCall, cursor: Option<&str>) -> Result<raw::Finding> {
        match self.trigger(call, "poller")?.door {
            Door::Poller(door) => door(call, cursor),
            _ => Err(unknown("poller", &call.trigger_type)),
        }
    }

    fn trigger(&self, call: &raw::TriggerCall, what: &str) -> Result<&TriggerEntry> {
        let entry = self.triggers.iter().find(|entry| (entry.spec)().name == call.trigger_type);
        entry.ok_or_else(|| unknown(what, &call.trigger_type))
    }
}

fn unknown(what: &str, name: &str) -> Fault {
    Fault::permanent(format!("this plugin has no {what} {name}")).code("unknown_type")
}

/// A type of node, behind function pointers.
#[derive(Debug)]
pub struct NodeEntry {
    name: fn() -> String,
    spec: fn() -> NodeSpec,
    call: fn(&raw::NodeCall, Option<raw::Cause>) -> Result<raw::Step>,
}

impl NodeEntry {
    /// That of a node.
    pub const fn of<N: Node>() -> Self {
        Self { name: node_name::<N>, spec: node_spec::<N>, call: call_node::<N> }
    }
}

/// A type of trigger, behind function pointers.
#[derive(Debug)]
pub struct TriggerEntry {
    spec: fn() -> TriggerSpec,
    door: Door,
}

#[derive(Debug)]
enum Door {
    Matcher(fn(&raw::TriggerCall, &raw::Occurrence) -> Result<Option<Recognition>>),
    Webhook(fn(&raw::TriggerCall, &HookRequest) -> Result<Handling>),
    Poller(fn(&raw::TriggerCall, Option<&str>) -> Result<raw::Finding>),
}

impl TriggerEntry {
    /// That of a matcher.
    pub const fn matcher<T: Matcher>() -> Self {
        Self { spec: matcher_spec::<T>, door: Door::Matcher(call_matcher::<T>) }
    }

    /// That of a webhook handler.
    pub const fn webhook<T: WebhookHandler>() -> Self {
        Self { spec: webhook_spec::<T>, door: Door::Webhook(call_webhook::<T>) }
    }

    /// That of a poller.
    pub const fn poller<T: Poller>() -> Self {
        Self { spec: poller_spec::<T>, door: Door::Poller(call_poller::<T>) }
    }
}

fn node_name<N: Node>() -> String {
    N::spec().name
}

fn node_spec<N: Node>() -> NodeSpec {
    NodeSpec { config_schema: schema::<N>(), ..N::spec() }
}

fn matcher_spec<T: Matcher>() -> TriggerSpec {
    TriggerSpec { config_schema: schema::<T>(), kind: TriggerKind::Matcher, ..T::spec() }
}

fn webhook_spec<T: WebhookHandler>() -> TriggerSpec {
    TriggerSpec { config_schema: schema::<T>(), kind: TriggerKind::Webhook, ..T::spec() }
}

fn poller_spec<T: Poller>() -> TriggerSpec {
    TriggerSpec { config_schema: schema::<T>(), kind: TriggerKind::Poller, ..T::spec() }
}

/// The schema of a configuration, in one piece.
fn schema<T: JsonSchema>() -> Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.meta_schema = None;
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    // The title is the name of a type in the plugin's code, which means nothing to who configures it.
    schema.remove("title");
    schema.to_value()
}

fn call_node<N: Node>(call: &raw::NodeCall, cause: Option<raw::Cause>) -> Result<raw::Step> {
    let node: N = config(&call.config)?;
    let state = match call.state.as_deref() {
        Some(text) => Some(read("the state", text)?),
        None => None,
    };
    let mut visit = Visit {
        context: context(&call.context)?,
        call_id: call.call_id.clone(),
        state,
        actions: crate::Actions::default(),
        nobody: Contact::default(),
    };
    let outcome = match cause {
        None => node.execute(&mut visit)?,
        Some(cause) => node.resume(&mut visit, typed(cause)?)?,
    };
    finish(outcome, &visit)
}

fn typed(cause: raw::Cause) -> Result<Cause> {
    Ok(match cause {
        raw::Cause::Input(message) => Cause::Input(read("the message", &message)?),
        raw::Cause::TimedOut => Cause::TimedOut,
        raw::Cause::Elapsed => Cause::Elapsed,
        raw::Cause::Event(event) => Cause::Event(read("the event", &event)?),
        raw::Cause::Forced => Cause::Forced,
    })
}

fn finish<S: Serialize>(outcome: Outcome, visit: &Visit<S>) -> Result<raw::Step> {
    let state = match &visit.state {
        Some(state) if outcome.waits() => Some(write("the state", state)?),
        _ => None,
    };
    let actions = if visit.actions.is_empty() { None } else { Some(write("the actions", &visit.actions)?) };
    Ok(raw::Step { outcome, state, actions })
}

fn call_matcher<T: Matcher>(call: &raw::TriggerCall, occurrence: &raw::Occurrence) -> Result<Option<Recognition>> {
    let occurrence = match occurrence {
        raw::Occurrence::Message(message) => Occurrence::Message(read("the message", message)?),
        raw::Occurrence::Event(event) => Occurrence::Event(read("the event", event)?),
    };
    config::<T>(&call.config)?.matches(&trigger_call(call)?, &occurrence)
}

fn call_webhook<T: WebhookHandler>(call: &raw::TriggerCall, request: &HookRequest) -> Result<Handling> {
    config::<T>(&call.config)?.handle(&trigger_call(call)?, request)
}

fn call_poller<T: Poller>(call: &raw::TriggerCall, cursor: Option<&str>) -> Result<raw::Finding> {
    let cursor = match cursor {
        Some(text) => Some(read("the cursor", text)?),
        None => None,
    };
    let Finding { events, cursor, next_in_ms } = config::<T>(&call.config)?.poll(&trigger_call(call)?, cursor)?;
    let cursor = match cursor {
        Some(cursor) => Some(write("the cursor", &cursor)?),
        None => None,
    };
    let events = if events.is_empty() { None } else { Some(write("the events", &events)?) };
    Ok(raw::Finding { events, cursor, next_in_ms })
}

fn trigger_call(call: &raw::TriggerCall) -> Result<TriggerCall> {
    Ok(TriggerCall { context: context(&call.context)?, call_id: call.call_id.clone() })
}

fn config<T: DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|fault| Fault::config("", format!("the configuration cannot be read: {fault}")))
}

fn context(text: &str) -> Result<Context> {
    read("the context", text)
}

fn read<T: DeserializeOwned>(what: &str, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|fault| Fault::permanent(format!("{what} cannot be read: {fault}")).code("unreadable"))
}

fn write(what: &str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|fault| Fault::permanent(format!("{what} cannot be written: {fault}")))
}
