//! `GET /plugins/{name}/metrics`

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use chrono::NaiveDate;
use domain::BotId;
use serde::Serialize;
use storage::{PluginUsage, day_of};
use utoipa::ToSchema;

use super::{Place, seen};
use crate::{
    app::App,
    http::{auth::CurrentUser, body::Query, days, problem::Result},
};

/// Most days that are looked back.
const DAYS_MAX: i64 = 366;
/// Days that are looked back unless the client says.
const DAYS_DEFAULT: i64 = 30;

/// What a plugin used.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[schema(as = PluginUsage)]
struct UsageView {
    /// Calls of its nodes and triggers.
    calls: i64,
    /// Calls that the plugin answered with a fault.
    faults: i64,
    /// Calls that the server stopped or could not make.
    failures: i64,
    /// Milliseconds on a processor.
    cpu_ms: f64,
    /// Milliseconds from the beginning of calls to their ends.
    wall_ms: f64,
    /// Most bytes of memory that a call had at once.
    memory_peak_bytes: i64,
    /// HTTP exchanges.
    requests: i64,
    /// Bytes that these sent and received.
    egress_bytes: i64,
}

/// What a plugin used for a bot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginUsageOfBot)]
struct OfBot {
    /// None: the bots of other users, together.
    #[schema(value_type = Option<i64>)]
    bot_id: Option<BotId>,
    #[serde(flatten)]
    usage: UsageView,
}

/// What a version used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginUsageOfVersion)]
struct OfVersion {
    version: String,
    #[serde(flatten)]
    usage: UsageView,
}

/// What a plugin used on a day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = PluginUsageOfDay)]
struct OfDay {
    /// UTC.
    day: NaiveDate,
    #[serde(flatten)]
    usage: UsageView,
}

/// What a plugin used, added up in several ways.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct PluginMetrics {
    total: UsageView,
    by_bot: Vec<OfBot>,
    by_version: Vec<OfVersion>,
    /// Newest first; days without a call are left out.
    by_day: Vec<OfDay>,
}

impl From<PluginUsage> for UsageView {
    fn from(usage: PluginUsage) -> Self {
        let ms = |us: i64| us as f64 / 1_000.0;
        Self {
            calls: usage.calls,
            faults: usage.faults,
            failures: usage.failures,
            cpu_ms: ms(usage.cpu_us),
            wall_ms: ms(usage.wall_us),
            memory_peak_bytes: usage.memory_peak,
            requests: usage.requests,
            egress_bytes: usage.egress_bytes,
        }
    }
}

/// What a plugin used for my bots; its owner sees the bots of others as well, as one.
#[utoipa::path(
    get, path = "/plugins/{name}/metrics", tag = "plugins", operation_id = "plugin_metrics",
    params(
        ("name" = String, Path),
        ("days" = Option<i64>, Query, description = "How many days to look back, today included: 1 to 366, else 30"),
    ),
    responses((status = OK, body = PluginMetrics))
)]
pub(in crate::http) async fn metrics(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    place: Place,
    Query(mut query): Query,
) -> Result<Json<PluginMetrics>> {
    let days = query.integer("days").within(1, DAYS_MAX).optional().unwrap_or(DAYS_DEFAULT);
    query.finish()?;
    app.plugins.flush().await?;
    let since = day_of(app.clock.now()) - days + 1;
    let mut tx = app.db.read().await?;
    let plugin = seen(&mut tx, &current, &place).await?;
    let rows = tx.plugin_usage(plugin.id, current.id, plugin.owner_id == current.id, since).await?;
    let mut total = PluginUsage::default();
    let (mut by_bot, mut by_version, mut by_day) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (key, usage) in &rows {
        total.add(usage);
        by_bot.entry(key.bot_id).or_insert_with(PluginUsage::default).add(usage);
        by_version.entry(key.version.clone()).or_insert_with(PluginUsage::default).add(usage);
        by_day.entry(key.day).or_insert_with(PluginUsage::default).add(usage);
    }
    let of_bot = |(id, usage): (BotId, PluginUsage)| OfBot { bot_id: (id.0 != 0).then_some(id), usage: usage.into() };
    Ok(Json(PluginMetrics {
        total: total.into(),
        by_bot: by_bot.into_iter().map(of_bot).collect(),
        by_version: by_version.into_iter().map(|(version, usage)| OfVersion { version, usage: usage.into() }).collect(),
        by_day: by_day
            .into_iter()
            .rev()
            .map(|(day, usage)| OfDay { day: days::date_of(day), usage: usage.into() })
            .collect(),
    }))
}
