//! Many who wait: one contact's waiting execution, multiplied in a few statements.

use domain::{ContactId, Time};
use sqlx::{ConnectOptions, Connection, QueryBuilder, Sqlite, SqliteConnection, sqlite::SqliteConnectOptions};

use crate::{Error, Result};

/// What is made, on SQLite, from a contact whose only execution waits for a point in time.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// That contact.
    pub like: ContactId,
    /// How many people wait like them.
    pub people: i64,
    /// The phone number of the first; each of the others has the next one.
    pub first_phone: i64,
    /// Until when the first waits.
    pub first_due: Time,
    /// By how much longer than the one before each of the others waits.
    pub step_seconds: f64,
    /// Bots beside theirs.
    pub bots: i64,
    /// Flows of those bots.
    pub flows: i64,
}

/// Fills a database with a crowd. Nobody else may have it open.
///
/// # Errors
/// When the URL is not of SQLite, the contact does not wait, or the database refuses.
pub async fn crowd(url: &str, crowd: &Crowd) -> Result<()> {
    let path = url.strip_prefix("sqlite:").ok_or_else(|| Error::Url("must begin with sqlite:".into()))?;
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await?;
    let (execution, bot, flow): (i64, i64, i64) =
        sqlx::query_as("SELECT id, bot_id, flow_id FROM executions WHERE contact_id = $1 AND wake_at IS NOT NULL")
            .bind(crowd.like.0)
            .fetch_one(&mut connection)
            .await?;
    let (bots, flows, contacts, executions): (i64, i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT MAX(id) FROM bots), (SELECT MAX(id) FROM flows), (SELECT MAX(id) FROM contacts),
            (SELECT next - 1 FROM sequences WHERE name = 'executions')",
    )
    .fetch_one(&mut connection)
    .await?;
    let due = format!(
        "strftime('%Y-%m-%dT%H:%M:%f+00:00', {}.0 + i * {}, 'unixepoch')",
        crowd.first_due.timestamp(),
        crowd.step_seconds
    );
    let after = |id: i64| format!("{id} + 1 + i");
    let mut transaction = connection.begin().await?;
    let c = &mut *transaction;
    let others = [("id", after(bots)), ("name", "'Bot ' || i".into()), ("whatsapp_phone_number_id", "NULL".into())];
    multiply(c, "bots", ("id", bot), crowd.bots, &others).await?;
    let of_others = format!("{bots} + 1 + i % {}", crowd.bots.max(1));
    multiply(c, "flows", ("id", flow), crowd.flows, &[("id", after(flows)), ("bot_id", of_others)]).await?;
    multiply(c, "flow_versions", ("flow_id", flow), crowd.flows, &[("flow_id", after(flows))]).await?;
    let phone = format!("CAST({} + i AS TEXT)", crowd.first_phone);
    let own = [("id", after(contacts)), ("phone", phone), ("bsuid", "NULL".into())];
    multiply(c, "contacts", ("id", crowd.like.0), crowd.people, &own).await?;
    let own = [("id", after(executions)), ("contact_id", after(contacts)), ("wake_at", due.clone())];
    multiply(c, "executions", ("id", execution), crowd.people, &own).await?;
    let own = [("contact_id", after(contacts)), ("wake_at", due.clone()), ("ready_at", due)];
    multiply(c, "mailboxes", ("contact_id", crowd.like.0), crowd.people, &own).await?;
    sqlx::query("UPDATE sequences SET next = next + $1 WHERE name = 'executions'")
        .bind(crowd.people)
        .execute(&mut *c)
        .await?;
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

/// Adds so many rows like the one with that key, but for what is given: columns and expressions of `i`, from 0 on.
async fn multiply(
    connection: &mut SqliteConnection,
    table: &str,
    like: (&str, i64),
    count: i64,
    given: &[(&str, String)],
) -> Result<()> {
    if count < 1 {
        return Ok(());
    }
    let columns: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_table_info($1)").bind(table).fetch_all(&mut *connection).await?;
    let value = |column: &String| match given.iter().find(|(name, _)| name == column) {
        Some((_, expression)) => expression.clone(),
        None => format!("t.{column}"),
    };
    let values: Vec<String> = columns.iter().map(value).collect();
    let mut query =
        QueryBuilder::<Sqlite>::new("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ");
    query.push_bind(count).push(") INSERT INTO ").push(table).push(" (").push(columns.join(", ")).push(") SELECT ");
    query.push(values.join(", ")).push(" FROM n, ").push(table).push(" AS t WHERE t.").push(like.0).push(" = ");
    query.push_bind(like.1).build().persistent(false).execute(connection).await?;
    Ok(())
}
