//! Bots.

pub(super) mod create;
pub(super) mod delete;
pub(super) mod get;
pub(crate) mod input;
pub(super) mod list;
pub(super) mod update;

use chrono::{DateTime, Utc};
use domain::BotId;
use serde::Serialize;
use storage::Bot;
use utoipa::ToSchema;

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
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Bot> for BotView {
    fn from(bot: Bot) -> Self {
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
            created_at: bot.created_at,
            updated_at: bot.updated_at,
        }
    }
}
