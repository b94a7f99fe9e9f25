//! Which contacts this host is working on: a contact is in at most one batch at a time.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    sync::{Mutex, MutexGuard, PoisonError},
};

use domain::{ContactId, EffectOutcome, ExecutionId};
use tokio::sync::Notify;

use super::plugin_calls::Answers;

/// What came of a call to the outside, on its way back into the contact's mailbox.
#[derive(Debug, Clone)]
pub(crate) enum Outcome {
    /// What came of an effect.
    Effect(Done),
    /// What matchers said.
    Answers(Answers),
}

/// What came of an effect.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    /// Whose effect it was.
    pub(crate) execution: ExecutionId,
    /// Which one of that execution's: its idempotency key.
    pub(crate) key: String,
    /// What came of it.
    pub(crate) outcome: EffectOutcome,
}

#[derive(Debug)]
enum Lane {
    /// In the queue; perhaps with the outcome of the effect it was waiting for.
    Ready { outcome: Option<Outcome> },
    /// In a worker's batch. `again`: something arrived meanwhile.
    Running { again: bool },
    /// A call to the outside is in flight. `again`: something arrived meanwhile.
    Effect { again: bool },
}

#[derive(Debug, Default)]
struct State {
    lanes: HashMap<ContactId, Lane>,
    ready: VecDeque<ContactId>,
}

/// The contacts in work and those that wait for a worker.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    state: Mutex<State>,
    ready: Notify,
}

impl Lanes {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something to look at for these contacts.
    pub(crate) fn wake(&self, contacts: impl IntoIterator<Item = ContactId>) {
        let mut state = self.state();
        let mut any = false;
        for contact in contacts {
            match state.lanes.get_mut(&contact) {
                None => {
                    state.lanes.insert(contact, Lane::Ready { outcome: None });
                    state.ready.push_back(contact);
                    any = true;
                }
                Some(Lane::Ready { .. }) => {}
                Some(Lane::Running { again } | Lane::Effect { again }) => *again = true,
            }
        }
        drop(state);
        if any {
            self.ready.notify_one();
        }
    }

    /// Waits until contacts are ready and takes up to `limit` of them.
    pub(crate) async fn take(&self, limit: usize) -> Vec<(ContactId, Option<Outcome>)> {
        loop {
            let notified = self.ready.notified();
            {
                let mut state = self.state();
                let count = state.ready.len().min(limit);
                if count > 0 {
                    let contacts: Vec<ContactId> = state.ready.drain(..count).collect();
                    let batch = contacts
                        .into_iter()
                        .map(|contact| {
                            let lane = state.lanes.insert(contact, Lane::Running { again: false });
                            let outcome = if let Some(Lane::Ready { outcome }) = lane { outcome } else { None };
                            (contact, outcome)
                        })
                        .collect();
                    if !state.ready.is_empty() {
                        self.ready.notify_one();
                    }
                    return batch;
                }
            }
            notified.await;
        }
    }

    /// Takes a contact that nobody works on and that waits for nobody, as a worker would. `false` for any other.
    pub(super) fn enter(&self, contact: ContactId) -> bool {
        match self.state().lanes.entry(contact) {
            Entry::Vacant(lane) => {
                lane.insert(Lane::Running { again: false });
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// A worker is done with a contact. It stays ready when the worker says that something is left, or when something
    /// arrived meanwhile.
    pub(crate) fn finish(&self, contact: ContactId, more: bool) {
        let mut state = self.state();
        let again = matches!(state.lanes.get(&contact), Some(Lane::Running { again: true }));
        if more || again {
            state.lanes.insert(contact, Lane::Ready { outcome: None });
            state.ready.push_back(contact);
            drop(state);
            self.ready.notify_one();
        } else {
            state.lanes.remove(&contact);
        }
    }

    /// A worker could do nothing for a contact: it goes back with what it was taken with.
    pub(crate) fn put_back(&self, contact: ContactId, outcome: Option<Outcome>) {
        let mut state = self.state();
        state.lanes.insert(contact, Lane::Ready { outcome });
        state.ready.push_back(contact);
        drop(state);
        self.ready.notify_one();
    }

    /// A contact waits for a call to the outside.
    pub(crate) fn begin_effect(&self, contact: ContactId) {
        let mut state = self.state();
        let again = matches!(state.lanes.get(&contact), Some(Lane::Running { again: true }));
        state.lanes.insert(contact, Lane::Effect { again });
    }

    /// The call ended: the contact is ready to go on with its outcome.
    pub(crate) fn end_effect(&self, contact: ContactId, outcome: Outcome) {
        self.put_back(contact, Some(outcome));
    }

    /// How many contacts are in work or wait for a worker.
    pub(crate) fn len(&self) -> usize {
        self.state().lanes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_contact_is_in_one_batch_at_a_time_and_comes_back_when_something_arrived() {
        let lanes = Lanes::default();
        lanes.wake([ContactId(1), ContactId(2), ContactId(1)]);
        assert_eq!(lanes.take(10).await.len(), 2);
        lanes.wake([ContactId(1)]);
        assert!(lanes.state().ready.is_empty(), "a contact in work is not handed out again");
        lanes.finish(ContactId(1), false);
        lanes.finish(ContactId(2), false);
        let batch = lanes.take(10).await;
        assert_eq!(batch.iter().map(|b| b.0).collect::<Vec<_>>(), [ContactId(1)]);
        lanes.finish(ContactId(1), false);
        assert_eq!(lanes.len(), 0);
    }

    #[tokio::test]
    async fn a_contact_that_is_in_work_cannot_be_entered() {
        let lanes = Lanes::default();
        assert!(lanes.enter(ContactId(1)) && !lanes.enter(ContactId(1)));
        lanes.wake([ContactId(1), ContactId(2)]);
        assert!(!lanes.enter(ContactId(2)), "it waits for a worker");
        assert_eq!(lanes.take(10).await.iter().map(|b| b.0).collect::<Vec<_>>(), [ContactId(2)]);
        lanes.finish(ContactId(1), false);
        assert_eq!(lanes.take(10).await[0].0, ContactId(1), "what arrived meanwhile is looked at");
    }

    #[tokio::test]
    async fn arrivals_during_an_effect_wait_for_its_outcome() {
        let lanes = Lanes::default();
        lanes.wake([ContactId(1)]);
        lanes.take(1).await;
        lanes.begin_effect(ContactId(1));
        lanes.wake([ContactId(1)]);
        assert!(lanes.state().ready.is_empty());
        let outcome = EffectOutcome::Unreachable { reason: "gone".into(), attempts: 1 };
        let done = Done { execution: ExecutionId(7), key: "7-1".into(), outcome };
        lanes.end_effect(ContactId(1), Outcome::Effect(done));
        let batch = lanes.take(1).await;
        assert!(matches!(&batch[0].1, Some(Outcome::Effect(done)) if done.execution == ExecutionId(7)));
    }
}
