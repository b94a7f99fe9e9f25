//! Bots.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(crate) mod input;
pub(super) mod list;
pub(super) mod update;
mod words;

use chrono::{DateTime, Utc};
use domain::BotId;
use serde::Serialize;
use storage::{Bot, Health, WordLists};
use utoipa::ToSchema;

use crate::consent;

/// A bot as the API shows it: of its secrets only whether they are set.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Bot)]
pub(super) struct BotView {
    #[schema(value_type = i64)]
    id: BotId,
    name: String,
    description: Option<String>,
    /// IANA time zone.
    timezone: String,
    is_active: bool,
    is_whatsapp_enabled: bool,
    whatsapp_phone_number_id: Option<String>,
    whatsapp_business_account_id: Option<String>,
    has_whatsapp_access_token: bool,
    has_whatsapp_app_secret: bool,
    has_whatsapp_verify_token: bool,
    /// By language, what contacts write to get nothing more that they did not ask for.
    #[schema(value_type = Object)]
    stop_words: WordLists,
    /// By language, what contacts write to take that back.
    #[schema(value_type = Object)]
    start_words: WordLists,
    /// What a contact is answered who wrote a stop word.
    opt_out_reply: Option<String>,
    /// What a contact is answered who wrote a start word.
    opt_in_reply: Option<String>,
    /// Whether what contacts write is marked as read.
    mark_as_read: bool,
    /// Whether contacts see that an answer is being typed.
    typing_indicator: bool,
    /// Since when it has its number, if it had another one before: what contacts wrote until then opens no window.
    number_changed_at: Option<DateTime<Utc>>,
    /// Whether Meta lets it send.
    health: HealthView,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A bot's health, as Meta's answers and webhooks tell it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = BotHealth)]
struct HealthView {
    /// `ok`, or what is wrong: `credentials_invalid` (the token), `misconfigured` (a permission or the number's id),
    /// `restricted` (Meta blocked or limited the account), `payment`, `unregistered` (the number), `quality` (too many
    /// people blocked or reported the number).
    status: String,
    /// What waits until it is mended: `all` messages, `templates` or `nothing`.
    stops: &'static str,
    /// Since when it is so; null when it is `ok`.
    since: Option<DateTime<Utc>>,
    /// Meta's error code, where there was one.
    code: Option<i64>,
    /// Meta's words.
    detail: Option<String>,
}

impl From<Health> for HealthView {
    fn from(health: Health) -> Self {
        let Health { status, stops, code, detail, since, .. } = health;
        Self { status, stops: stops.as_str(), since, code, detail }
    }
}

impl From<Bot> for BotView {
    fn from(bot: Bot) -> Self {
        let (stop_words, start_words) = (consent::stop_words(&bot), consent::start_words(&bot));
        Self {
            id: bot.id,
            name: bot.name,
            description: bot.description,
            timezone: bot.timezone,
            is_active: bot.is_active,
            is_whatsapp_enabled: bot.is_whatsapp_enabled,
            whatsapp_phone_number_id: bot.whatsapp_phone_number_id,
            whatsapp_business_account_id: bot.whatsapp_business_account_id,
            has_whatsapp_access_token: bot.whatsapp_access_token.is_some(),
            has_whatsapp_app_secret: bot.whatsapp_app_secret.is_some(),
            has_whatsapp_verify_token: bot.whatsapp_verify_token.is_some(),
            stop_words,
            start_words,
            opt_out_reply: bot.opt_out_reply,
            opt_in_reply: bot.opt_in_reply,
            mark_as_read: bot.mark_as_read,
            typing_indicator: bot.typing_indicator,
            number_changed_at: bot.number_changed_at,
            health: bot.health.into(),
            created_at: bot.created_at,
            updated_at: bot.updated_at,
        }
    }
}
