//! `GET /triggers/statistics`

use std::{collections::HashMap, ops::RangeInclusive, sync::Arc};

use axum::{Json, extract::State};
use chrono::{DateTime, NaiveDate, Utc};
use domain::{BotId, TriggerId};
use serde::Serialize;
use storage::{TriggerDay, TriggerRow, TriggerTotals};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        days::{date_of, last_days},
        page::{List, Paging},
        problem::{Problem, Result},
    },
};

/// How often triggers fired and what came of it. The list is of the triggers, by id.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriggerStatistics)]
pub(in crate::http) struct StatisticsView {
    /// Of all triggers on all pages.
    totals: CountsView,
    /// Of all triggers on all pages: the last 30 days, earliest first. Days begin at midnight UTC.
    by_day: Vec<DayView>,
    #[serde(flatten)]
    triggers: List<TriggerView>,
}

/// How often triggers fired.
#[derive(Debug, Clone, Copy, Default, Serialize, ToSchema)]
#[schema(as = TriggerCounts)]
struct CountsView {
    /// Times that it was a trigger's turn, whether its flow was then started or refused.
    fires: i64,
    /// Executions that were started.
    starts: i64,
    /// Executions among these that failed.
    failures: i64,
    last_fired_at: Option<DateTime<Utc>>,
}

/// What triggers did in one day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriggerDay)]
struct DayView {
    date: NaiveDate,
    fires: i64,
    starts: i64,
    /// Executions that failed on this day.
    failures: i64,
}

/// One trigger.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TriggerStatisticsOfTrigger)]
pub(in crate::http) struct TriggerView {
    trigger_id: i64,
    bot_id: i64,
    flow_id: i64,
    name: String,
    trigger_type: &'static str,
    is_active: bool,
    #[serde(flatten)]
    counts: CountsView,
    by_day: Vec<DayView>,
}

/// How often my triggers fired, of one bot or of all.
#[utoipa::path(
    get, path = "/triggers/statistics", tag = "triggers", operation_id = "trigger_statistics",
    params(("bot_id" = Option<i64>, Query, description = "Only of this bot"), Paging),
    responses((status = OK, body = StatisticsView), (status = NOT_FOUND, description = "No such bot"))
)]
pub(in crate::http) async fn statistics(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<StatisticsView>> {
    let bot: Option<BotId> = query.id("bot_id").optional();
    let paging = Paging::read(&mut query);
    query.finish()?;
    let mut tx = app.db.read().await?;
    tx.hold_still().await?;
    if let Some(bot) = bot {
        tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    }
    let days = last_days(app.clock.now());
    let triggers = tx.triggers(current.id, bot, paging.limit, paging.skip).await?;
    let totals = tx.trigger_totals(current.id, bot).await?;
    let happened = tx.trigger_days(current.id, bot, *days.start()).await?;
    drop(tx);

    let mut sum = CountsView::default();
    let mut counts: HashMap<TriggerId, CountsView> = HashMap::new();
    for TriggerTotals { trigger_id, fires, starts, failures, last_fired_at } in totals {
        sum.fires += fires;
        sum.starts += starts;
        sum.failures += failures;
        sum.last_fired_at = sum.last_fired_at.max(last_fired_at);
        counts.insert(trigger_id, CountsView { fires, starts, failures, last_fired_at });
    }
    let mut of_trigger: HashMap<TriggerId, Vec<&TriggerDay>> = HashMap::new();
    for day in &happened {
        of_trigger.entry(day.trigger_id).or_default().push(day);
    }
    let show = |row: TriggerRow| TriggerView {
        trigger_id: row.id.0,
        bot_id: row.bot_id.0,
        flow_id: row.flow_id.0,
        name: row.name,
        trigger_type: row.rule.kind(),
        is_active: row.is_active,
        counts: counts.remove(&row.id).unwrap_or_default(),
        by_day: show_days(days.clone(), of_trigger.remove(&row.id).unwrap_or_default()),
    };
    let triggers = paging.envelope(triggers, show);
    Ok(Json(StatisticsView { totals: sum, by_day: show_days(days, happened.iter().collect()), triggers }))
}

fn show_days(days: RangeInclusive<i64>, happened: Vec<&TriggerDay>) -> Vec<DayView> {
    let first = *days.start();
    let mut views: Vec<DayView> =
        days.map(|day| DayView { date: date_of(day), fires: 0, starts: 0, failures: 0 }).collect();
    for day in happened {
        let place = usize::try_from(day.day - first).ok();
        if let Some(view) = place.and_then(|place| views.get_mut(place)) {
            view.fires += day.fires;
            view.starts += day.starts;
            view.failures += day.failures;
        }
    }
    views
}
