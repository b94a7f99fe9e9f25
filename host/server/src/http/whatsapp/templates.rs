//! `GET /whatsapp/templates`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::BotId;
use serde::Serialize;
use serde_json::Value;
use storage::{MessageTemplate, MessageTemplateFilter};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::{Body, Query},
        page::Paging,
        problem::{Problem, Result},
    },
    templates::SyncError,
};

/// A message template in one language, as Meta describes it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageTemplate)]
pub(in crate::http) struct MessageTemplateView {
    id: i64,
    bot_id: i64,
    /// Meta's id.
    whatsapp_template_id: String,
    name: String,
    /// E.g. `en_US`.
    language: String,
    /// `MARKETING`, `UTILITY`, `AUTHENTICATION`, …
    category: String,
    /// `APPROVED`, `PENDING`, `REJECTED`, `PAUSED`, `DISABLED`, …
    status: String,
    /// Why it has this status, as far as Meta says.
    reason: Option<String>,
    /// `GREEN`, `YELLOW`, `RED` or `UNKNOWN`.
    quality: Option<String>,
    /// `POSITIONAL` or `NAMED`: whether its variables have numbers or names.
    parameter_format: &'static str,
    /// Header, body, footer and buttons, as Meta describes them.
    #[schema(value_type = Vec<Value>)]
    components: Value,
    /// When Meta last listed it.
    synced_at: DateTime<Utc>,
}

impl From<MessageTemplate> for MessageTemplateView {
    fn from(row: MessageTemplate) -> Self {
        Self {
            id: row.id,
            bot_id: row.bot_id.0,
            whatsapp_template_id: row.meta_id,
            name: row.name,
            language: row.language,
            category: row.category,
            status: row.status,
            reason: row.reason,
            quality: row.quality,
            parameter_format: if row.is_named { "NAMED" } else { "POSITIONAL" },
            components: row.components,
            synced_at: row.synced_at,
        }
    }
}

/// A page of templates, and how old it is.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MessageTemplateList {
    /// The items of this page.
    items: Vec<MessageTemplateView>,
    /// How many there are on all pages.
    total: i64,
    /// The page's size, as asked for.
    limit: i64,
    /// How many items were passed over.
    skip: i64,
    /// When the list was last fetched from Meta; null when it has changed since, and is fetched again.
    synced_at: Option<DateTime<Utc>>,
    /// Why the last try to fetch it failed.
    sync_error: Option<String>,
}

/// A word of Meta's, which are in upper case.
fn word(query: &mut Body, name: &'static str) -> Option<String> {
    query.text(name).one_line().max(40).optional().map(|word| word.to_ascii_uppercase())
}

/// The message templates of a bot's WhatsApp account, by name and language.
///
/// The list is fetched from Meta the first time, then kept, and brought up to date by webhooks and in the background.
#[utoipa::path(
    get, path = "/whatsapp/templates", tag = "whatsapp", operation_id = "list_message_templates",
    params(
        ("bot_id" = i64, Query),
        ("refresh" = Option<bool>, Query, description = "Fetch the list from Meta before answering"),
        ("name" = Option<String>, Query, description = "Only of this name"),
        ("language" = Option<String>, Query, description = "Only in this language"),
        ("status" = Option<String>, Query, description = "Only of this status"),
        ("category" = Option<String>, Query, description = "Only of this category"),
        Paging,
    ),
    responses(
        (status = OK, body = MessageTemplateList),
        (status = NOT_FOUND, description = "No such bot"),
        (status = CONFLICT, description = "The bot has no WhatsApp business account id or access token"),
        (status = BAD_GATEWAY, description = "Meta refused to give the list; `code` and `details` are Meta's"),
    )
)]
pub(in crate::http) async fn templates(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<MessageTemplateList>> {
    let bot = query.id::<BotId>("bot_id").needed();
    let refresh = query.boolean("refresh").optional().unwrap_or(false);
    let filter = MessageTemplateFilter {
        name: query.text("name").one_line().max(512).optional(),
        language: query.text("language").one_line().max(20).optional(),
        status: word(&mut query, "status"),
        category: word(&mut query, "category"),
    };
    let paging = Paging::read(&mut query);
    let Some(bot) = bot else { return Err(query.into()) };
    query.finish()?;

    let desk = app.work.templates();
    let mut tx = app.db.read().await?;
    let bot = tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    let known = desk.known(&mut tx, &bot).await?;
    tx.commit().await?;
    if desk.account(&bot).is_none() {
        return Err(SyncError::NoAccount.into());
    }
    // What was never fetched cannot be shown; what is old can, while it is fetched again.
    if refresh || known.is_none() || known.as_ref().is_some_and(|sync| sync.synced_at.is_none() && sync.error.is_some())
    {
        desk.refresh(&bot).await?;
    } else {
        desk.freshen(&bot, known.as_ref());
    }
    let mut tx = app.db.read().await?;
    let sync = desk.known(&mut tx, &bot).await?;
    let page = tx.message_templates(bot.id, &filter, paging.limit, paging.skip).await?;
    tx.commit().await?;
    Ok(Json(MessageTemplateList {
        items: page.items.into_iter().map(MessageTemplateView::from).collect(),
        total: page.total,
        limit: paging.limit,
        skip: paging.skip,
        synced_at: sync.as_ref().and_then(|sync| sync.synced_at),
        sync_error: sync.and_then(|sync| sync.error),
    }))
}
