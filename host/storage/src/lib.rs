//! The only SQL of the project. Every query is written once and runs on SQLite and on PostgreSQL.
//!
//! [`Db`] is a database, [`Tx`] a transaction on it; the verbs are methods of `Tx`, one file per noun. There are no
//! repository traits: there is one implementation, and tests use real databases.
//!
//! # Adding a query
//!
//! 1. Write a method on [`Tx`] in the noun's file, its body inside `on!` of `db`: the macro runs the same body on
//!    either database, each arm checked by the compiler on its own.
//! 2. Use `$1` placeholders, `RETURNING`, `ON CONFLICT … excluded`; `sqlx::types::Json` for JSON columns.
//! 3. Add a contract test in `tests/it/storage/`, which runs on both databases.
//!
//! # Rules that were learned the hard way
//!
//! * Lookups return `Option`: not finding is not an error here.
//! * `SUM` of integers is `NUMERIC` on PostgreSQL: `CAST(COALESCE(SUM(x), 0) AS BIGINT)`.
//! * PostgreSQL keeps microseconds and refuses NUL in texts: clocks cut to microseconds, inputs are cleaned before.
//! * Statements that touch several rows of a kind take them in id order, so that two hosts cannot deadlock.
//! * Statements over any number of rows or values take them by `rows.rs`, so that they stay prepared. They name no
//!   column of an index that they do not change: SQLite writes its entries anew.
//! * SQL assembled at run time is confined to `QueryBuilder`, `rows.rs` and `dialect.rs`.

mod account_events;
mod api_keys;
mod bots;
mod consents;
mod contact_changes;
mod contacts;
mod db;
mod dialect;
mod embedded;
mod error;
mod executions;
mod flow_statistics;
mod flows;
mod health;
mod histogram;
mod hooks;
mod hosts;
mod idempotency;
mod identity;
mod mailboxes;
mod media;
mod merging;
mod message_changes;
mod message_templates;
mod messages;
mod migrate;
mod moving;
mod nodes;
mod opening;
mod page;
mod plugins;
mod pollers;
mod rates;
mod retention;
mod rows;
mod schedules;
mod schema;
mod sending;
mod sightings;
mod signals;
mod statuses;
mod tally;
mod templates;
#[cfg(feature = "testing")]
pub mod testing;
mod trigger_statistics;
mod triggers;
mod users;
mod windows;

pub use account_events::{AccountEventRow, NewAccountEvent, NumberFacts};
pub use api_keys::ApiKey;
pub use bots::{Bot, BotSettings, WordLists};
pub use consents::{Consent, NewConsent};
pub use contacts::{ContactFields, ContactFilter};
pub use db::{Db, Tx, Unsynced};
pub use error::{Error, Result};
pub use executions::{ExecutionRow, NewExecution, StepRow};
pub use flow_statistics::{FlowDay, FlowScope, FlowTotals, LiveCount, NodeCount};
pub use flows::{Flow, FlowFields, FlowRemoval, VersionRow};
pub use health::{Health, Stops};
pub use histogram::Histogram;
pub use hooks::{Hook, HookSecret};
pub use hosts::Host;
pub use idempotency::{KeptRequest, RequestKey};
pub use identity::{Identity, United};
pub use mailboxes::{Arrival, Item, ItemKind, Mailbox, NewItem, Noted, Settled};
pub use media::{NewMedia, PendingMedia, StoredMedia};
pub use merging::Merge;
pub use message_changes::{ChangedMessage, Reaction};
pub use message_templates::{
    MessageTemplate, MessageTemplateFilter, NewMessageTemplate, TemplateChange, TemplateKey, TemplateSync,
};
pub use messages::{MessageFilter, MessageRow, NewInbound, NewOutbound, SendResult, Unsent};
pub use migrate::{Column, SchemaError, newest_schema};
pub use moving::{Move, MoveError, Moved, Progress};
pub use nodes::{Node, NodeFields, definition};
pub use opening::OpenError;
pub use page::Page;
pub use plugins::{
    HeldUsage, HeldValue, Holder, KeptOutcome, LogSource, NewPluginLog, NewPluginVersion, Plugin, PluginLog,
    PluginReference, PluginUsage, PluginVersion, ReferenceKind, SealedSecret, UsageKey, ValueCheck, ValueCommit,
    ValueExpiry, ValueLimits, ValueWrite, VersionHead, VisibleVersion,
};
pub use pollers::{DuePoller, Looked};
pub use retention::{Aging, Stride};
pub use schedules::DueSchedule;
pub use sending::Failed;
pub use sightings::{Seen, Sighting, Sightings};
pub use signals::Listener;
pub use statuses::{Folded, Participation, StatusReport};
pub use tally::{Decision, Tally, day_of};
pub use templates::{NewTemplate, Template};
pub use trigger_statistics::{TriggerDay, TriggerLog, TriggerTotals};
pub use triggers::{TriggerFields, TriggerRow};
pub use users::{NewUser, Role, User};

/// Wraps what is stored as JSON.
pub use sqlx::types::Json;
