//! For writing plugins of ChatBoost: nodes of flows and triggers that start them, as WebAssembly components.
//!
//! A plugin is a library crate of type `cdylib` with one dependency, this one. A node is a type that holds its
//! configuration, what it does, and a line that exports it:
//!
//! ```
//! use chatboost_sdk::prelude::*;
//!
//! /// Greets the contact by name.
//! #[config]
//! struct Hello {
//!     /// Said before the name.
//!     greeting: String,
//! }
//!
//! impl Node for Hello {
//!     type State = ();
//!
//!     fn spec() -> NodeSpec {
//!         NodeSpec::new("hello", "Say hello").exit("next", "Next")
//!     }
//!
//!     fn execute(&self, visit: &mut Visit) -> Result<Outcome> {
//!         let name = visit.contact().first_name.as_deref().unwrap_or("you").to_owned();
//!         visit.say(format!("{} {name}!", self.greeting));
//!         Ok(Outcome::next("next"))
//!     }
//! }
//!
//! plugin! { title: "Hello", nodes: [Hello] }
//! # fn main() {}
//! ```
//!
//! What a node returns is data: it never waits inside a call ([`Outcome`]), and what it asks for ([`Visit::say`],
//! [`Visit::set`], [`Visit::emit`], …) is committed together with the step or not at all. What it needs within the step
//! comes through [`http`], [`kv`], [`secrets`], [`log`], [`clock`], [`random`] and [`settings`], each only when the
//! manifest asks for it and the bot's owner agrees.
//!
//! Tests play a contact: see [`testing`].

// So that paths that the bindings write work in this crate, too.
#[cfg(target_family = "wasm")]
extern crate self as chatboost_sdk;

mod actions;
pub mod base64;
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub mod bindings;
mod bytes;
mod capability;
mod context;
mod export;
mod fault;
pub mod hex;
mod manifest;
mod node;
mod outgoing;
#[doc(hidden)]
pub mod plugin;
#[doc(hidden)]
pub mod raw;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
pub mod time;
mod trigger;
mod wishes;

// The host's side of the capabilities.
#[cfg(target_family = "wasm")]
use bindings::imports as host;
#[cfg(not(target_family = "wasm"))]
use testing::host;

pub use actions::{Actions, ContactChange, EmittedEvent};
pub use capability::{clock, http, kv, log, random, secrets, settings};
pub use chatboost_sdk_macros::{config, data};
pub use context::{Bot, Contact, Context, Event, Execution, Flow, Message};
pub use fault::{Fault, Result};
pub use manifest::{Example, Exit, Manifest, NodeSpec, TriggerKind, TriggerSpec};
pub use node::{Cause, Node, Outcome, Visit};
pub use outgoing::{ListRow, OutgoingMessage};
pub use schemars;
pub use serde;
pub use serde_json::{self, Map, Value, json};
pub use trigger::{
    Finding, Handling, HookRequest, Matcher, Occurrence, Poller, Recognition, TriggerCall, TriggerEvent, WebhookHandler,
};
pub use wishes::{Capabilities, ConfigKey, HttpRule, KvScopes, SecretWish};
#[cfg(target_family = "wasm")]
#[doc(hidden)]
pub use wit_bindgen;

/// What nearly every plugin needs.
pub mod prelude {
    pub use crate::{
        Capabilities, Cause, Event, Example, Fault, Finding, Handling, HookRequest, ListRow, Map, Matcher, Message,
        Node, NodeSpec, Occurrence, Outcome, OutgoingMessage, Poller, Recognition, Result, TriggerCall, TriggerEvent,
        TriggerSpec, Value, Visit, WebhookHandler, clock, config, data, http, json, kv, log, plugin, random, secrets,
        settings,
    };
}
