//! A long past, made up in a few statements: what takes months to come together otherwise.

use domain::{BotId, ContactId, FlowId, Time, TriggerId};
use serde_json::json;
use sqlx::types::Json;

use crate::{Result, Tx, db::on};

/// Whose past it is. Messages go round the contacts; every tenth has an execution with five steps and a line in the log of
/// the trigger.
#[derive(Debug, Clone, Copy)]
pub struct History {
    /// The bot.
    pub bot: BotId,
    /// Its flow.
    pub flow: FlowId,
    /// What starts it.
    pub trigger: TriggerId,
    /// The first contact; the others follow it.
    pub first_contact: ContactId,
    /// How many they are.
    pub contacts: i64,
    /// When it happened.
    pub at: Time,
}

/// Adds messages with the numbers from `first` to below `end`, and what hangs on them.
///
/// # Errors
/// When the database refuses.
pub async fn fill(tx: &mut Tx, history: &History, first: i64, end: i64) -> Result<()> {
    const SERIES: &str =
        "WITH RECURSIVE n(i) AS (SELECT CAST($1 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $2)";
    if first >= end {
        return Ok(());
    }
    let (content, empty) = (Json(json!({ "body": "a text of some length, as people write it" })), Json(json!({})));
    let executions = (end - first).div_euclid(10).max(1);
    let id = tx.reserve_execution_ids(executions).await?;
    on!(tx, c => {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO executions (id, bot_id, contact_id, flow_id, flow_version, trigger_id, status, state, depth, steps,
                started_at, updated_at, completed_at) ");
        query.push(SERIES.replace("$1", &id.to_string()).replace("$2", &(id + executions).to_string()));
        query.push(" SELECT i, ").push_bind(history.bot.0).push(", ").push(history.first_contact.0);
        query.push(" + i % ").push(history.contacts).push(", ").push_bind(history.flow.0).push(", 1, ");
        query.push_bind(history.trigger.0).push(", 'completed', ").push_bind(&empty).push(", 0, 5");
        for _ in 0..3 {
            query.push(", ").push_bind(history.at);
        }
        query.push(" FROM n").build().persistent(false).execute(c).await.map(|_| ())
    })?;
    on!(tx, c => {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO execution_steps (execution_id, seq, node, type, event, detail, duration_us, at) ");
        query.push(SERIES.replace("$1", &(id * 5).to_string()).replace("$2", &((id + executions) * 5).to_string()));
        query.push(" SELECT i / 5, i % 5, 0, 'send_message', 'message', ").push_bind(&empty).push(", 10, ");
        query.push_bind(history.at).push(" FROM n").build().persistent(false).execute(c).await.map(|_| ())
    })?;
    on!(tx, c => {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO trigger_logs (bot_id, trigger_id, flow_id, contact_id, execution_id, decision, reason, at) ");
        query.push(SERIES.replace("$1", &id.to_string()).replace("$2", &(id + executions).to_string()));
        query.push(" SELECT ").push_bind(history.bot.0).push(", ").push_bind(history.trigger.0).push(", ");
        query.push_bind(history.flow.0).push(", ").push(history.first_contact.0).push(" + i % ").push(history.contacts);
        query.push(", i, 'started', 'keyword', ").push_bind(history.at).push(" FROM n");
        query.build().persistent(false).execute(c).await.map(|_| ())
    })?;
    on!(tx, c => {
        let mut query = sqlx::QueryBuilder::new(
            "INSERT INTO messages (bot_id, contact_id, execution_id, direction, phone_number_id, wamid, type, text, content,
                status, status_rank, attempts, ambiguous, message_timestamp, created_at) ");
        query.push(SERIES.replace("$1", &first.to_string()).replace("$2", &end.to_string())).push(" SELECT ");
        query.push_bind(history.bot.0).push(", ").push(history.first_contact.0).push(" + i % ").push(history.contacts);
        query.push(", CASE WHEN i % 10 = 1 THEN ").push(id).push(" + (i % ").push(executions).push(") END");
        query.push(", CASE WHEN i % 2 = 0 THEN 'inbound' ELSE 'outbound' END, '106540352242922', 'wamid.made-up.' || i, 'text',");
        query.push(" 'message ' || i, ").push_bind(&content);
        query.push(", CASE WHEN i % 2 = 0 THEN 'received' ELSE 'read' END, CASE WHEN i % 2 = 0 THEN 0 ELSE 5 END, 1, 0, ");
        query.push_bind(history.at).push(", ").push_bind(history.at).push(" FROM n");
        query.build().persistent(false).execute(c).await.map(|_| ())
    })?;
    Ok(())
}
