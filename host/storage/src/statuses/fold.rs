//! Reports brought together: several about one message become one, and each finds the message it is about.

use std::collections::HashMap;

use domain::{DeliveryStatus, MessageId, Time};
use serde_json::Value;
use sqlx::{FromRow, types::Json};

use super::StatusReport;

/// Number and Meta's id of a message.
pub(super) type Key = (String, String);

/// Several reports about one message, or about one member of a group, as one.
#[derive(Debug, Clone, Default)]
pub(super) struct Fold {
    /// The highest stage.
    pub(super) best: Option<DeliveryStatus>,
    /// The earliest time of each stage.
    times: HashMap<DeliveryStatus, Time>,
    /// Why it failed first.
    error: Option<Value>,
}

impl Fold {
    pub(super) fn add(&mut self, report: &StatusReport) {
        let first = self.times.get(&report.status).copied();
        if report.status == DeliveryStatus::Failed {
            let text = |error: &Option<Value>| error.as_ref().map(Value::to_string);
            let is_first = first.is_none_or(|first| (report.at, text(&report.error)) < (first, text(&self.error)));
            if is_first {
                self.error.clone_from(&report.error);
            }
        }
        if first.is_none_or(|first| report.at < first) {
            self.times.insert(report.status, report.at);
        }
        if self.best.is_none_or(|best| best.rank() < report.status.rank()) {
            self.best = Some(report.status);
        }
    }

    pub(super) fn at(&self, status: DeliveryStatus) -> Option<Time> {
        self.times.get(&status).copied()
    }

    /// Why it failed, if that is how it ended as far as these reports tell.
    pub(super) fn reason(&self) -> Option<Json<&Value>> {
        self.error.as_ref().filter(|_| self.best == Some(DeliveryStatus::Failed)).map(Json)
    }
}

#[derive(FromRow)]
pub(super) struct TargetRow {
    id: i64,
    phone_number_id: String,
    wamid: Option<String>,
    is_outbound: bool,
}

/// Where reports go.
#[derive(Default)]
pub(super) struct Targets {
    /// By Meta's id; `None` for a message that is not ours to report about.
    pub(super) by_wamid: HashMap<Key, Option<MessageId>>,
    /// By our id, messages whose id of Meta's is not known yet, or is another one (`false`).
    pub(super) by_id: HashMap<(String, MessageId), bool>,
}

impl Targets {
    pub(super) fn of(rows: Vec<TargetRow>) -> Self {
        let mut targets = Self::default();
        for row in rows {
            let id = MessageId(row.id);
            if row.is_outbound {
                targets.by_id.insert((row.phone_number_id.clone(), id), row.wamid.is_none());
            }
            if let Some(wamid) = row.wamid {
                targets.by_wamid.insert((row.phone_number_id, wamid), row.is_outbound.then_some(id));
            }
        }
        targets
    }

    pub(super) fn knows(&self, report: &StatusReport) -> bool {
        self.by_wamid.contains_key(&key(report))
    }

    /// Gives messages the id that reports with our row id tell, and returns what was given. A message that was sent
    /// twice has two ids; the first one told is its own.
    pub(super) fn claim(&mut self, reports: &[StatusReport]) -> Vec<(Key, MessageId)> {
        let mut sorted: Vec<&StatusReport> = reports.iter().filter(|report| !self.knows(report)).collect();
        sorted.sort_by_key(|report| (report.at, report.wamid.clone()));
        let mut claimed = Vec::new();
        for report in sorted {
            let (key, Some(id)) = (key(report), report.message_id) else { continue };
            if self.by_wamid.contains_key(&key) {
                continue;
            }
            let is_free = self.by_id.get_mut(&(report.phone_number_id.clone(), id));
            match is_free {
                Some(is_free) if *is_free => {
                    *is_free = false;
                    self.by_wamid.insert(key.clone(), Some(id));
                    claimed.push((key, id));
                }
                // Another try of a message that has its id: nothing to report to.
                Some(_) => {
                    self.by_wamid.insert(key, None);
                }
                None => {}
            }
        }
        claimed
    }
}

/// What tells the message of a report.
pub(super) fn key(report: &StatusReport) -> Key {
    (report.phone_number_id.clone(), report.wamid.clone())
}
