//! Triggers.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(super) mod hook;
mod hook_rules;
mod input;
mod keep;
pub(super) mod list;
pub(super) mod logs;
pub(super) mod of_bot;
pub(super) mod preview;
mod rules;
pub(super) mod statistics;
pub(super) mod switch;
pub(super) mod test;
pub(super) mod types;
pub(super) mod update;

pub(crate) use keep::SIGNATURE_SECRET;

use chrono::{DateTime, Utc};
use domain::{BotId, FlowId, JsonMap, MatchType, TriggerId, TriggerRule};
use serde::Serialize;
use storage::TriggerRow;
use utoipa::ToSchema;

use crate::app::App;

/// A trigger as the API shows it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trigger)]
pub(super) struct TriggerView {
    #[schema(value_type = i64)]
    id: TriggerId,
    #[schema(value_type = i64)]
    bot_id: BotId,
    #[schema(value_type = i64)]
    flow_id: FlowId,
    name: String,
    /// The highest matching one wins, then the lowest id.
    priority: i64,
    is_active: bool,
    /// Whether a match ends an execution that waits for this contact's reply.
    interrupt: bool,
    /// What it watches for.
    #[serde(flatten)]
    #[schema(value_type = RuleView)]
    rule: TriggerRule,
    /// Path of its address, when requests fire it. Whoever knows it may call it.
    hook_path: Option<String>,
    /// The whole address; null when the server does not know its own (`PUBLIC_URL`).
    hook_url: Option<String>,
    /// Whether there is a secret that requests are signed with.
    has_signature_secret: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What a trigger watches for: the fields of its type.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only describes domain::TriggerRule")]
struct RuleView {
    /// `keyword`, `event`, `schedule`, `webhook` or `plugin`
    trigger_type: String,
    keywords: Option<Vec<String>>,
    /// `exact`, `contains`, `starts_with`, `ends_with` or `regex`
    match_type: Option<String>,
    case_sensitive: Option<bool>,
    /// `new_contact`, `message_received`, `opt_in`, `opt_out`, `flow_completed`, `flow_failed`, `message_failed` or `custom.…`
    event_type: Option<String>,
    #[schema(value_type = Option<Object>)]
    event_conditions: Option<JsonMap>,
    /// `once`, `daily`, `weekly`, `monthly` or `cron`
    schedule_type: Option<String>,
    schedule_time: Option<String>,
    schedule_date: Option<String>,
    schedule_datetime: Option<String>,
    /// As it was given: a name or a number.
    schedule_day_of_week: Option<String>,
    schedule_day_of_month: Option<i64>,
    cron_expression: Option<String>,
    schedule_timezone: Option<String>,
    contact_phones: Option<Vec<String>>,
    tags: Option<Vec<String>>,
    all: Option<bool>,
    /// `catch_up` or `skip`
    missed: Option<String>,
    /// JSON pointer to a list of events in the body of a request.
    items: Option<String>,
    /// Template of a contact's phone or business-scoped user id.
    contact: Option<String>,
    contact_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    initial_state: Option<JsonMap>,
    event_id: Option<String>,
    condition: Option<String>,
    /// `header`, `prefix`, `encoding`, `timestamp_header`, `tolerance_seconds`
    #[schema(value_type = Option<Object>)]
    signature: Option<JsonMap>,
    plugin: Option<String>,
    r#type: Option<String>,
    /// `matcher`, `webhook` or `poller`
    plugin_kind: Option<String>,
    #[schema(value_type = Option<Object>)]
    config: Option<JsonMap>,
    listens_to: Option<Vec<String>>,
    interval_seconds: Option<u32>,
}

impl TriggerView {
    /// A trigger with its address on this server.
    fn of(row: TriggerRow, app: &App) -> Self {
        let hook_path = row.hook_token.map(|token| format!("/hooks/{token}"));
        let base = app.config.triggers.public_url.as_deref();
        Self {
            hook_url: base.zip(hook_path.as_ref()).map(|(base, path)| format!("{base}{path}")),
            hook_path,
            has_signature_secret: row.hook_secret.is_some(),
            id: row.id,
            bot_id: row.bot_id,
            flow_id: row.flow_id,
            name: row.name,
            priority: row.priority,
            is_active: row.is_active,
            interrupt: row.interrupt,
            rule: row.rule,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The words for ways to compare.
const MATCH_TYPES: &[(&str, MatchType)] = &[
    ("exact", MatchType::Exact),
    ("contains", MatchType::Contains),
    ("starts_with", MatchType::StartsWith),
    ("ends_with", MatchType::EndsWith),
    ("regex", MatchType::Regex),
];
