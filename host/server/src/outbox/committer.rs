//! The outbox's one writer: stores outcomes and lets the next messages go, many contacts in one commit.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domain::{ContactId, DeliveryStatus, MessageId, Time};
use serde_json::Value;
use storage::{Mailbox, SendResult, Settled, Unsent};

use super::{LaneState, Outbox, State};

/// Most contacts in one commit.
const BATCH_MAX: usize = 256;
/// First pause after the database refused; it doubles up to [`PAUSE_MAX`].
const PAUSE_MIN: Duration = Duration::from_millis(50);
/// Longest pause while the database refuses.
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often a whole round is tried before its parts are tried alone.
const RETRIES_BEFORE_SPLIT: usize = 2;
/// Longest sleep when no message waits for its turn.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

/// What the next commit is about.
#[derive(Default)]
struct Round {
    results: Vec<(ContactId, MessageId, SendResult)>,
    /// First messages whose turn has come.
    turns: Vec<Unsent>,
    /// Messages that follow an outcome at once, by contact.
    followers: HashMap<ContactId, Unsent>,
    /// How often the database refused for a reason that does not go away.
    retries: usize,
}

pub(super) async fn run(outbox: &Arc<Outbox>) {
    let mut pause = PAUSE_MIN;
    let mut round = Round::default();
    loop {
        let changed = outbox.changed.notified();
        // Asked before the round is taken: a request that ends in between leaves its outcome for that round.
        let finished = outbox.stop.is_cancelled() && outbox.tasks.is_empty();
        if round.is_empty() {
            round = outbox.next_round();
        }
        if round.is_empty() {
            if finished {
                return;
            }
            let next = outbox.state().turns.first().map(|(at, _)| *at).filter(|_| !outbox.stop.is_cancelled());
            let sleep = next.map_or(SLEEP_MAX, |at| outbox.clock.until(at, SLEEP_MAX));
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(sleep) => {}
                () = stopping(outbox) => {}
            }
            continue;
        }
        match outbox.commit(&round).await {
            Ok(done) => {
                pause = PAUSE_MIN;
                let contacts: Vec<ContactId> = round.results.iter().map(|(contact, ..)| *contact).collect();
                outbox.apply(std::mem::take(&mut round), &done);
                outbox.changes.tell(contacts);
            }
            Err(error) if error.is_transient() || round.retries < RETRIES_BEFORE_SPLIT => {
                tracing::warn!(%error, outcomes = round.results.len(), "the database refused to store what became of sends; trying again");
                round.retries += usize::from(!error.is_transient());
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(_) => outbox.commit_one_by_one(std::mem::take(&mut round)).await,
        }
    }
}

/// When the server stops, requests in flight still bring outcomes: they are awaited and stored.
async fn stopping(outbox: &Outbox) {
    outbox.stop.cancelled().await;
    outbox.drain().await;
}

impl Round {
    fn is_empty(&self) -> bool {
        self.results.is_empty() && self.turns.is_empty()
    }
}

/// What a commit found.
struct Committed {
    /// Mailboxes that are still this host's.
    locked: HashMap<ContactId, Mailbox>,
    /// Messages that may go now.
    marked: HashSet<MessageId>,
}

impl Outbox {
    fn next_round(&self) -> Round {
        let now = self.clock.now();
        let mut state = self.state();
        let count = state.results.len().min(BATCH_MAX);
        let results: Vec<_> = state.results.drain(..count).collect();
        let mut followers = HashMap::new();
        for (contact, message, result) in &results {
            if matches!(result, SendResult::Again { .. }) || self.stop.is_cancelled() {
                continue;
            }
            if let Some(next) = state.follower(*contact, *message, now) {
                followers.insert(*contact, next);
            }
        }
        let mut turns = Vec::new();
        while turns.len() < BATCH_MAX && !self.stop.is_cancelled() {
            let Some(&(at, contact)) = state.turns.first() else { break };
            if at > now {
                break;
            }
            state.turns.pop_first();
            if let Some(lane) = state.lanes.get_mut(&contact)
                && lane.state == LaneState::Scheduled
                && let Some(first) = lane.queue.front().cloned()
            {
                lane.state = LaneState::Busy;
                lane.turn = None;
                turns.push(first);
            }
        }
        Round { results, turns, followers, retries: 0 }
    }

    /// One outcome that the database does not take must not hold up the others. What cannot be stored as it is, is
    /// stored in a plainer form; Meta's word that it took a message is never lost.
    async fn commit_one_by_one(self: &Arc<Self>, round: Round) {
        let Round { results, turns, mut followers, .. } = round;
        let outcomes = results.into_iter().map(|(contact, message, result)| {
            let followers = followers.remove(&contact).map(|next| (contact, next)).into_iter().collect();
            Round { results: vec![(contact, message, result)], followers, ..Round::default() }
        });
        let turns = turns.into_iter().map(|turn| Round { turns: vec![turn], ..Round::default() });
        for mut part in outcomes.collect::<Vec<_>>().into_iter().chain(turns) {
            let mut result = self.commit(&part).await;
            if let (Err(error), Some(outcome)) = (&result, part.results.first_mut()) {
                tracing::error!(message.id = %outcome.1, %error, "what became of a send cannot be stored as it is");
                outcome.2 = match &outcome.2 {
                    SendResult::Accepted { .. } => SendResult::Accepted { wamid: None },
                    SendResult::Again { at, ambiguous, .. } => {
                        SendResult::Again { at: *at, error: Value::Null, ambiguous: *ambiguous }
                    }
                    SendResult::Failed { .. } => SendResult::Failed { error: Value::Null },
                };
                result = self.commit(&part).await;
            }
            match result {
                Ok(done) => self.apply(part, &done),
                Err(error) => {
                    tracing::error!(%error, "a contact's outbox is given back; it is claimed again");
                    let contacts = part.results.iter().map(|(c, ..)| *c).chain(part.turns.iter().map(|m| m.contact_id));
                    contacts.for_each(|contact| self.forget(contact));
                }
            }
        }
    }

    async fn commit(&self, round: &Round) -> storage::Result<Committed> {
        let now = self.clock.now();
        let mut contacts: Vec<ContactId> = round.results.iter().map(|(contact, ..)| *contact).collect();
        contacts.extend(round.turns.iter().map(|message| message.contact_id));
        contacts.sort_unstable();
        contacts.dedup();

        let mut tx = self.db.begin().await?;
        let locked = tx.lock_mailboxes(self.membership.host(), &contacts).await?;
        // What Meta took, it took: that is stored even for a contact that is another host's by now.
        let mut results: Vec<_> = round.results.iter().map(|(_, message, result)| (*message, result.clone())).collect();
        results.sort_by_key(|(message, _)| *message);
        tx.store_send_results(&results, now).await?;
        let next: Vec<&Unsent> = round
            .turns
            .iter()
            .chain(round.followers.values())
            .filter(|message| locked.contains_key(&message.contact_id))
            .collect();
        let mut ids: Vec<MessageId> = next.iter().map(|message| message.id).collect();
        ids.sort_unstable();
        let marked: HashSet<MessageId> = tx.mark_sending(&ids).await?.into_iter().collect();
        let mut open: HashMap<ContactId, i64> = contacts.iter().map(|contact| (*contact, 0)).collect();
        for (contact, _) in tx.unsent_ids(&contacts).await? {
            *open.entry(contact).or_default() += 1;
        }
        let settled: Vec<Settled> = open
            .into_iter()
            .map(|(contact_id, count)| Settled { contact_id, handled: 0, open: Some(count), wake_at: None })
            .collect();
        tx.settle_mailboxes(&locked, &settled).await?;
        tx.commit().await?;
        Ok(Committed { locked, marked })
    }

    /// Brings the lanes to what was committed and lets the next messages go.
    fn apply(self: &Arc<Self>, round: Round, done: &Committed) {
        let now = self.clock.now();
        let mut go = Vec::new();
        let mut state = self.state();
        for (contact, message, result) in round.results {
            if !done.locked.contains_key(&contact) {
                state.forget(contact);
                continue;
            }
            let Some(lane) = state.lanes.get_mut(&contact) else { continue };
            if lane.queue.front().is_none_or(|first| first.id != message) {
                continue;
            }
            match result {
                SendResult::Again { at, ambiguous, .. } => {
                    if let Some(first) = lane.queue.front_mut() {
                        first.next_attempt_at = Some(at);
                        first.status = if ambiguous { DeliveryStatus::Sending } else { DeliveryStatus::Queued };
                    }
                }
                SendResult::Accepted { .. } | SendResult::Failed { .. } => {
                    lane.queue.pop_front();
                }
            }
            if !round.followers.contains_key(&contact) {
                lane.state = LaneState::Idle;
                state.schedule(contact, now);
            }
        }
        for message in round.turns.into_iter().chain(round.followers.into_values()) {
            if !done.locked.contains_key(&message.contact_id) {
                state.forget(message.contact_id);
                continue;
            }
            let Some(lane) = state.lanes.get_mut(&message.contact_id) else { continue };
            if lane.queue.front().is_none_or(|first| first.id != message.id) {
                continue;
            }
            if done.marked.contains(&message.id) {
                if let Some(first) = lane.queue.front_mut() {
                    first.attempts += 1;
                    first.status = DeliveryStatus::Sending;
                    first.next_attempt_at = None;
                    go.push(first.clone());
                }
            } else {
                // A status webhook has proven meanwhile that it went out.
                lane.queue.pop_front();
                lane.state = LaneState::Idle;
                state.schedule(message.contact_id, now);
            }
        }
        drop(state);
        for message in go {
            self.post(message);
        }
    }
}

impl State {
    /// The message that may go at once after another one of its contact, if there is one and no pace holds it back.
    fn follower(&mut self, contact: ContactId, after: MessageId, now: Time) -> Option<Unsent> {
        let lane = self.lanes.get(&contact)?;
        if lane.queue.front()?.id != after {
            return None;
        }
        let next = lane.queue.get(1)?.clone();
        let due = next.next_attempt_at.is_none_or(|at| at <= now);
        (due && self.pace.take_now(&next.phone_number_id, contact, now)).then_some(next)
    }
}
