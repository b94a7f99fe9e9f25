//! Plugins: what one says of itself, what it was granted, how a call is told from another and what comes of it.

mod call;
mod catalogue;
mod change;
mod grant;
mod manifest;
mod visit;

pub use call::{
    Actions, ContactChange, EmittedEvent, FailureKind, NodeCause, NodeOutcome, NodeStep, PluginEffect, PluginFailure,
    PluginFault, PluginMessage, PluginOutcome, PluginPin, TriggerEvent,
};
pub use catalogue::{Catalogue, Usable};
pub use grant::{Grant, SecretBinding};
pub use manifest::{
    Capabilities, ConfigKey, Example, Exit, HttpRule, KvScopes, Manifest, NodeTypeSpec, SecretWish, TriggerKind,
    TriggerTypeSpec,
};
pub use visit::{PluginVisit, PluginWait};
