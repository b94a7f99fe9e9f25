//! Triggers.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
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
pub(super) mod update;

use chrono::{DateTime, Utc};
use domain::{BotId, FlowId, JsonMap, MatchType, TriggerId, TriggerRule};
use serde::Serialize;
use storage::TriggerRow;
use utoipa::ToSchema;

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
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// What a trigger watches for: the fields of its type.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only describes domain::TriggerRule")]
struct RuleView {
    /// `keyword`, `event` or `schedule`
    trigger_type: String,
    keywords: Option<Vec<String>>,
    /// `exact`, `contains`, `starts_with`, `ends_with` or `regex`
    match_type: Option<String>,
    case_sensitive: Option<bool>,
    /// `new_contact`, `message_received`, `opt_in`, `opt_out`, `flow_completed`, `flow_failed` or `message_failed`
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
}

impl From<TriggerRow> for TriggerView {
    fn from(row: TriggerRow) -> Self {
        Self {
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
