//! `GET /flows/statistics`

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use axum::{Json, extract::State};
use chrono::NaiveDate;
use domain::{BotId, ExecutionStatus, FlowId};
use serde::Serialize;
use storage::{FlowDay, FlowScope, FlowTotals, LiveCount, Node, NodeCount};
use utoipa::ToSchema;

use crate::{
    app::App,
    http::{
        auth::CurrentUser,
        body::Query,
        days::{date_of, last_days},
        problem::{Problem, Result},
    },
};

/// Most flows that are shown one by one; the sums are always of all.
const FLOWS_MAX: usize = 1_000;

/// What became of executions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlowStatistics)]
pub(in crate::http) struct StatisticsView {
    /// How many executions there are and were.
    total: i64,
    by_status: StatusCounts,
    duration_ms: DurationView,
    /// The last 30 days, earliest first. Days begin at midnight UTC.
    by_day: Vec<DayView>,
    /// The flows, at most 1000, by id.
    flows: Vec<FlowView>,
    /// The nodes of the flow, by position; only when a flow is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<Vec<NodeView>>,
}

/// How many executions have which status.
#[derive(Debug, Default, Clone, Serialize, ToSchema)]
struct StatusCounts {
    running: i64,
    waiting_input: i64,
    waiting_timer: i64,
    waiting_event: i64,
    waiting_effect: i64,
    completed: i64,
    failed: i64,
    cancelled: i64,
}

impl StatusCounts {
    fn of_ended(flow: &FlowTotals) -> Self {
        Self { completed: flow.completed, failed: flow.failed, cancelled: flow.cancelled, ..Self::default() }
    }

    fn add_live(&mut self, live: &LiveCount) {
        match live.status {
            ExecutionStatus::Running => self.running += live.count,
            ExecutionStatus::WaitingInput => self.waiting_input += live.count,
            ExecutionStatus::WaitingTimer => self.waiting_timer += live.count,
            ExecutionStatus::WaitingEvent => self.waiting_event += live.count,
            ExecutionStatus::WaitingEffect => self.waiting_effect += live.count,
            // These are counted when they end.
            ExecutionStatus::Completed | ExecutionStatus::Failed | ExecutionStatus::Cancelled => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.running += other.running;
        self.waiting_input += other.waiting_input;
        self.waiting_timer += other.waiting_timer;
        self.waiting_event += other.waiting_event;
        self.waiting_effect += other.waiting_effect;
        self.completed += other.completed;
        self.failed += other.failed;
        self.cancelled += other.cancelled;
    }

    fn total(&self) -> i64 {
        let live = self.running + self.waiting_input + self.waiting_timer + self.waiting_event + self.waiting_effect;
        live + self.completed + self.failed + self.cancelled
    }
}

/// How long completed executions took, waits included, in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
struct DurationView {
    /// How many there are.
    count: i64,
    /// Half of them took no longer. Off by less than 10 %; null when there are none.
    median: Option<i64>,
    /// 95 of 100 took no longer. Off by less than 10 %; null when there are none.
    p95: Option<i64>,
    /// The average.
    mean: Option<i64>,
}

/// What happened in one day.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlowDay)]
struct DayView {
    date: NaiveDate,
    /// Executions that began.
    started: i64,
    completed: i64,
    failed: i64,
    cancelled: i64,
}

/// One flow.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlowStatisticsOfFlow)]
struct FlowView {
    flow_id: i64,
    bot_id: i64,
    name: String,
    /// Whether it was deleted while executions spoke of it.
    is_archived: bool,
    total: i64,
    by_status: StatusCounts,
    /// Average duration of completed executions.
    mean_duration_ms: Option<i64>,
}

/// One node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = FlowStatisticsOfNode)]
struct NodeView {
    flow_id: i64,
    /// Its position.
    node: i64,
    /// Its type as the flow is saved now; null when it is there no more.
    r#type: Option<String>,
    key: Option<String>,
    name: Option<String>,
    /// How often an execution came to it.
    entered: i64,
    /// How many executions wait at it now.
    waiting: i64,
    /// How many executions failed at it.
    failed: i64,
    /// How often it was left by which exit.
    exits: BTreeMap<String, i64>,
}

/// Statistics of executions.
///
/// Of all my bots, of one bot or of one flow. Executions whose contact was deleted still count if they had ended.
#[utoipa::path(
    get, path = "/flows/statistics", tag = "executions", operation_id = "flow_statistics",
    params(
        ("bot_id" = Option<i64>, Query, description = "Only of this bot"),
        ("flow_id" = Option<i64>, Query, description = "Only of this flow, with its nodes"),
    ),
    responses((status = OK, body = StatisticsView), (status = NOT_FOUND, description = "No such bot or flow"))
)]
pub(in crate::http) async fn statistics(
    State(app): State<Arc<App>>,
    current: CurrentUser,
    Query(mut query): Query,
) -> Result<Json<StatisticsView>> {
    let bot: Option<BotId> = query.id("bot_id").optional();
    let flow: Option<FlowId> = query.id("flow_id").optional();
    query.finish()?;
    let mut tx = app.db.read().await?;
    tx.hold_still().await?;
    if let Some(bot) = bot {
        tx.bot(current.id, bot).await?.ok_or_else(|| Problem::not_found("bot"))?;
    }
    if let Some(flow) = flow {
        let found = tx.flow(current.id, flow).await?.filter(|flow| bot.is_none_or(|bot| flow.bot_id == bot));
        found.ok_or_else(|| Problem::not_found("flow"))?;
    }
    let scope = FlowScope { owner: current.id, bot, flow };
    let days = last_days(app.clock.now());
    let totals = tx.flow_totals(scope).await?;
    let live = tx.live_counts(scope).await?;
    let durations = tx.flow_durations(scope).await?;
    let happened = tx.flow_days(scope, *days.start()).await?;
    let nodes = match flow {
        Some(flow) => {
            let (nodes, counts) = (tx.nodes_of_flow(flow).await?, tx.node_counts(flow).await?);
            Some(show_nodes(flow, nodes, counts, &live))
        }
        None => None,
    };
    drop(tx);

    let completed: i64 = totals.iter().map(|flow| flow.completed).sum();
    let took: i64 = totals.iter().map(|flow| flow.duration_ms).sum();
    let (by_status, flows) = show_flows(totals, &live);
    Ok(Json(StatisticsView {
        total: by_status.total(),
        by_status,
        duration_ms: DurationView {
            count: completed,
            median: durations.percentile(50),
            p95: durations.percentile(95),
            mean: took.checked_div(completed),
        },
        by_day: show_days(days, happened),
        flows,
        nodes,
    }))
}

fn show_flows(totals: Vec<FlowTotals>, live: &[LiveCount]) -> (StatusCounts, Vec<FlowView>) {
    let mut of_flow: HashMap<FlowId, Vec<&LiveCount>> = HashMap::new();
    for live in live {
        of_flow.entry(live.flow_id).or_default().push(live);
    }
    let mut sum = StatusCounts::default();
    let mut flows = Vec::new();
    for flow in totals {
        let mut by_status = StatusCounts::of_ended(&flow);
        for live in of_flow.remove(&flow.flow_id).unwrap_or_default() {
            by_status.add_live(live);
        }
        sum.add(&by_status);
        if flows.len() < FLOWS_MAX {
            flows.push(FlowView {
                flow_id: flow.flow_id.0,
                bot_id: flow.bot_id.0,
                name: flow.name,
                is_archived: flow.is_archived,
                total: by_status.total(),
                by_status,
                mean_duration_ms: flow.duration_ms.checked_div(flow.completed),
            });
        }
    }
    (sum, flows)
}

fn show_days(days: std::ops::RangeInclusive<i64>, happened: Vec<FlowDay>) -> Vec<DayView> {
    let mut happened: HashMap<i64, FlowDay> = happened.into_iter().map(|day| (day.day, day)).collect();
    let show = |day| {
        let none = FlowDay { day, started: 0, completed: 0, failed: 0, cancelled: 0 };
        let FlowDay { started, completed, failed, cancelled, .. } = happened.remove(&day).unwrap_or(none);
        DayView { date: date_of(day), started, completed, failed, cancelled }
    };
    days.map(show).collect()
}

/// All nodes that the flow has or that something happened at.
fn show_nodes(flow: FlowId, nodes: Vec<Node>, counts: Vec<NodeCount>, live: &[LiveCount]) -> Vec<NodeView> {
    let blank = |node| NodeView {
        flow_id: flow.0,
        node,
        r#type: None,
        key: None,
        name: None,
        entered: 0,
        waiting: 0,
        failed: 0,
        exits: BTreeMap::new(),
    };
    let mut views: BTreeMap<i64, NodeView> = BTreeMap::new();
    for node in nodes {
        let position = node.position;
        let view = NodeView { r#type: Some(node.kind), key: node.key, name: node.name, ..blank(position) };
        views.insert(position, view);
    }
    for NodeCount { node, event, exit, count } in counts {
        let view = views.entry(node).or_insert_with(|| blank(node));
        match event.as_str() {
            "entered" => view.entered = count,
            "failed" => view.failed = count,
            _ => *view.exits.entry(exit).or_default() += count,
        }
    }
    for live in live.iter().filter(|live| live.status != ExecutionStatus::Running) {
        if let Some(node) = live.node {
            views.entry(node).or_insert_with(|| blank(node)).waiting += live.count;
        }
    }
    views.into_values().collect()
}
