//! Writing what a batch of desks came to, in one transaction, and setting off what follows from it.

use std::{collections::HashMap, sync::Arc};

use domain::{Address, ContactId, DeliveryStatus, ExecutionId, ItemId, MessageId, OutgoingMessage, Time};
use serde_json::{Value, json};
use storage::{Mailbox, NewExecution, NewOutbound, Settled, StepRow, Unsent};
use whatsapp::limits::{self, Templates};

use super::{
    Runner,
    desk::{Desk, Work},
    lanes::Outcome,
};

/// Commits the work of a batch. Contacts whose mailbox belongs to somebody else by now are dropped without a trace:
/// their new owner does the same work.
pub(super) async fn commit(
    runner: &Arc<Runner>,
    batch: &[(ContactId, Option<Outcome>)],
    mut done: Vec<(Desk, Work)>,
) -> storage::Result<()> {
    let now = runner.clock.now();
    let host = runner.membership.host();
    // Rows are locked in one order by everybody.
    done.sort_by_key(|(desk, _)| desk.contact_id());
    let ids: Vec<ContactId> = done.iter().map(|(desk, _)| desk.contact_id()).collect();
    let mut reserved = Reserved { runner, contacts: Vec::new() };

    let mut tx = runner.db.begin().await?;
    let locked = tx.lock_mailboxes(host, &ids).await?;
    let (kept, lost): (Vec<_>, Vec<_>) =
        done.into_iter().partition(|(desk, _)| locked.contains_key(&desk.contact_id()));
    let unknown: Vec<ContactId> =
        locked.values().filter(|m| m.open > runner.outbox.count(m.contact_id)).map(|m| m.contact_id).collect();
    let adopted = tx.unsent(&unknown).await?;
    // A row that a status webhook has settled meanwhile is open no longer, though nobody has counted it down.
    let mut corrected: HashMap<ContactId, i64> = unknown.iter().map(|id| (*id, -locked[id].open)).collect();
    for message in &adopted {
        *corrected.entry(message.contact_id).or_default() += 1;
    }

    let mut plan = Plan::default();
    for (desk, work) in kept {
        plan.add(runner, &mut reserved, corrected.get(&desk.contact_id()).copied(), &desk, work);
    }
    tx.remove_items(&plan.items).await?;
    tx.save_executions(&plan.executions).await?;
    tx.append_steps(&plan.steps).await?;
    let message_ids = tx.insert_outbound(&plan.messages, now).await?;
    let still_ours = tx.settle_mailboxes(&locked, &plan.settled).await?;
    tx.commit().await?;

    reserved.contacts.clear();
    for (desk, _) in &lost {
        runner.outbox.forget(desk.contact_id());
    }
    runner.outbox.adopt(adopted, now);
    runner.outbox.add(to_send(plan.messages, plan.recipients, message_ids));
    follow_up(runner, batch, plan.effects, plan.wakes, &still_ours);
    Ok(())
}

/// Everything that a batch writes, table by table.
#[derive(Default)]
struct Plan {
    items: Vec<ItemId>,
    executions: Vec<NewExecution>,
    steps: Vec<StepRow>,
    messages: Vec<NewOutbound>,
    /// To whom each of `messages` goes.
    recipients: Vec<Address>,
    settled: Vec<Settled>,
    effects: Vec<(ContactId, ExecutionId, domain::Effect)>,
    wakes: Vec<(ContactId, Time)>,
}

impl Plan {
    /// `corrected`: by how much the mailbox's count of open messages is wrong, for a contact with messages that this
    /// host did not know of.
    fn add(&mut self, runner: &Runner, reserved: &mut Reserved<'_>, corrected: Option<i64>, desk: &Desk, work: Work) {
        let contact = desk.contact_id();
        let mut open = 0;
        for (execution, message) in work.messages {
            let mut row = outbound(desk, execution, message);
            if row.status == DeliveryStatus::Queued {
                // The first one goes out as soon as this commit stands, if nothing of this contact is on its way and
                // no pace holds it back. Saying so now saves a commit.
                if open == 0 && corrected.is_none() && runner.outbox.reserve(contact, &row.phone_number_id) {
                    row.status = DeliveryStatus::Sending;
                    reserved.contacts.push(contact);
                }
                open += 1;
            }
            self.messages.push(row);
            self.recipients.push(desk.contact.recipient());
        }
        // A mailbox whose effect is in flight stays unhandled: if this host dies, the next one makes the call again.
        let handled = if work.all_handled { desk.mailbox.arrivals } else { desk.mailbox.arrivals - 1 };
        self.settled.push(Settled {
            contact_id: contact,
            handled: Some(handled.max(desk.mailbox.handled)),
            open: open + corrected.unwrap_or(0),
            wake_at: Some(work.wake_at),
        });
        if let Some((execution, effect)) = work.effect {
            self.effects.push((contact, execution, effect));
        }
        if let Some(wake_at) = work.wake_at {
            self.wakes.push((contact, wake_at));
        }
        self.items.extend(work.done);
        self.executions.extend(work.executions);
        self.steps.extend(work.steps);
    }
}

/// Places in the outbox that are taken for messages of a commit that has not succeeded yet.
struct Reserved<'a> {
    runner: &'a Runner,
    contacts: Vec<ContactId>,
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        for contact in self.contacts.drain(..) {
            self.runner.outbox.release(contact);
        }
    }
}

fn outbound(desk: &Desk, execution: ExecutionId, message: OutgoingMessage) -> NewOutbound {
    let credentials = desk.bot.as_deref().and_then(|bot| bot.credentials.as_ref());
    let faults = limits::check(&message, Templates::Filled);
    let error: Option<Value> = if credentials.is_none() {
        Some(
            json!({ "title": "the bot has no WhatsApp phone number id and access token, or WhatsApp is switched off for it" }),
        )
    } else if faults.is_empty() {
        None
    } else {
        Some(json!({ "title": "breaks a limit of the Cloud API", "errors": faults }))
    };
    NewOutbound {
        bot_id: desk.contact.bot_id,
        contact_id: desk.contact_id(),
        execution_id: Some(execution),
        phone_number_id: credentials.map(|c| c.phone_number_id.clone()).unwrap_or_default(),
        text: message.text(),
        kind: message.kind,
        content: message.content,
        status: if error.is_some() { DeliveryStatus::Failed } else { DeliveryStatus::Queued },
        error,
    }
}

fn to_send(messages: Vec<NewOutbound>, recipients: Vec<Address>, ids: Vec<MessageId>) -> Vec<Unsent> {
    messages
        .into_iter()
        .zip(recipients)
        .zip(ids)
        .filter(|((message, _), _)| message.status != DeliveryStatus::Failed)
        .map(|((message, to), id)| Unsent {
            to,
            id,
            bot_id: message.bot_id,
            contact_id: message.contact_id,
            phone_number_id: message.phone_number_id,
            kind: message.kind,
            content: message.content,
            attempts: i64::from(message.status == DeliveryStatus::Sending),
            status: message.status,
            next_attempt_at: None,
        })
        .collect()
}

/// Lets go of the contacts of a batch, or keeps them busy with what comes next.
fn follow_up(
    runner: &Arc<Runner>,
    batch: &[(ContactId, Option<Outcome>)],
    effects: Vec<(ContactId, ExecutionId, domain::Effect)>,
    wakes: Vec<(ContactId, Time)>,
    still_ours: &[Mailbox],
) {
    let ours: HashMap<ContactId, &Mailbox> = still_ours.iter().map(|m| (m.contact_id, m)).collect();
    let busy: Vec<ContactId> = effects.iter().map(|(contact, ..)| *contact).collect();
    for (contact, execution, effect) in effects {
        runner.lanes.begin_effect(contact);
        effects_task(runner, contact, execution, effect);
    }
    for (contact, wake_at) in wakes {
        runner.timekeeper.set(contact, wake_at, ours.contains_key(&contact));
    }
    for (contact, _) in batch {
        if !busy.contains(contact) {
            let more = ours.get(contact).is_some_and(|m| m.arrivals > m.handled);
            runner.lanes.finish(*contact, more);
        }
    }
    runner.changes.tell(batch.iter().map(|(contact, _)| *contact));
}

fn effects_task(runner: &Arc<Runner>, contact: ContactId, execution: ExecutionId, effect: domain::Effect) {
    let runner = runner.clone();
    tokio::spawn(async move {
        let stop = runner.stop.clone();
        tokio::select! {
            // Whoever owns the contact next makes the call again, with the same idempotency key.
            () = stop.cancelled() => {}
            outcome = runner.effects.perform(&effect) => runner.lanes.end_effect(contact, (execution, outcome)),
        }
    });
}
