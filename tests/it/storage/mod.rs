//! The contract of storage, on both databases.

mod account_events;
mod accounts;
mod bots;
mod consents;
mod contacts;
mod executions;
mod flows;
mod health;
mod hosts;
mod idempotency;
mod identity;
mod mailboxes;
mod media;
mod message_templates;
mod messages;
mod plugin_triggers;
mod plugin_values;
mod plugins;
mod rates;
mod retention;
mod rows;
mod schedules;
mod schema;
mod sending;
mod statistics;
mod statuses;
mod triggers;

use domain::{BotId, FlowId, JsonMap, NodeDefinition, Time};
use serde_json::{Value, json};
use storage::{BotSettings, FlowFields, NewUser, NodeFields, Tx, User};

/// An instant with as much precision as is kept.
fn now() -> Time {
    Time::from_timestamp_micros(1_800_000_000_123_456).unwrap()
}

async fn user(tx: &mut Tx, name: &str) -> User {
    let email = format!("{name}@example.com");
    let new = NewUser { username: name, email: &email, full_name: None, password_hash: "$argon2id$x" };
    tx.create_user(new, now()).await.unwrap()
}

fn settings(name: &str) -> BotSettings {
    BotSettings { name: name.into(), timezone: "UTC".into(), is_active: true, ..BotSettings::default() }
}

async fn bot(tx: &mut Tx, owner: &User, name: &str) -> BotId {
    tx.create_bot(owner.id, &settings(name), now()).await.unwrap().id
}

async fn flow(tx: &mut Tx, bot: BotId, name: &str) -> FlowId {
    let fields = FlowFields { name: name.into(), description: None, auto_publish: true };
    tx.create_flow(bot, &fields, now()).await.unwrap().id
}

fn node(position: i64, key: Option<&str>, config: Value) -> NodeFields {
    let key = key.map(str::to_owned);
    NodeFields::from(&NodeDefinition { position, key, kind: "end".into(), name: None, config })
}

fn object(value: Value) -> JsonMap {
    let Value::Object(object) = value else { panic!("an object") };
    object
}

/// JSON that is easily damaged on the way through a database.
fn odd_json() -> Value {
    json!({ "text": "ä\n\"\\ 🦀 \u{1}", "big": i64::MAX, "float": 1.5, "none": null, "deep": [[{}], [], true] })
}
