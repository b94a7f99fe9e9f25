//! The nouns of ChatBoost and what may legally happen to them.
//!
//! Plain data shared by the other crates: no I/O, no async, no clock of its own. A type belongs here only when at
//! least two crates speak of it; request and response bodies stay with their endpoint, rows stay in `storage`.

mod clock;
mod consent;
mod contact;
mod event;
mod execution;
mod fault;
mod flow;
mod hook;
mod host;
mod ids;
mod message;
pub mod plugin;
mod schedule;
mod trigger;
mod window;

pub use clock::{Clock, SystemClock, TestClock, Time};
pub use consent::ConsentSource;
pub use contact::{Address, AddressError, Contact};
pub use event::{CustomEvent, EventType};
pub use execution::{Effect, EffectOutcome, Execution, ExecutionStatus, HttpEffect, HttpReply};
pub use fault::Fault;
pub use flow::{BotInfo, FlowDefinition, FlowInfo, Issue, NodeDefinition, Severity};
pub use hook::{PluginRule, SignatureEncoding, SignatureRule, WebhookRule};
pub use host::HostRole;
pub use ids::{
    ApiKeyId, BotId, ContactId, ExecutionId, FlowId, HostId, ItemId, MessageId, NodeId, PluginId, TemplateId,
    TriggerId, UserId,
};
pub use message::{Delivery, DeliveryStatus, Direction, FailedMessage, InboundMessage, OutgoingMessage};
pub use schedule::{DayOfWeek, Missed, Schedule, ScheduleType};
pub use trigger::{MatchType, Trigger, TriggerRule};
pub use window::{Window, WindowFacts};

/// A JSON object, as used for flow state and contact attributes.
pub type JsonMap = serde_json::Map<String, serde_json::Value>;
