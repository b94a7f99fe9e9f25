//! Statistics of flows, read from what [`Tally`](crate::Tally) keeps. What runs and waits now is counted from an index
//! of the executions that have not ended.

use domain::{BotId, ExecutionStatus, FlowId, UserId};
use sqlx::{FromRow, QueryBuilder};

use crate::{Error, Histogram, Result, Tx, db::on};

/// Which flows are asked about.
#[derive(Debug, Clone, Copy)]
pub struct FlowScope {
    /// Those of this user,
    pub owner: UserId,
    /// of this bot,
    pub bot: Option<BotId>,
    /// and only this one.
    pub flow: Option<FlowId>,
}

/// What became of a flow's executions.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FlowTotals {
    /// The flow.
    #[sqlx(try_from = "i64")]
    pub flow_id: FlowId,
    /// Its bot.
    #[sqlx(try_from = "i64")]
    pub bot_id: BotId,
    /// Its name.
    pub name: String,
    /// Whether it was deleted.
    pub is_archived: bool,
    /// Executions that were taken up.
    pub started: i64,
    /// Executions that reached an end.
    pub completed: i64,
    /// Executions that were stopped by a fault.
    pub failed: i64,
    /// Executions that were stopped by a person or a trigger.
    pub cancelled: i64,
    /// How long those that completed took, all together.
    pub duration_ms: i64,
}

/// What happened in one day.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FlowDay {
    /// Days since 1970-01-01 UTC.
    pub day: i64,
    /// Executions that were taken up.
    pub started: i64,
    /// Executions that reached an end.
    pub completed: i64,
    /// Executions that were stopped by a fault.
    pub failed: i64,
    /// Executions that were stopped by a person or a trigger.
    pub cancelled: i64,
}

/// How many executions stand somewhere now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveCount {
    /// The flow.
    pub flow_id: FlowId,
    /// Running, or waiting for something.
    pub status: ExecutionStatus,
    /// Position of the node they are at.
    pub node: Option<i64>,
    /// How many.
    pub count: i64,
}

/// How often something happened at a node.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct NodeCount {
    /// Position of the node.
    pub node: i64,
    /// `entered`, `failed` or `left`.
    pub event: String,
    /// The way it was left by, else empty.
    pub exit: String,
    /// How often.
    pub count: i64,
}

/// A query over the flows `f` of a scope.
macro_rules! scoped {
    ($scope:expr, $select:literal, $joins:literal) => {{
        let mut query = QueryBuilder::new(concat!($select, " FROM flows f JOIN bots b ON b.id = f.bot_id ", $joins));
        query.push(" WHERE b.owner_id = ").push_bind($scope.owner.0);
        if let Some(bot) = $scope.bot {
            query.push(" AND f.bot_id = ").push_bind(bot.0);
        }
        if let Some(flow) = $scope.flow {
            query.push(" AND f.id = ").push_bind(flow.0);
        }
        query
    }};
}

impl Tx {
    /// What became of the executions of each flow, by flow id. Archived flows are among them as long as they are kept.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flow_totals(&mut self, scope: FlowScope) -> Result<Vec<FlowTotals>> {
        Ok(on!(self, c => {
            let mut query = scoped!(scope,
                "SELECT f.id AS flow_id, f.bot_id, f.name, f.is_archived,
                    CAST(COALESCE(SUM(s.started), 0) AS BIGINT) AS started,
                    CAST(COALESCE(SUM(s.completed), 0) AS BIGINT) AS completed,
                    CAST(COALESCE(SUM(s.failed), 0) AS BIGINT) AS failed,
                    CAST(COALESCE(SUM(s.cancelled), 0) AS BIGINT) AS cancelled,
                    CAST(COALESCE(SUM(s.duration_ms), 0) AS BIGINT) AS duration_ms",
                "LEFT JOIN flow_stats s ON s.flow_id = f.id");
            query.push(" GROUP BY f.id, f.bot_id, f.name, f.is_archived ORDER BY f.id");
            query.build_query_as().fetch_all(c).await
        })?)
    }

    /// What happened on each day since `day`, earliest first; days on which nothing did are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flow_days(&mut self, scope: FlowScope, day: i64) -> Result<Vec<FlowDay>> {
        Ok(on!(self, c => {
            let mut query = scoped!(scope,
                "SELECT s.day, CAST(SUM(s.started) AS BIGINT) AS started, CAST(SUM(s.completed) AS BIGINT) AS completed,
                    CAST(SUM(s.failed) AS BIGINT) AS failed, CAST(SUM(s.cancelled) AS BIGINT) AS cancelled",
                "JOIN flow_stats s ON s.flow_id = f.id");
            query.push(" AND s.day >= ").push_bind(day).push(" GROUP BY s.day ORDER BY s.day");
            query.build_query_as().fetch_all(c).await
        })?)
    }

    /// How long completed executions took.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn flow_durations(&mut self, scope: FlowScope) -> Result<Histogram> {
        Ok(Histogram(on!(self, c => {
            let mut query = scoped!(scope,
                "SELECT d.bucket, CAST(SUM(d.count) AS BIGINT)", "JOIN flow_durations d ON d.flow_id = f.id");
            query.push(" GROUP BY d.bucket ORDER BY d.bucket").build_query_as().fetch_all(c).await
        })?))
    }

    /// Where executions that have not ended stand, by flow, status and node.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_counts(&mut self, scope: FlowScope) -> Result<Vec<LiveCount>> {
        let rows: Vec<(i64, String, Option<i64>, i64)> = on!(self, c => {
            let mut query = scoped!(scope,
                "SELECT e.flow_id, e.status, e.current_node, COUNT(*)", "JOIN executions e ON e.flow_id = f.id");
            query.push(" AND e.completed_at IS NULL GROUP BY e.flow_id, e.status, e.current_node ORDER BY 1, 2, 3");
            query.build_query_as().fetch_all(c).await
        })?;
        let count = |(flow_id, status, node, count): (i64, String, Option<i64>, i64)| {
            let status = ExecutionStatus::parse(&status)
                .ok_or_else(|| Error::Corrupt(format!("an execution has status {status}")))?;
            Ok(LiveCount { flow_id: flow_id.into(), status, node, count })
        };
        rows.into_iter().map(count).collect()
    }

    /// What happened at each node of a flow, whoever owns it, by position.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn node_counts(&mut self, flow: FlowId) -> Result<Vec<NodeCount>> {
        Ok(on!(self, c => sqlx::query_as(
            "SELECT node, event, exit, CAST(SUM(count) AS BIGINT) AS count FROM node_stats WHERE flow_id = $1
             GROUP BY node, event, exit ORDER BY node, event, exit",
        )
        .bind(flow.0)
        .fetch_all(c)
        .await)?)
    }
}
