//! Reports that come before it is known which message they are about.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use domain::{DeliveryStatus, MessageId, Time};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use super::{Folded, StatusReport, fold::Key};
use crate::{Error, Result, Tx, db::on, rows::statement};

/// How long a report waits for its message.
const EARLY_KEPT: TimeDelta = TimeDelta::days(1);

#[derive(FromRow)]
struct EarlyRow {
    phone_number_id: String,
    wamid: String,
    participant: String,
    status: String,
    error: Option<Json<Value>>,
    at: Time,
}

impl TryFrom<EarlyRow> for StatusReport {
    type Error = Error;

    fn try_from(row: EarlyRow) -> Result<Self> {
        let status = DeliveryStatus::parse(&row.status)
            .ok_or_else(|| Error::Corrupt(format!("an early delivery report says {}", row.status)))?;
        Ok(Self {
            phone_number_id: row.phone_number_id,
            wamid: row.wamid,
            message_id: None,
            status,
            at: row.at,
            participant: Some(row.participant).filter(|participant| !participant.is_empty()),
            error: row.error.map(|error| error.0),
        })
    }
}

impl Tx {
    /// Holds reports whose message is not known, and forgets up to 100 that nobody came for.
    pub(super) async fn hold_early(&mut self, reports: &[&StatusReport], now: Time) -> Result<()> {
        if reports.is_empty() {
            return Ok(());
        }
        let mut first: BTreeMap<(&str, &str, &str, &str), &StatusReport> = BTreeMap::new();
        for report in reports {
            let participant = report.participant.as_deref().unwrap_or_default();
            let key = (report.phone_number_id.as_str(), report.wamid.as_str(), participant, report.status.as_str());
            let kept = first.entry(key).or_insert(report);
            if report.at < kept.at {
                *kept = report;
            }
        }
        on!(self, c => {
            let mut query = QueryBuilder::new(
                "INSERT INTO early_statuses (phone_number_id, wamid, participant, status, error, at, received_at) ");
            query.push_values(&first, |mut row, ((number, wamid, participant, status), report)| {
                row.push_bind(*number)
                    .push_bind(*wamid)
                    .push_bind(*participant)
                    .push_bind(*status)
                    .push_bind(report.error.as_ref().map(Json))
                    .push_bind(report.at)
                    .push_bind(now);
            });
            query.push(
                " ON CONFLICT (phone_number_id, wamid, participant, status) DO UPDATE SET
                    error = CASE WHEN excluded.at < early_statuses.at THEN excluded.error ELSE early_statuses.error END,
                    at = CASE WHEN excluded.at < early_statuses.at THEN excluded.at ELSE early_statuses.at END");
            query.build().persistent(false).execute(c).await.map(|_| ())
        })?;
        let passing_over = self.for_update_skip_locked();
        on!(self, c => {
            let mut query = QueryBuilder::new(
                "DELETE FROM early_statuses WHERE (phone_number_id, wamid, participant, status) IN (
                     SELECT phone_number_id, wamid, participant, status FROM early_statuses WHERE received_at < ");
            query.push_bind(now - EARLY_KEPT).push(" ORDER BY received_at LIMIT 100").push(passing_over).push(")");
            query.build().execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    /// Takes the reports that are held for these messages.
    pub(super) async fn take_early(&mut self, claimed: &[(Key, MessageId)]) -> Result<Vec<StatusReport>> {
        if claimed.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<EarlyRow> = on!(self, c => {
            let mut query = QueryBuilder::new("DELETE FROM early_statuses WHERE ");
            for (n, ((number, wamid), _)) in claimed.iter().enumerate() {
                query.push(if n == 0 { "(phone_number_id = " } else { " OR (phone_number_id = " });
                query.push_bind(number).push(" AND wamid = ").push_bind(wamid).push(")");
            }
            query.push(" RETURNING phone_number_id, wamid, participant, status, error, at");
            query.build_query_as().persistent(false).fetch_all(c).await
        })?;
        rows.into_iter().map(StatusReport::try_from).collect()
    }

    /// Folds the reports that were held for messages whose id of Meta's has just been stored. Whoever calls took the
    /// lock of these ids before ([`Tx::lock_wamids`]).
    pub(crate) async fn fold_early(&mut self, messages: &[MessageId], now: Time) -> Result<Folded> {
        let rows: Vec<EarlyRow> = on!(self, c => {
            let mut query = statement!(messages.len(),
                "DELETE FROM early_statuses WHERE (phone_number_id, wamid) IN (
                     SELECT phone_number_id, wamid FROM messages WHERE wamid IS NOT NULL AND id IN ");
            query.push_list(messages.iter().map(|id| id.0));
            query.push(") RETURNING phone_number_id, wamid, participant, status, error, at");
            query.build_query_as().fetch_all(c).await
        })?;
        let reports = rows.into_iter().map(StatusReport::try_from).collect::<Result<Vec<_>>>()?;
        self.fold_statuses(&reports, now).await
    }
}
