//! Customer service windows: what the outbox asks before it sends late, and what Meta says of them.

use std::collections::HashMap;

use chrono::TimeDelta;
use domain::{BotId, ContactId, DeliveryStatus, MessageId, Time, Window, WindowFacts};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{NewOutbound, Result, Tx, db::on};

#[derive(FromRow)]
struct WindowRow {
    last_inbound_at: Option<Time>,
    window_closed_at: Option<Time>,
    number_changed_at: Option<Time>,
    opted_in: bool,
}

#[derive(FromRow)]
struct FallbackRow {
    bot_id: i64,
    contact_id: i64,
    execution_id: Option<i64>,
    node: Option<i64>,
    turn: i64,
    phone_number_id: String,
    fallback: Json<Value>,
}

impl From<FallbackRow> for NewOutbound {
    fn from(row: FallbackRow) -> Self {
        Self {
            bot_id: row.bot_id.into(),
            contact_id: row.contact_id.into(),
            execution_id: row.execution_id.map(Into::into),
            node: row.node,
            turn: row.turn,
            phone_number_id: row.phone_number_id,
            kind: "template".into(),
            content: row.fallback.0,
            text: None,
            fallback: None,
            status: DeliveryStatus::Queued,
            error: None,
        }
    }
}

/// A message from the contact that is younger than this may have crossed Meta's refusal.
const CROSSED: TimeDelta = TimeDelta::minutes(2);

impl Tx {
    /// The window of a contact as it is now, and whether the contact agrees to get messages that it did not ask for; none
    /// when the contact is gone.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn window(&mut self, contact: ContactId, now: Time) -> Result<Option<(Window, bool)>> {
        let row: Option<WindowRow> = on!(self, c => sqlx::query_as(
            "SELECT c.last_inbound_at, c.window_closed_at, b.number_changed_at, c.opted_in
             FROM contacts c JOIN bots b ON b.id = c.bot_id WHERE c.id = $1")
            .bind(contact.0).fetch_optional(c).await)?;
        Ok(row.map(|row| {
            let WindowRow { last_inbound_at, window_closed_at: closed_at, number_changed_at, opted_in } = row;
            (Window::at(now, &WindowFacts { last_inbound_at, closed_at, number_changed_at }), opted_in)
        }))
    }

    /// The template that is to go out instead of a message that failed because the window was closed, ready to be queued.
    /// It is given out once.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_fallback(&mut self, message: MessageId) -> Result<Option<NewOutbound>> {
        let row: Option<FallbackRow> = on!(self, c => sqlx::query_as(
            "SELECT bot_id, contact_id, execution_id, node, turn, phone_number_id, fallback FROM messages
             WHERE id = $1 AND fallback IS NOT NULL").bind(message.0).fetch_optional(c).await)?;
        let taken = on!(self, c => sqlx::query(
            "UPDATE messages SET fallback = NULL WHERE id = $1 AND fallback IS NOT NULL")
            .bind(message.0).execute(c).await.map(|done| done.rows_affected() > 0))?;
        Ok(row.filter(|_| taken).map(NewOutbound::from))
    }

    /// Since when these bots have their numbers; those that never had another one are left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn number_changes(&mut self, bots: &[BotId]) -> Result<HashMap<BotId, Time>> {
        if bots.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<(i64, Time)> = on!(self, c => {
            let mut query = QueryBuilder::new(
                "SELECT id, number_changed_at FROM bots WHERE number_changed_at IS NOT NULL AND id IN (");
            let mut list = query.separated(", ");
            for id in bots {
                list.push_bind(id.0);
            }
            query.push(")").build_query_as().persistent(false).fetch_all(c).await
        })?;
        Ok(rows.into_iter().map(|(id, at)| (id.into(), at)).collect())
    }

    /// Meta refused a message because the contact's window is closed. It opens with the contact's next message.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn close_window(&mut self, contact: ContactId, now: Time) -> Result<()> {
        on!(self, c => sqlx::query(
            "UPDATE contacts SET window_closed_at = $2, updated_at = $2
             WHERE id = $1 AND window_closed_at IS NULL AND (last_inbound_at IS NULL OR last_inbound_at < $3)")
            .bind(contact.0).bind(now).bind(now - CROSSED).execute(c).await.map(|_| ()))?;
        Ok(())
    }
}
