//! The world of a test.

use std::{fmt, path::Path, rc::Rc, time::Duration};

use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Engine, Play,
    clock::Clock,
    component::Component,
    fake_http::{Scripted, Shared},
    native::Native,
    protocol::{Call, CallResult, Entry, Returned, World},
    store,
};
use crate::{Contact, Context, Execution, Fault, Flow, Manifest, Message, http::Request, kv::Scope, plugin::Plugin};

/// The environment variable that makes [`Harness::of`] run a component.
const COMPONENT: &str = "CHATBOOST_TEST_COMPONENT";

/// A plugin and the world that it finds: a contact, a bot, a flow, the time, what is stored, and web services that answer.
///
/// Everything that the manifest wants is granted, and nothing else. It is 9 o'clock on Monday, 2 March 2026, in UTC, and the
/// contact is Ada, unless a test says otherwise.
pub struct Harness {
    engine: Box<dyn Engine>,
    manifest: Manifest,
    context: Context,
    world: World,
    clock: Clock,
    http: Shared,
    calls: u64,
}

/// What a call of a trigger returns.
pub type Answered<T> = Result<T, Problem>;

/// That a call came to nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Problem {
    /// The plugin says so.
    Fault(Fault),
    /// The host says so: a panic, and with a component a time-out, too much memory, …
    Failure {
        /// `trapped`, `timed_out`, `out_of_memory`, `denied`, …
        failure: String,
        /// Sentence for people.
        message: String,
        /// Panic message, backtrace.
        detail: Option<String>,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fault(fault) => write!(f, "{fault}"),
            Self::Failure { failure, message, detail } => {
                write!(f, "{failure}: {message} {}", detail.as_deref().unwrap_or_default())
            }
        }
    }
}

impl std::error::Error for Problem {}

impl Harness {
    /// The plugin as it is; or the component that `CHATBOOST_TEST_COMPONENT` names, when it does.
    pub fn of<P: Plugin>() -> Self {
        match std::env::var(COMPONENT) {
            Ok(path) if !path.is_empty() => Self::component(path),
            _ => Self::native::<P>(),
        }
    }

    /// The plugin as it is, whatever the environment says.
    pub fn native<P: Plugin>() -> Self {
        Self::new(Box::new(Native::new(P::DEFINITION)))
    }

    /// A component, run by `chatboost plugin harness`; the environment variable `CHATBOOST` says where that program is.
    ///
    /// # Panics
    ///
    /// When the program or the component cannot be used.
    pub fn component(path: impl AsRef<Path>) -> Self {
        Self::new(Box::new(Component::open(path.as_ref())))
    }

    fn new(engine: Box<dyn Engine>) -> Self {
        let contact = Contact {
            id: 1,
            phone: Some("4915112345678".to_owned()),
            name: Some("Ada Lovelace".to_owned()),
            first_name: Some("Ada".to_owned()),
            source: Some("whatsapp".to_owned()),
            opted_in: true,
            created_at: "2026-01-01T00:00:00Z".to_owned(),
            ..Contact::default()
        };
        let context = Context {
            bot: crate::Bot { id: 1, name: "Test bot".to_owned(), timezone: "UTC".to_owned() },
            contact: Some(contact),
            flow: Some(Flow { id: 1, name: "Test flow".to_owned(), version: 1 }),
            execution: Some(Execution { id: 1 }),
            ..Context::default()
        };
        let manifest = engine.manifest();
        let clock = Clock::parse("2026-03-02T09:00:00Z").unwrap_or_else(|| unreachable!("it is a time"));
        Self { engine, manifest, context, world: World::default(), clock, http: Rc::default(), calls: 0 }
    }

    /// What the plugin says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What calls are told, to be changed.
    pub fn context(&mut self) -> &mut Context {
        &mut self.context
    }

    /// The contact, to be changed.
    pub fn contact(&mut self) -> &mut Contact {
        self.context.contact.get_or_insert_default()
    }

    /// Variables of the execution. What nodes set is among them.
    pub fn variables(&mut self) -> &mut Map<String, Value> {
        &mut self.context.variables
    }

    /// Sets the time: RFC 3339 with seconds, in the bot's time zone, e.g. `2026-11-22T09:00:00+01:00`.
    ///
    /// # Panics
    ///
    /// When the text is no such time.
    #[track_caller]
    pub fn at(&mut self, time: &str) -> &mut Self {
        self.clock = Clock::parse(time).unwrap_or_else(|| panic!("{time} is no time like 2026-11-22T09:00:00+01:00"));
        self
    }

    /// Lets time pass.
    pub fn advance(&mut self, time: Duration) -> &mut Self {
        self.clock.advance(time);
        self
    }

    /// Stores a secret.
    pub fn secret(&mut self, name: &str, value: &str) -> &mut Self {
        self.world.secrets.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Makes a setting.
    pub fn setting(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        self.world.settings.insert(key.to_owned(), value.into());
        self
    }

    /// Makes other randomness.
    pub fn seed(&mut self, seed: u64) -> &mut Self {
        self.world.seed = seed;
        self
    }

    /// Stores a value.
    ///
    /// # Panics
    ///
    /// When the value cannot be JSON, or the key is none.
    #[track_caller]
    pub fn store(&mut self, scope: Scope, key: &str, value: &impl Serialize) -> &mut Self {
        let value = serde_json::to_vec(value).unwrap_or_else(|fault| panic!("a value that cannot be JSON: {fault}"));
        self.world.now_ms = self.clock.now_ms();
        store::set(&mut self.world, scope, key, &value, None).unwrap_or_else(|fault| panic!("{fault}"));
        self
    }

    /// A stored value.
    ///
    /// # Panics
    ///
    /// When it is of another type.
    #[track_caller]
    pub fn stored<T: DeserializeOwned>(&mut self, scope: Scope, key: &str) -> Option<T> {
        self.world.now_ms = self.clock.now_ms();
        let entry = store::get(&self.world, scope, key).unwrap_or_else(|fault| panic!("{fault}"))?;
        Some(serde_json::from_slice(&entry.value).unwrap_or_else(|fault| panic!("the value of {key}: {fault}")))
    }

    /// Answers one request, after those that were scripted before. A request that nothing answers fails the test.
    pub fn answers(&mut self, scripted: Scripted) -> &mut Self {
        self.http.borrow_mut().script(scripted);
        self
    }

    /// Removes all stored values.
    pub fn forget(&mut self) -> &mut Self {
        self.world.kv.clear();
        self
    }

    /// All requests so far, secrets in place.
    pub fn requests(&self) -> Vec<Request> {
        self.http.borrow().asked.clone()
    }

    /// A node with its configuration, for a contact to come to.
    pub fn node(&mut self, node_type: &str, config: Value) -> Play<'_> {
        Play::new(self, node_type, config)
    }

    /// Makes a call, and keeps what it stored.
    #[track_caller]
    pub(crate) fn call(&mut self, entry: Entry, config: Value) -> Returned {
        self.calls += 1;
        self.world.now_ms = self.clock.now_ms();
        self.context.now = self.clock.text();
        let mut context = self.context.clone();
        if !matches!(entry, Entry::Node { .. }) {
            (context.flow, context.execution) = (None, None);
            context.variables.clear();
        }
        if matches!(entry, Entry::Webhook { .. } | Entry::Poller { .. }) {
            context.contact = None;
        }
        let call = Call {
            entry,
            config,
            context: json!(context),
            call_id: format!("call-{}", self.calls),
            world: self.world.clone(),
        };
        let returned = self.engine.call(call, &self.http);
        self.world.kv.clone_from(&returned.kv);
        let complaints = std::mem::take(&mut self.http.borrow_mut().complaints);
        assert!(complaints.is_empty(), "{}", complaints.join("; "));
        returned
    }

    /// A message with what the server would add.
    pub(crate) fn complete(&self, mut message: Message) -> Value {
        if message.timestamp.is_empty() {
            message.timestamp = self.clock.text();
        }
        json!(message)
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl fmt::Debug for Harness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Harness")
            .field("plugin", &self.manifest.name)
            .field("context", &self.context)
            .field("world", &self.world)
            .finish_non_exhaustive()
    }
}

impl Drop for Harness {
    fn drop(&mut self) {
        let left_over = self.http.borrow().left_over();
        if !left_over.is_empty() && !std::thread::panicking() {
            panic!("nobody asked for {}", left_over.join(", "));
        }
    }
}

/// What went wrong, of a result that is not the expected one.
pub(crate) fn problem(result: CallResult) -> Problem {
    match result {
        CallResult::Fault { fault } => Problem::Fault(fault),
        CallResult::Failure { failure, message, detail } => Problem::Failure { failure, message, detail },
        other => panic!("a call returned what belongs to another: {other:?}"),
    }
}
