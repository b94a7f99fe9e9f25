//! `GET /plugins/{name}/logs`

use std::sync::Arc;

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use domain::BotId;
use serde::Serialize;
use serde_json::value::RawValue;
use storage::PluginLog;
use utoipa::ToSchema;

use super::{Place, seen};
use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        page::{List, Paging},
        problem::Result,
    },
};

/// A line that a plugin logged, or a failure that the host found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginLog)]
pub(in crate::http) struct LogView {
    id: i64,
    /// The bot it ran for; none when it is another user's.
    #[schema(value_type = Option<i64>)]
    bot_id: Option<BotId>,
    version: String,
    /// The call: the execution's id and its step, or the trigger's.
    call_id: String,
    /// `plugin` or `host`
    source: &'static str,
    /// `debug`, `info`, `warn` or `error`
    level: String,
    message: String,
    /// What the plugin logged with the line.
    #[schema(value_type = Option<Object>)]
    fields: Option<Box<RawValue>>,
    /// Panic message and backtrace; for the plugin's owner alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    at: DateTime<Utc>,
}

/// What a plugin logged for my bots, newest first, and where it failed.
///
/// The owner of a plugin that is shared also sees its failures for other users' bots, but not what it logged there.
#[utoipa::path(
    get, path = "/plugins/{name}/logs", tag = "plugins", operation_id = "plugin_logs",
    params(("name" = String, Path), Paging, ("bot_id" = Option<i64>, Query)),
    responses((status = OK, body = List<LogView>))
)]
pub(in crate::http) async fn logs(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
    Query(mut query): Query,
) -> Result<Json<List<LogView>>> {
    let paging = Paging::read(&mut query);
    let bot = query.id("bot_id").optional();
    query.finish()?;
    app.plugins.flush().await?;
    let mut tx = app.db.read().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let is_owner = plugin.owner_id == current.id;
    let page = tx.plugin_logs(plugin.id, current.id, is_owner, bot, paging.limit, paging.skip).await?;
    let mut own = std::collections::HashMap::new();
    for line in &page.items {
        if let std::collections::hash_map::Entry::Vacant(entry) = own.entry(line.bot_id) {
            entry.insert(tx.bot(current.id, line.bot_id).await?.is_some());
        }
    }
    let show = |line: PluginLog| LogView {
        id: line.id,
        bot_id: own.get(&line.bot_id).is_some_and(|own| *own).then_some(line.bot_id),
        version: line.version,
        call_id: line.call_id,
        source: line.source.as_str(),
        level: line.level,
        message: line.message,
        fields: line.fields.and_then(|fields| RawValue::from_string(fields).ok()),
        detail: line.detail.filter(|_| is_owner),
        at: line.at,
    };
    Ok(Json(paging.envelope(page, show)))
}
