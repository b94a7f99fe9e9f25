//! The outbox's one writer: stores outcomes and lets the next messages go, many contacts in one commit. Where there is but one
//! writer of the whole database, it leaves that to whoever is about to commit anyway ([`super::ride`]).

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use domain::{ContactId, DeliveryStatus, MessageId, Time};
use serde_json::Value;
use storage::{Mailbox, SendResult, Settled, Tx, Unsent};

use super::{
    Outbox,
    gates::Epoch,
    state::{Drawn, Lane, Stage},
};
use crate::failures;

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

/// What the next commit is about. Whoever has it, and nobody else, takes what is due and stores it. It is not empty while
/// it is being stored, or when that has failed.
#[derive(Debug, Default)]
pub(super) struct Round {
    results: Vec<(ContactId, MessageId, SendResult)>,
    /// First messages whose turn has come.
    turns: Vec<Unsent>,
    /// Messages that follow an outcome at once, by contact; in an order, so that a simulation can be repeated.
    followers: BTreeMap<ContactId, Unsent>,
    /// Contacts whose first message has to wait for long, and until when.
    parks: HashMap<ContactId, Time>,
    /// When it was decided that messages go.
    epoch: Epoch,
    /// How often the database refused for a reason that does not go away.
    retries: usize,
}

pub(super) async fn run(outbox: &Arc<Outbox>) {
    let mut pause = PAUSE_MIN;
    loop {
        let changed = outbox.changed.notified();
        // Asked before the round is taken: a request that ends in between leaves its outcome for that round.
        let finished = outbox.stop.is_cancelled() && outbox.tasks.is_empty();
        if !outbox.store_health().await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        let mut round = outbox.round.lock().await;
        if round.is_empty() && !finished && outbox.awaits_ride() {
            drop(round);
            tokio::select! {
                () = changed => {}
                () = stopping(outbox) => {}
            }
            continue;
        }
        if round.is_empty() {
            *round = outbox.next_round();
        }
        if round.is_empty() {
            drop(round);
            if finished {
                return;
            }
            let next = {
                let (mut state, now) = outbox.at_present();
                state.next_due(now).filter(|_| !outbox.stop.is_cancelled())
            };
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
                outbox.apply(std::mem::take(&mut *round), done);
            }
            Err(error) if error.is_transient() || round.retries < RETRIES_BEFORE_SPLIT => {
                tracing::warn!(%error, outcomes = round.results.len(), "the database refused to store what became of sends; trying again");
                round.retries += usize::from(!error.is_transient());
                // Nobody else is to wait meanwhile; what is left here stays this one's.
                drop(round);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
            Err(_) => {
                let parts = std::mem::take(&mut *round);
                outbox.commit_one_by_one(parts).await;
            }
        }
    }
}

/// When the server stops, requests in flight still bring outcomes: they are awaited and stored.
async fn stopping(outbox: &Outbox) {
    outbox.stop.cancelled().await;
    outbox.drain().await;
}

impl Round {
    pub(super) fn is_empty(&self) -> bool {
        self.results.is_empty() && self.turns.is_empty() && self.parks.is_empty()
    }
}

/// Which contacts of a round may be parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parking {
    /// All.
    OfAll,
    /// Those whose unsettled messages are all known here. The others have some of the transaction itself, which are
    /// [added](Outbox::add) once it is committed, and must not meet a mailbox that nobody owns.
    OfKnown,
}

/// What was found while a round was written. Dropped before it is [applied](Outbox::apply), it counts as not committed.
pub(super) struct Written<'a> {
    /// Mailboxes that are still this host's.
    locked: HashMap<ContactId, Mailbox>,
    /// Messages that may go now.
    marked: HashSet<MessageId>,
    /// Contacts whose mailbox this host is to look at.
    wake: Vec<ContactId>,
    parked: Parked<'a>,
    /// Contacts that were to be parked and are not.
    postponed: Vec<ContactId>,
}

/// Lanes that were taken out because a parked mailbox may be claimed the moment its commit stands: by then nothing of it
/// may be left here. Dropped, they are put back.
struct Parked<'a> {
    outbox: &'a Outbox,
    lanes: Vec<(ContactId, Lane)>,
}

impl Drop for Parked<'_> {
    fn drop(&mut self) {
        if self.lanes.is_empty() {
            return;
        }
        let mut state = self.outbox.state();
        for (contact, lane) in self.lanes.drain(..) {
            state.lanes.entry(contact).or_insert(lane);
        }
    }
}

impl Outbox {
    /// Takes what is due.
    pub(super) fn next_round(&self) -> Round {
        let stopping = self.stop.is_cancelled();
        let (mut state, now) = self.at_present();
        let count = state.results.len().min(BATCH_MAX);
        let epoch = state.gates.epoch();
        let mut round = Round { results: state.results.drain(..count).collect(), epoch, ..Round::default() };
        for (contact, message, result) in &round.results {
            let (park, follower) = state.settle(*contact, *message, result, now);
            round.parks.extend(park.map(|until| (*contact, until)));
            round.followers.extend(follower.filter(|_| !stopping).map(|next| (*contact, next)));
        }
        if !stopping {
            let Drawn { turns, parks } = state.draw(now, BATCH_MAX);
            round.turns = turns;
            round.parks.extend(parks);
            if !state.wanted(now).is_empty() {
                self.wanting.notify_one();
            }
        }
        round
    }

    /// One outcome that the database does not take must not hold up the others. What cannot be stored as it is, is
    /// stored in a plainer form; Meta's word that it took a message is never lost.
    async fn commit_one_by_one(self: &Arc<Self>, round: Round) {
        let Round { results, turns, mut followers, mut parks, epoch, .. } = round;
        let outcomes: Vec<Round> = results
            .into_iter()
            .map(|(contact, message, result)| Round {
                results: vec![(contact, message, result)],
                followers: followers.remove(&contact).map(|next| (contact, next)).into_iter().collect(),
                parks: parks.remove(&contact).map(|until| (contact, until)).into_iter().collect(),
                epoch,
                ..Round::default()
            })
            .collect();
        let turns = turns.into_iter().map(|turn| Round { turns: vec![turn], epoch, ..Round::default() });
        let parks = parks.into_iter().map(|park| Round { parks: HashMap::from([park]), ..Round::default() });
        for mut part in outcomes.into_iter().chain(turns).chain(parks) {
            let mut result = self.commit(&part).await;
            if let (Err(error), Some(outcome)) = (&result, part.results.first_mut()) {
                tracing::error!(message.id = %outcome.1, %error, "what became of a send cannot be stored as it is");
                outcome.2 = match &outcome.2 {
                    SendResult::Accepted { .. } => SendResult::Accepted { wamid: None },
                    SendResult::Again { at, ambiguous, .. } => {
                        SendResult::Again { at: *at, error: Value::Null, ambiguous: *ambiguous }
                    }
                    SendResult::Held { until, code, .. } => {
                        SendResult::Held { until: *until, code: *code, error: Value::Null }
                    }
                    SendResult::Spared { at } => SendResult::Spared { at: *at },
                    SendResult::Failed { .. } => SendResult::Failed { error: Value::Null },
                };
                result = self.commit(&part).await;
            }
            match result {
                Ok(done) => self.apply(part, done),
                Err(error) => {
                    tracing::error!(%error, "a contact's outbox is given back; it is claimed again");
                    part.contacts().into_iter().for_each(|contact| self.forget(contact));
                }
            }
        }
    }

    async fn commit<'a>(&'a self, round: &Round) -> storage::Result<Written<'a>> {
        let mut tx = self.db.begin().await?;
        let written = self.write(&mut tx, round, Parking::OfAll).await?;
        tx.commit().await?;
        Ok(written)
    }

    /// Writes a round. Nothing may be written after it in the same transaction.
    pub(super) async fn write<'a>(
        &'a self,
        tx: &mut Tx,
        round: &Round,
        parking: Parking,
    ) -> storage::Result<Written<'a>> {
        let now = self.clock.now();
        let contacts = round.contacts();
        let mut locked = tx.lock_mailboxes(self.membership.host(), &contacts).await?;
        // What Meta took, it took: that is stored even for a contact that is another host's by now. Of anything else
        // that host knows better.
        let counts = |contact: &ContactId, result: &SendResult| {
            locked.contains_key(contact) || matches!(result, SendResult::Accepted { .. })
        };
        let results = round.results.iter().filter(|(contact, _, result)| counts(contact, result));
        let mut results: Vec<_> = results.map(|(_, message, result)| (*message, result.clone())).collect();
        results.sort_by_key(|(message, _)| *message);
        let folded = tx.store_send_results(&results, now).await?;
        let failed = results.iter().filter(|(_, result)| matches!(result, SendResult::Failed { .. }));
        let failed: Vec<MessageId> = failed.map(|(message, _)| *message).chain(folded.failed).collect();
        let wake = failures::note(tx, &failed, &mut locked, now).await?;

        let mut open: HashMap<ContactId, i64> = contacts.iter().map(|contact| (*contact, 0)).collect();
        let mut first: HashMap<ContactId, MessageId> = HashMap::new();
        let mut postponed = Vec::new();
        for (contact, message) in tx.unsent_ids(&contacts).await? {
            *open.entry(contact).or_default() += 1;
            first.entry(contact).or_insert(message);
            if parking == Parking::OfKnown && round.parks.contains_key(&contact) && !self.knows(contact, message) {
                postponed.push(contact);
            }
        }
        postponed.dedup();
        // Never one before an older one, which another host may have left behind.
        let next = round.turns.iter().chain(round.followers.values());
        let next = next.filter(|message| locked.contains_key(&message.contact_id));
        let next = next.filter(|message| first.get(&message.contact_id).is_none_or(|first| *first == message.id));
        let mut ids: Vec<MessageId> = next.map(|message| message.id).collect();
        ids.sort_unstable();
        let marked: HashSet<MessageId> = tx.mark_sending(&ids, now).await?.into_iter().collect();
        let held: HashMap<ContactId, Time> = round
            .parks
            .iter()
            .filter(|(contact, _)| !postponed.contains(contact))
            .map(|(contact, until)| (*contact, *until))
            .collect();
        let settled: Vec<Settled> = open
            .into_iter()
            .map(|(contact_id, count)| Settled {
                contact_id,
                handled: 0,
                open: Some(count),
                wake_at: None,
                held_until: Some(held.get(&contact_id).copied()),
            })
            .collect();
        tx.hold_in_doubt(&self.in_doubt(held.keys().filter(|contact| locked.contains_key(contact)))).await?;
        tx.settle_mailboxes(&locked, &settled).await?;
        let lanes = {
            let mut state = self.state();
            held.keys().filter_map(|contact| Some((*contact, state.take_lane(*contact)?))).collect()
        };
        Ok(Written { locked, marked, wake, parked: Parked { outbox: self, lanes }, postponed })
    }

    /// The first messages of these contacts that wait in doubt, and until when.
    fn in_doubt<'a>(&self, contacts: impl Iterator<Item = &'a ContactId>) -> Vec<(MessageId, Time)> {
        let state = self.state();
        let first = |contact| state.lanes.get(contact)?.queue.front();
        let waits = |first: &Unsent| Some((first.id, first.next_attempt_at?));
        let mut found: Vec<_> = contacts
            .filter_map(first)
            .filter(|first| first.status == DeliveryStatus::Sending)
            .filter_map(waits)
            .collect();
        found.sort_unstable();
        found
    }

    /// Brings the lanes to what was committed and lets the next messages go.
    pub(super) fn apply(self: &Arc<Self>, mut round: Round, mut done: Written<'_>) {
        done.parked.lanes.clear();
        round.parks.retain(|contact, _| !done.postponed.contains(contact));
        let epoch = round.epoch;
        let told: Vec<ContactId> = round.results.iter().map(|(contact, ..)| *contact).collect();
        let mut go = Vec::new();
        let mut wake = std::mem::take(&mut done.wake);
        let (mut state, now) = self.at_present();
        for (contact, message, result) in &round.results {
            if !done.locked.contains_key(contact) {
                state.forget(*contact);
                continue;
            }
            state.apply(*contact, *message, result);
            if !round.followers.contains_key(contact) && !round.parks.contains_key(contact) {
                state.schedule(*contact, now);
            }
        }
        for contact in &done.postponed {
            state.schedule(*contact, now);
        }
        for message in round.turns.into_iter().chain(round.followers.into_values()) {
            let contact = message.contact_id;
            if !done.locked.contains_key(&contact) {
                state.forget(contact);
                continue;
            }
            let Some(lane) = state.lanes.get_mut(&contact) else { continue };
            let Some(first) = lane.queue.front_mut().filter(|first| first.id == message.id) else { continue };
            if done.marked.contains(&message.id) {
                first.attempts += 1;
                first.status = DeliveryStatus::Sending;
                first.next_attempt_at = None;
                lane.stage = Stage::Busy;
                go.push(first.clone());
            } else {
                // A status webhook has proven meanwhile that it went out, or an older one is not known here.
                state.forget(contact);
                wake.push(contact);
            }
        }
        drop(state);
        if let Some(runner) = self.runner() {
            for contact in round.parks.keys() {
                runner.parked(*contact);
            }
            runner.wake(wake);
        }
        for message in go {
            self.post(message, epoch);
        }
        self.changes.tell(told);
    }
}

impl Round {
    /// All contacts that it is about, in order.
    fn contacts(&self) -> Vec<ContactId> {
        let mut contacts: Vec<ContactId> = self.results.iter().map(|(contact, ..)| *contact).collect();
        contacts.extend(self.turns.iter().map(|message| message.contact_id));
        contacts.extend(self.parks.keys());
        contacts.sort_unstable();
        contacts.dedup();
        contacts
    }
}
