//! Executions and their step logs.

use std::collections::HashMap;

use domain::{
    BotId, ContactId, Execution, ExecutionId, ExecutionStatus, FlowId, InboundMessage, JsonMap, Time, TriggerId, UserId,
};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{Error, Page, Result, Tx, contacts::ADDRESSES, db::on, rows::statement};

/// An execution with the names of what it belongs to.
#[derive(Debug, Clone)]
pub struct ExecutionRow {
    /// The execution.
    pub execution: Execution,
    /// The contact's phone or business-scoped user id.
    pub contact_address: String,
    /// What started it.
    pub trigger_id: Option<TriggerId>,
}

/// An execution as written: with the trigger that started it.
#[derive(Debug, Clone)]
pub struct NewExecution {
    /// The execution, with an id from [`Tx::reserve_execution_ids`].
    pub execution: Execution,
    /// What started it.
    pub trigger_id: Option<TriggerId>,
}

/// One step as logged.
#[derive(Debug, Clone, FromRow)]
pub struct StepRow {
    /// The execution.
    #[sqlx(try_from = "i64")]
    pub execution_id: ExecutionId,
    /// Number within the execution, from 0.
    pub seq: i64,
    /// Position of the node.
    pub node: Option<i64>,
    /// Node type, or `flow`.
    pub r#type: String,
    /// What happened.
    pub event: String,
    /// Particulars of the event.
    pub detail: Json<Value>,
    /// How long it took, in microseconds.
    pub duration_us: i64,
    /// When.
    pub at: Time,
}

impl From<ExecutionRow> for NewExecution {
    fn from(row: ExecutionRow) -> Self {
        Self { execution: row.execution, trigger_id: row.trigger_id }
    }
}

#[derive(FromRow)]
struct Row {
    id: i64,
    bot_id: i64,
    contact_id: i64,
    flow_id: i64,
    flow_version: i64,
    trigger_id: Option<i64>,
    status: String,
    current_node: Option<i64>,
    state: Json<JsonMap>,
    message: Option<Json<InboundMessage>>,
    depth: i64,
    steps: i64,
    turn: i64,
    wake_at: Option<Time>,
    effect: Option<Json<domain::Effect>>,
    visit: Option<Json<domain::plugin::PluginVisit>>,
    error: Option<String>,
    started_at: Time,
    updated_at: Time,
    completed_at: Option<Time>,
    phone: Option<String>,
    bsuid: Option<String>,
}

impl TryFrom<Row> for ExecutionRow {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let status = ExecutionStatus::parse(&row.status)
            .ok_or_else(|| Error::Corrupt(format!("execution {} has status {}", row.id, row.status)))?;
        Ok(Self {
            contact_address: row.phone.or(row.bsuid).unwrap_or_default(),
            trigger_id: row.trigger_id.map(TriggerId),
            execution: Execution {
                id: row.id.into(),
                bot_id: row.bot_id.into(),
                contact_id: row.contact_id.into(),
                flow_id: row.flow_id.into(),
                flow_version: row.flow_version,
                status,
                current_node: row.current_node,
                state: row.state.0,
                message: row.message.map(|m| m.0),
                depth: row.depth,
                steps: row.steps,
                turn: row.turn,
                wake_at: row.wake_at,
                effect: row.effect.map(|e| e.0),
                visit: row.visit.map(|visit| visit.0),
                error: row.error,
                started_at: row.started_at,
                updated_at: row.updated_at,
                completed_at: row.completed_at,
            },
        })
    }
}

const COLUMNS: &str =
    "SELECT e.id, e.bot_id, e.contact_id, e.flow_id, e.flow_version, e.trigger_id, e.status, e.current_node, e.state,
        e.message, e.depth, e.steps, e.turn, e.wake_at, e.effect, e.visit, e.error, e.started_at, e.updated_at, e.completed_at, c.phone, c.bsuid
     FROM executions e JOIN contacts c ON c.id = e.contact_id";

impl Tx {
    /// Sets aside `count` execution ids and returns the first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn reserve_execution_ids(&mut self, count: i64) -> Result<i64> {
        Ok(on!(self, c => sqlx::query_scalar(
            "UPDATE sequences SET next = next + $1 WHERE name = 'executions' RETURNING next - $1")
            .bind(count).fetch_one(c).await)?)
    }

    /// Writes executions, new ones and changed ones alike.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn save_executions(&mut self, executions: &[NewExecution]) -> Result<()> {
        // SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535.
        for executions in executions.chunks(1_000) {
            on!(self, c => {
                let mut query = statement!(executions.len(),
                    "INSERT INTO executions (id, bot_id, contact_id, flow_id, flow_version, trigger_id, status, current_node,
                        state, message, depth, steps, turn, wake_at, effect, visit, error, started_at, updated_at, completed_at)
                     SELECT v.* FROM ");
                query.push_rows(executions, |mut row, new| {
                    let e = &new.execution;
                    row.push_bind(e.id.0)
                        .push_bind(e.bot_id.0)
                        .push_bind(e.contact_id.0)
                        .push_bind(e.flow_id.0)
                        .push_bind(e.flow_version)
                        .push_bind(new.trigger_id.map(|id| id.0))
                        .push_bind(e.status.as_str())
                        .push_bind(e.current_node)
                        .push_bind(Json(&e.state))
                        .push_bind(e.message.as_ref().map(Json))
                        .push_bind(e.depth)
                        .push_bind(e.steps)
                        .push_bind(e.turn)
                        .push_bind(e.wake_at)
                        .push_bind(e.effect.as_ref().map(Json))
                        .push_bind(e.visit.as_ref().map(Json))
                        .push_bind(&e.error)
                        .push_bind(e.started_at)
                        .push_bind(e.updated_at)
                        .push_bind(e.completed_at);
                });
                query.push(
                    " ON CONFLICT (id) DO UPDATE SET
                    status = excluded.status, current_node = excluded.current_node, state = excluded.state,
                    message = excluded.message, steps = excluded.steps, turn = excluded.turn, wake_at = excluded.wake_at,
                    effect = excluded.effect, visit = excluded.visit, error = excluded.error, updated_at = excluded.updated_at,
                    completed_at = excluded.completed_at");
                query.build().execute(c).await.map(|_| ())
            })?;
        }
        Ok(())
    }

    /// Appends one step to the log of an execution that has ended. `seq` of the step is ignored: it gets the next one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn log_after_end(&mut self, step: &StepRow) -> Result<()> {
        let steps: Option<i64> = on!(self, c => sqlx::query_scalar(
            "UPDATE executions SET steps = steps + 1 WHERE id = $1 AND completed_at IS NOT NULL RETURNING steps")
            .bind(step.execution_id.0).fetch_optional(c).await)?;
        match steps {
            Some(steps) => self.append_steps(&[StepRow { seq: steps - 1, ..step.clone() }]).await,
            None => Ok(()),
        }
    }

    /// Appends to step logs.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn append_steps(&mut self, steps: &[StepRow]) -> Result<()> {
        // SQLite takes 32,766 parameters in a statement, PostgreSQL 65,535.
        for chunk in steps.chunks(2000) {
            on!(self, c => {
                let mut query = statement!(chunk.len(),
                    "INSERT INTO execution_steps (execution_id, seq, node, type, event, detail, duration_us, at)
                     SELECT v.* FROM ");
                query.push_rows(chunk, |mut row, s| {
                    row.push_bind(s.execution_id.0)
                        .push_bind(s.seq)
                        .push_bind(s.node)
                        .push_bind(&s.r#type)
                        .push_bind(&s.event)
                        .push_bind(&s.detail)
                        .push_bind(s.duration_us)
                        .push_bind(s.at);
                });
                query.build().execute(c).await.map(|_| ())
            })?;
        }
        Ok(())
    }

    /// The executions of these contacts that have not ended, oldest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn live_executions(&mut self, contacts: &[ContactId]) -> Result<HashMap<ContactId, Vec<ExecutionRow>>> {
        let mut found: HashMap<ContactId, Vec<ExecutionRow>> = HashMap::new();
        if contacts.is_empty() {
            return Ok(found);
        }
        let rows: Vec<Row> = on!(self, c => {
            let mut query = statement!(contacts.len(), COLUMNS);
            query.push(" WHERE e.completed_at IS NULL AND e.contact_id IN ");
            query.push_list(contacts.iter().map(|id| id.0));
            query.push(" ORDER BY e.id");
            query.build_query_as().fetch_all(c).await
        })?;
        for row in rows {
            let row = ExecutionRow::try_from(row)?;
            found.entry(row.execution.contact_id).or_default().push(row);
        }
        Ok(found)
    }

    /// One execution.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn execution(&mut self, id: ExecutionId) -> Result<Option<ExecutionRow>> {
        let row: Option<Row> = on!(self, c => {
            let mut query = QueryBuilder::new(COLUMNS);
            query.push(" WHERE e.id = ").push_bind(id.0);
            query.build_query_as().fetch_optional(c).await
        })?;
        row.map(ExecutionRow::try_from).transpose()
    }

    /// Executions of the contacts that `address` (phone in digits, or business-scoped user id) names in the user's bots,
    /// or in one of them; newest first.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn list_executions(
        &mut self,
        owner: UserId,
        bot: Option<BotId>,
        address: &str,
        limit: i64,
        skip: i64,
    ) -> Result<Page<ExecutionRow>> {
        macro_rules! query {
            ($select:expr) => {{
                let mut query = QueryBuilder::new($select);
                query.push(" WHERE e.contact_id IN (SELECT contact_id FROM (").push(ADDRESSES);
                query.push(") AS a WHERE a.address = ").push_bind(address);
                query.push(" AND a.bot_id IN (SELECT id FROM bots WHERE owner_id = ").push_bind(owner.0);
                if let Some(bot) = bot {
                    query.push(" AND id = ").push_bind(bot.0);
                }
                query.push("))");
                query
            }};
        }
        let total: i64 =
            on!(self, c => query!("SELECT COUNT(*) FROM executions e").build_query_scalar().fetch_one(c).await)?;
        let rows: Vec<Row> = on!(self, c => {
            let mut query = query!(COLUMNS);
            query.push(" ORDER BY e.id DESC LIMIT ").push_bind(limit).push(" OFFSET ").push_bind(skip);
            query.build_query_as().fetch_all(c).await
        })?;
        let items = rows.into_iter().map(ExecutionRow::try_from).collect::<Result<_>>()?;
        Ok(Page { items, total })
    }

    /// The step log of an execution, in order.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn list_steps(&mut self, execution: ExecutionId, limit: i64, skip: i64) -> Result<Page<StepRow>> {
        let total: i64 = on!(self, c => sqlx::query_scalar(
            "SELECT COUNT(*) FROM execution_steps WHERE execution_id = $1").bind(execution.0).fetch_one(c).await)?;
        let items = on!(self, c => sqlx::query_as(
            "SELECT execution_id, seq, node, type, event, detail, duration_us, at FROM execution_steps
             WHERE execution_id = $1 ORDER BY seq LIMIT $2 OFFSET $3")
            .bind(execution.0).bind(limit).bind(skip).fetch_all(c).await)?;
        Ok(Page { items, total })
    }

    /// How many executions a flow has had.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn flow_has_executions(&mut self, flow: FlowId) -> Result<bool> {
        let found: Option<i64> = on!(self, c => sqlx::query_scalar(
            "SELECT id FROM executions WHERE flow_id = $1 LIMIT 1").bind(flow.0).fetch_optional(c).await)?;
        Ok(found.is_some())
    }
}
