//! Delivery reports, folded into the messages they are about.
//!
//! Reports come late, doubled, in any order, and sometimes before Meta's answer to the send is stored. Whatever the
//! order, the end is the same: a message has the highest stage that was reported (see [`DeliveryStatus::rank`]), the
//! earliest time of each stage, and the reason of its earliest failure if it failed.
//!
//! A report finds its message by Meta's id or by our row id, which Meta gives back. One that finds none is held in
//! `early_statuses` until Meta's id becomes known. Whoever makes an id known and whoever holds a report for it take the
//! same lock first ([`Tx::lock_wamids`]), so that neither misses the other.

mod early;
mod fold;

use std::collections::{BTreeMap, HashSet};

use domain::{DeliveryStatus, MessageId, Time};
use serde_json::Value;
use sqlx::{FromRow, QueryBuilder, types::Json};

use crate::{
    Result, Tx,
    db::on,
    rows::{Statement, statement},
};
use fold::{Fold, TargetRow, Targets, key};

/// Most reports worked on by one statement.
const ROWS_MAX: usize = 1_000;

/// A delivery report about an outbound message.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusReport {
    /// The number it was sent from.
    pub phone_number_id: String,
    /// Meta's id of the message.
    pub wamid: String,
    /// Our row id, as Meta gave it back.
    pub message_id: Option<MessageId>,
    /// The stage reached.
    pub status: DeliveryStatus,
    /// When, by Meta's clock.
    pub at: Time,
    /// In a group, the member that it was reached with: phone or business-scoped user id.
    pub participant: Option<String>,
    /// Why it failed.
    pub error: Option<Value>,
}

/// What became of delivery reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// Reports that found their message.
    pub known: usize,
    /// Reports that are held until their message is known.
    pub early: usize,
    /// Messages that have failed now and had not before.
    pub failed: Vec<MessageId>,
}

/// How far a message got with one member of a group.
#[derive(Debug, Clone, PartialEq, FromRow)]
pub struct Participation {
    /// The message.
    #[sqlx(try_from = "i64")]
    pub message_id: MessageId,
    /// The member's phone or business-scoped user id.
    pub participant: String,
    /// Delivery status.
    pub status: String,
    /// Why it failed.
    pub error: Option<Json<Value>>,
    /// When each stage was reached.
    pub sent_at: Option<Time>,
    /// See `sent_at`.
    pub delivered_at: Option<Time>,
    /// See `sent_at`.
    pub read_at: Option<Time>,
    /// See `sent_at`.
    pub played_at: Option<Time>,
    /// See `sent_at`.
    pub failed_at: Option<Time>,
}

impl Tx {
    /// Folds delivery reports into their messages; those of messages that are not known are held for a day.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn fold_statuses(&mut self, reports: &[StatusReport], now: Time) -> Result<Folded> {
        let mut folded = Folded::default();
        for reports in reports.chunks(ROWS_MAX) {
            self.fold_chunk(reports, now, &mut folded).await?;
        }
        Ok(folded)
    }

    async fn fold_chunk(&mut self, reports: &[StatusReport], now: Time, folded: &mut Folded) -> Result<()> {
        let mut targets = self.targets(reports).await?;
        let unknown: Vec<StatusReport> = reports.iter().filter(|report| !targets.knows(report)).cloned().collect();
        let mut claimed = Vec::new();
        let mut held = Vec::new();
        if !unknown.is_empty() {
            self.lock_wamids(unknown.iter().map(|report| report.wamid.clone()).collect()).await?;
            let again = self.targets(&unknown).await?;
            targets.by_wamid.extend(again.by_wamid);
            targets.by_id = again.by_id;
            claimed = targets.claim(&unknown);
            held = self.take_early(&claimed).await?;
            let early: Vec<&StatusReport> = unknown.iter().filter(|report| !targets.knows(report)).collect();
            folded.early += early.len();
            self.hold_early(&early, now).await?;
        }
        let mut folds: BTreeMap<MessageId, Fold> = claimed.iter().map(|(_, id)| (*id, Fold::default())).collect();
        let mut members: BTreeMap<(MessageId, String), Fold> = BTreeMap::new();
        for report in reports.iter().chain(&held) {
            let Some(Some(id)) = targets.by_wamid.get(&key(report)) else { continue };
            folded.known += 1;
            let Some(participant) = &report.participant else {
                folds.entry(*id).or_default().add(report);
                continue;
            };
            members.entry((*id, participant.clone())).or_default().add(report);
            // That it fails for one member does not mean that it failed.
            if report.status != DeliveryStatus::Failed {
                folds.entry(*id).or_default().add(report);
            }
        }
        let mut wamids: Vec<(MessageId, String)> = claimed.into_iter().map(|((_, wamid), id)| (id, wamid)).collect();
        wamids.sort_unstable();
        folded.failed.extend(self.newly_failed(&folds).await?);
        self.write_folds(&folds).await?;
        self.write_wamids(&wamids).await?;
        self.write_participants(&members).await
    }

    /// The messages that reports may be about.
    async fn targets(&mut self, reports: &[StatusReport]) -> Result<Targets> {
        let mut wamids: BTreeMap<&str, HashSet<&str>> = BTreeMap::new();
        for report in reports {
            wamids.entry(&report.phone_number_id).or_default().insert(&report.wamid);
        }
        let ids: HashSet<i64> = reports.iter().filter_map(|report| report.message_id).map(|id| id.0).collect();
        let rows: Vec<TargetRow> = on!(self, c => {
            let mut query = Statement::varied(reports.len(),
                "SELECT id, phone_number_id, wamid, direction = 'outbound' AS is_outbound FROM messages WHERE ");
            for (n, (number, wamids)) in wamids.into_iter().enumerate() {
                query.push(if n == 0 { "(phone_number_id = " } else { " OR (phone_number_id = " });
                query.push_bind(number).push(" AND wamid IN ");
                query.push_list(wamids);
                query.push(")");
            }
            if !ids.is_empty() {
                query.push(" OR id IN ");
                query.push_list(ids.iter().copied());
            }
            query.build_query_as().fetch_all(c).await
        })?;
        Ok(Targets::of(rows))
    }

    /// Of the messages that these reports say have failed, those that had not got so far.
    async fn newly_failed(&mut self, folds: &BTreeMap<MessageId, Fold>) -> Result<Vec<MessageId>> {
        let failed: Vec<MessageId> =
            folds.iter().filter(|(_, fold)| fold.best == Some(DeliveryStatus::Failed)).map(|(id, _)| *id).collect();
        if failed.is_empty() {
            return Ok(failed);
        }
        // Locked: another host may be told of the same failure.
        let lock = self.for_update();
        let ids: Vec<i64> = on!(self, c => {
            let mut query = statement!(failed.len(), "SELECT id FROM messages WHERE status_rank < ");
            query.push_bind(DeliveryStatus::Failed.rank()).push(" AND id IN ");
            query.push_list(failed.iter().map(|id| id.0));
            query.push(" ORDER BY id").push(lock);
            query.build_query_scalar().fetch_all(c).await
        })?;
        Ok(ids.into_iter().map(MessageId).collect())
    }

    /// Stores Meta's ids that reports have told first. They stand in an index, which SQLite brings up to date with every
    /// statement that names the column, so most reports are folded without it.
    async fn write_wamids(&mut self, wamids: &[(MessageId, String)]) -> Result<()> {
        if wamids.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = statement!(wamids.len(), "UPDATE messages SET wamid = COALESCE(messages.wamid, v.column2) FROM ");
            query.push_changes(wamids, |mut row, (id, wamid)| {
                row.push_bind(id.0).push_bind(wamid);
            });
            query.push(" AS v WHERE messages.id = v.column1");
            query.build().execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    async fn write_folds(&mut self, folds: &BTreeMap<MessageId, Fold>) -> Result<()> {
        if folds.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = statement!(folds.len(),
                "UPDATE messages SET
                    error = CASE WHEN v.column3 > status_rank OR (v.column3 = status_rank AND v.column9 < failed_at)
                                 THEN v.column4 ELSE error END,
                    status = CASE WHEN v.column3 > status_rank THEN v.column2 ELSE status END,
                    status_rank = CASE WHEN v.column3 > status_rank THEN v.column3 ELSE status_rank END,
                    sent_at = CASE WHEN sent_at IS NULL OR v.column5 < sent_at THEN v.column5 ELSE sent_at END,
                    delivered_at = CASE WHEN delivered_at IS NULL OR v.column6 < delivered_at THEN v.column6 ELSE delivered_at END,
                    read_at = CASE WHEN read_at IS NULL OR v.column7 < read_at THEN v.column7 ELSE read_at END,
                    played_at = CASE WHEN played_at IS NULL OR v.column8 < played_at THEN v.column8 ELSE played_at END,
                    failed_at = CASE WHEN failed_at IS NULL OR v.column9 < failed_at THEN v.column9 ELSE failed_at END
                 FROM ");
            query.push_changes(&Vec::from_iter(folds), |mut row, (id, fold)| {
                row.push_bind(id.0)
                    .push_bind(fold.best.map(DeliveryStatus::as_str))
                    .push_bind(fold.best.map(DeliveryStatus::rank))
                    .push_bind(fold.reason())
                    .push_bind(fold.at(DeliveryStatus::Sent))
                    .push_bind(fold.at(DeliveryStatus::Delivered))
                    .push_bind(fold.at(DeliveryStatus::Read))
                    .push_bind(fold.at(DeliveryStatus::Played))
                    .push_bind(fold.at(DeliveryStatus::Failed));
            });
            query.push(" AS v WHERE messages.id = v.column1");
            query.build().execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    async fn write_participants(&mut self, members: &BTreeMap<(MessageId, String), Fold>) -> Result<()> {
        if members.is_empty() {
            return Ok(());
        }
        on!(self, c => {
            let mut query = QueryBuilder::new(
                "INSERT INTO message_participants AS p (message_id, participant, status, status_rank, error, sent_at,
                    delivered_at, read_at, played_at, failed_at) ");
            query.push_values(members, |mut row, ((id, participant), fold)| {
                row.push_bind(id.0)
                    .push_bind(participant)
                    .push_bind(fold.best.map(DeliveryStatus::as_str))
                    .push_bind(fold.best.map(DeliveryStatus::rank))
                    .push_bind(fold.reason())
                    .push_bind(fold.at(DeliveryStatus::Sent))
                    .push_bind(fold.at(DeliveryStatus::Delivered))
                    .push_bind(fold.at(DeliveryStatus::Read))
                    .push_bind(fold.at(DeliveryStatus::Played))
                    .push_bind(fold.at(DeliveryStatus::Failed));
            });
            query.push(
                " ON CONFLICT (message_id, participant) DO UPDATE SET
                    error = CASE WHEN excluded.status_rank > p.status_rank
                                   OR (excluded.status_rank = p.status_rank AND excluded.failed_at < p.failed_at)
                                 THEN excluded.error ELSE p.error END,
                    status = CASE WHEN excluded.status_rank > p.status_rank THEN excluded.status ELSE p.status END,
                    status_rank = CASE WHEN excluded.status_rank > p.status_rank THEN excluded.status_rank ELSE p.status_rank END,
                    sent_at = CASE WHEN p.sent_at IS NULL OR excluded.sent_at < p.sent_at THEN excluded.sent_at ELSE p.sent_at END,
                    delivered_at = CASE WHEN p.delivered_at IS NULL OR excluded.delivered_at < p.delivered_at THEN excluded.delivered_at ELSE p.delivered_at END,
                    read_at = CASE WHEN p.read_at IS NULL OR excluded.read_at < p.read_at THEN excluded.read_at ELSE p.read_at END,
                    played_at = CASE WHEN p.played_at IS NULL OR excluded.played_at < p.played_at THEN excluded.played_at ELSE p.played_at END,
                    failed_at = CASE WHEN p.failed_at IS NULL OR excluded.failed_at < p.failed_at THEN excluded.failed_at ELSE p.failed_at END");
            query.build().persistent(false).execute(c).await.map(|_| ())
        })?;
        Ok(())
    }

    /// How far these messages got with each member of their group, by message and member.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn participations(&mut self, messages: &[MessageId]) -> Result<Vec<Participation>> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        Ok(on!(self, c => {
            let mut query = Statement::once(
                "SELECT message_id, participant, status, error, sent_at, delivered_at, read_at, played_at, failed_at
                 FROM message_participants WHERE message_id IN ");
            query.push_list(messages.iter().map(|id| id.0));
            query.push(" ORDER BY message_id, participant");
            query.build_query_as().fetch_all(c).await
        })?)
    }
}
