//! Triggers: what starts flows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{Context, Event, Fault, Message, Result, TriggerSpec};

/// A trigger that says whether a message or an event is meant for it.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// /// Messages in capitals.
/// #[config]
/// struct Shouting {}
///
/// impl Matcher for Shouting {
///     fn spec() -> TriggerSpec {
///         TriggerSpec::new("shouting", "Shouting")
///     }
///
///     fn matches(&self, _call: &TriggerCall, occurrence: &Occurrence) -> Result<Option<Recognition>> {
///         let Occurrence::Message(message) = occurrence else { return Ok(None) };
///         let shouts = message.text.chars().any(char::is_alphabetic) && !message.text.chars().any(char::is_lowercase);
///         Ok(shouts.then(|| Recognition::sure().reason("all letters are capitals")))
///     }
/// }
/// ```
pub trait Matcher: DeserializeOwned + JsonSchema {
    /// What the trigger type is called, and its examples.
    fn spec() -> TriggerSpec;

    /// Whether the trigger is meant; none when it is not.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the trigger does not match, and the fault is in its log.
    fn matches(&self, call: &TriggerCall, occurrence: &Occurrence) -> Result<Option<Recognition>>;
}

/// A trigger that takes HTTP requests of other services.
pub trait WebhookHandler: DeserializeOwned + JsonSchema {
    /// What the trigger type is called, and its examples.
    fn spec() -> TriggerSpec;

    /// Verifies a request and says what it means.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the caller is answered 503 when another attempt is worth while, otherwise 500. A request that is not what
    /// it should be is no fault: answer it with 401 or 422.
    fn handle(&self, call: &TriggerCall, request: &HookRequest) -> Result<Handling>;
}

/// A trigger that looks for what is new, from time to time.
pub trait Poller: DeserializeOwned + JsonSchema {
    /// Tells how far it has looked.
    type Cursor: Serialize + DeserializeOwned;

    /// What the trigger type is called, how often it looks, and its examples.
    fn spec() -> TriggerSpec;

    /// Looks for what is new since the cursor; none at the first look.
    ///
    /// # Errors
    ///
    /// [`Fault`]: the cursor stays, and the next look is the next attempt.
    fn poll(&self, call: &TriggerCall, cursor: Option<Self::Cursor>) -> Result<Finding<Self::Cursor>>;
}

/// What a call of a trigger knows.
#[derive(Debug, Clone, Default)]
pub struct TriggerCall {
    /// Bot, and contact where there is one.
    pub context: Context,
    /// The same for a call that is repeated after a crash, and for no other.
    pub call_id: String,
}

/// What a matcher is asked about.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Occurrence {
    /// A contact wrote.
    Message(Message),
    /// Something happened.
    Event(Event),
}

/// That a matcher recognised something.
#[derive(Debug, Clone, PartialEq)]
pub struct Recognition {
    /// How sure it is, from 0 to 1. Among triggers of the same priority the surest wins.
    pub score: f64,
    /// What it extracted: the flow's initial variables.
    pub extracted: Map<String, Value>,
    /// Sentence for the person who tests the trigger.
    pub reason: Option<String>,
}

impl Recognition {
    /// Nothing surer than this.
    pub fn sure() -> Self {
        Self::with_score(1.0)
    }

    /// So sure, from 0 to 1.
    pub fn with_score(score: f64) -> Self {
        Self { score, extracted: Map::new(), reason: None }
    }

    /// Something that was extracted.
    pub fn extract(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.extracted.insert(name.into(), value.into());
        self
    }

    /// Why, for the person who tests the trigger.
    pub fn reason(mut self, text: impl Into<String>) -> Self {
        self.reason = Some(text.into());
        self
    }
}

/// An HTTP request as it came in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HookRequest {
    /// `GET`, `POST`, …
    pub method: String,
    /// What follows the hook's token in the path, with its leading slash; empty when nothing does.
    pub path: String,
    /// The query without its question mark, as it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Names in lower case, in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body, byte for byte.
    #[serde(with = "crate::bytes")]
    pub body: Vec<u8>,
}

impl HookRequest {
    /// The first value of a header; the name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    ///
    /// A sentence that says where it is not what it should be, fit to be answered with [`Handling::refuse`].
    pub fn json<T: DeserializeOwned>(&self) -> std::result::Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|fault| format!("the body cannot be read: {fault}"))
    }
}

/// What a request brings about: its answer, given after the events are stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Handling {
    /// Status code, 200 to 599.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// Each starts the trigger's flow with a contact.
    pub events: Vec<TriggerEvent>,
}

impl Handling {
    /// 204, and nothing happens.
    pub fn nothing() -> Self {
        Self::answer(204, "")
    }

    /// 204, and the flow starts with the contact of the event.
    pub fn start(event: TriggerEvent) -> Self {
        Self { events: vec![event], ..Self::nothing() }
    }

    /// An answer in words.
    pub fn answer(status: u16, text: impl Into<String>) -> Self {
        let body = text.into().into_bytes();
        let headers =
            if body.is_empty() { vec![] } else { vec![("content-type".into(), "text/plain; charset=utf-8".into())] };
        Self { status, headers, body, events: vec![] }
    }

    /// The same as [`answer`](Self::answer), for requests that are not what they should be.
    pub fn refuse(status: u16, reason: impl Into<String>) -> Self {
        Self::answer(status, reason)
    }

    /// An answer in JSON.
    ///
    /// # Errors
    ///
    /// [`Fault::Permanent`] when the value cannot be JSON.
    pub fn json(status: u16, body: &impl Serialize) -> Result<Self> {
        let body = serde_json::to_vec(body).map_err(|fault| Fault::permanent(fault.to_string()))?;
        Ok(Self { status, headers: vec![("content-type".into(), "application/json".into())], body, events: vec![] })
    }

    /// One more event.
    pub fn event(mut self, event: TriggerEvent) -> Self {
        self.events.push(event);
        self
    }
}

/// Starts the trigger's flow with a contact.
///
/// ```
/// use chatboost_sdk::prelude::*;
///
/// let event = TriggerEvent::new("+49 151 000").named("Ada").id("order-7").with("order", json!({ "total": 12 }));
/// assert_eq!(event.initial_state["order"]["total"], 12);
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TriggerEvent {
    /// Phone or business-scoped id of the contact; made when unknown.
    pub contact: String,
    /// Name for a contact that is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contact_name: Option<String>,
    /// Initial variables.
    #[serde(default)]
    pub initial_state: Map<String, Value>,
    /// An event with an id that this trigger has seen is passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl TriggerEvent {
    /// For the contact with this phone or business-scoped id.
    pub fn new(contact: impl Into<String>) -> Self {
        Self { contact: contact.into(), contact_name: None, initial_state: Map::new(), id: None }
    }

    /// A name, in case the contact is made.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.contact_name = Some(name.into());
        self
    }

    /// What tells it from others: when it comes again, it is passed over.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// An initial variable.
    pub fn with(mut self, name: impl Into<String>, value: impl Into<Value>) -> Self {
        self.initial_state.insert(name.into(), value.into());
        self
    }
}

/// What a look brings.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding<C> {
    /// Each starts the trigger's flow with a contact.
    pub events: Vec<TriggerEvent>,
    /// Handed to the next look, stored together with the events. With none the next look is a first look again.
    pub cursor: Option<C>,
    /// When to look next, in milliseconds from now; the trigger's interval when none.
    pub next_in_ms: Option<u64>,
}

impl<C> Finding<C> {
    /// What was found, and how far was looked.
    pub fn new(events: Vec<TriggerEvent>, cursor: C) -> Self {
        Self { events, cursor: Some(cursor), next_in_ms: None }
    }

    /// Look again so soon, e.g. because there is more.
    pub fn again_in_ms(mut self, ms: u64) -> Self {
        self.next_in_ms = Some(ms);
        self
    }
}
