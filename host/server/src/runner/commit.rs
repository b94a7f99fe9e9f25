//! Writing what a batch of desks came to, in one transaction, and setting off what follows from it.

use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use domain::{
    Address, BotId, Contact, ContactId, DeliveryStatus, EffectOutcome, ExecutionId, HostId, ItemId, MessageId, Time,
    plugin::{ContactChange, FailureKind, PluginFailure, PluginOutcome},
};
use engine::Saying;
use futures_util::FutureExt;
use serde_json::{Value, json};
use storage::{Arrival, ItemKind, Mailbox, NewExecution, NewItem, NewOutbound, Settled, StepRow, Tally, Tx, Unsent};
use whatsapp::limits::{self, Templates};

use super::{
    Runner,
    desk::{Desk, Work},
    lanes::{Done, Outcome},
    plugin_calls::{self, Asks},
    tally,
};
use crate::failures;

/// Commits the work of a batch. Contacts whose mailbox belongs to somebody else by now are dropped without a trace:
/// their new owner does the same work.
pub(super) async fn commit(
    runner: &Arc<Runner>,
    batch: &[(ContactId, Option<Outcome>)],
    mut done: Vec<(Desk, Work)>,
    asking: Vec<(ContactId, BotId, Asks)>,
    host: HostId,
    worker: i64,
) -> storage::Result<()> {
    // Rows are locked in one order by everybody.
    done.sort_by_key(|(desk, _)| desk.contact_id());
    let ids: Vec<ContactId> = done.iter().map(|(desk, _)| desk.contact_id()).collect();
    let mut tx = runner.db.begin().await?;
    // Contacts before mailboxes, as everybody does. Changes are made to what is there now, not to what was loaded.
    let changing: Vec<ContactId> =
        done.iter().filter(|(_, work)| !work.contact_changes.is_empty()).map(|(desk, _)| desk.contact_id()).collect();
    let fresh = tx.lock_contacts(&changing).await?;
    let locked = tx.lock_mailboxes(host, &ids).await?;
    let (kept, lost): (Vec<_>, Vec<_>) =
        done.into_iter().partition(|(desk, _)| locked.contains_key(&desk.contact_id()));
    let written = write(runner, &mut tx, kept, fresh, locked, host, worker).await?;
    tx.commit().await?;

    for (desk, _) in &lost {
        runner.outbox.forget(desk.contact_id());
    }
    let asking = asking.into_iter().filter(|(contact, ..)| !lost.iter().any(|(desk, _)| desk.contact_id() == *contact));
    let batch: Vec<ContactId> = batch.iter().map(|(contact, _)| *contact).collect();
    written.follow_up(runner, &batch, asking.collect());
    Ok(())
}

/// What was written for a batch. Dropped without [`follow_up`](Written::follow_up), it counts as not committed.
pub(super) struct Written<'a> {
    reserved: Reserved<'a>,
    messages: Vec<Unsent>,
    effects: Vec<(ContactId, BotId, ExecutionId, domain::Effect)>,
    wakes: Vec<(ContactId, Time)>,
    still_ours: Vec<Mailbox>,
}

impl Written<'_> {
    /// Sets off what follows from it. `batch`: all contacts that were in work. To be called once it is committed.
    pub(super) fn follow_up(
        mut self,
        runner: &Arc<Runner>,
        batch: &[ContactId],
        asking: Vec<(ContactId, BotId, Asks)>,
    ) {
        self.reserved.contacts.clear();
        runner.outbox.add(self.messages);
        follow_up(runner, batch, self.effects, asking, self.wakes, &self.still_ours);
    }
}

/// Writes the work of contacts whose mailboxes are `locked` and this host's. `fresh`: those of them as they are now, under
/// their locks, whom the work changes.
pub(super) async fn write<'a>(
    runner: &'a Runner,
    tx: &mut Tx,
    kept: Vec<(Desk, Work)>,
    fresh: Vec<Contact>,
    mut locked: HashMap<ContactId, Mailbox>,
    host: HostId,
    worker: i64,
) -> storage::Result<Written<'a>> {
    let now = runner.clock.now();
    let mut reserved = Reserved { runner, contacts: Vec::new() };
    runner.outbox.note_bots(kept.iter().filter_map(|(desk, _)| desk.bot.as_deref()));
    let writes = |(desk, work): &&(Desk, Work)| {
        !work.messages.is_empty() || locked.get(&desk.contact_id()).is_some_and(|mailbox| mailbox.open > 0)
    };
    runner.outbox.recall(tx, kept.iter().filter(writes).map(|(desk, _)| desk.contact_id())).await?;
    // Messages may have been queued by API, left by a host that died, or settled by a status webhook: the rows are
    // counted, and those that this host does not know of are taken over while the lock keeps the committer away.
    let waiting: Vec<ContactId> = locked.values().filter(|m| m.open > 0).map(|m| m.contact_id).collect();
    let mut open: HashMap<ContactId, i64> = waiting.iter().map(|contact| (*contact, 0)).collect();
    let mut unknown = Vec::new();
    for (contact, message) in tx.unsent_ids(&waiting).await? {
        *open.entry(contact).or_default() += 1;
        if !runner.outbox.knows(contact, message) {
            unknown.push(contact);
        }
    }
    unknown.dedup();
    runner.outbox.adopt(tx.unsent(&unknown).await?);

    let shard = tally::shard(runner.db.is_shared(), host, worker);
    let mut plan = Plan { tally: Tally::of_shard(shard), ..Plan::default() };
    for (desk, work) in kept {
        plan.add(runner, &mut reserved, open.get(&desk.contact_id()).copied(), &desk, work);
    }
    tx.write_contacts(&changed(fresh, &plan.contact_changes), now).await?;
    tx.remove_items(&plan.items).await?;
    tx.add_items(&plan.emitted, now).await?;
    tx.note_arrivals(&plan.arrivals, Some(host), now).await?;
    for arrival in &plan.arrivals {
        if let Some(mailbox) = locked.get_mut(&arrival.contact_id) {
            mailbox.arrivals += arrival.count;
        }
    }
    tx.save_executions(&plan.executions).await?;
    tx.append_steps(&plan.steps).await?;
    for step in &plan.postscripts {
        tx.log_after_end(step).await?;
    }
    let message_ids = tx.insert_outbound(&plan.messages, now).await?;
    let failed = plan.messages.iter().zip(&message_ids).filter(|(row, _)| row.status == DeliveryStatus::Failed);
    let failed: Vec<MessageId> = failed.map(|(_, id)| *id).collect();
    failures::note(tx, &failed, &mut locked, now).await?;
    let still_ours = tx.settle_mailboxes(&locked, &plan.settled).await?;
    tx.add_tally(&plan.tally).await?;
    let messages = to_send(plan.messages, plan.recipients, message_ids, now);
    Ok(Written { reserved, messages, effects: plan.effects, wakes: plan.wakes, still_ours })
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
    tally: Tally,
    postscripts: Vec<StepRow>,
    effects: Vec<(ContactId, BotId, ExecutionId, domain::Effect)>,
    wakes: Vec<(ContactId, Time)>,
    contact_changes: HashMap<ContactId, Vec<ContactChange>>,
    emitted: Vec<NewItem>,
    arrivals: Vec<Arrival>,
}

impl Plan {
    /// `before`: how many of the contact's messages were unsettled before, if any were.
    fn add(&mut self, runner: &Runner, reserved: &mut Reserved<'_>, before: Option<i64>, desk: &Desk, work: Work) {
        let contact = desk.contact_id();
        tally::count(&mut self.tally, desk, &work);
        let mut open = 0;
        let heard = desk.items.iter().filter(|item| item.kind == ItemKind::Message).count();
        if let Some(credentials) = desk.bot.as_ref().and_then(|bot| bot.credentials.as_ref()).filter(|_| heard > 0) {
            runner.outbox.heard(&credentials.phone_number_id, heard);
        }
        for (execution, turn, said) in work.messages {
            let mut row = outbound(desk, execution, turn, said);
            if row.status == DeliveryStatus::Queued {
                // The first one goes out as soon as this commit stands, if nothing of this contact is on its way and
                // no pace holds it back. Saying so now saves a commit.
                if open == 0
                    && before.is_none()
                    && runner.outbox.reserve(row.bot_id, contact, &row.phone_number_id, &row.kind)
                {
                    row.status = DeliveryStatus::Sending;
                    reserved.contacts.push(contact);
                }
                open += 1;
            }
            self.messages.push(row);
            self.recipients.push(desk.contact.recipient());
        }
        // A mailbox whose effect is in flight stays unhandled: if this host dies, the next one makes the call again.
        let handled = desk.mailbox.arrivals - desk.mailbox.handled - i64::from(!work.all_handled);
        self.settled.push(Settled {
            contact_id: contact,
            handled,
            open: Some(open + before.unwrap_or(0)),
            wake_at: Some(work.wake_at),
            // Whatever was held is known here by now, and parked again if it has to wait for long.
            held_until: Some(None),
        });
        if let Some((execution, effect)) = work.effect {
            self.effects.push((contact, desk.mailbox.bot_id, execution, effect));
        }
        if let Some(wake_at) = work.wake_at {
            self.wakes.push((contact, wake_at));
        }
        if !work.emitted.is_empty() {
            let (bot_id, count) = (desk.mailbox.bot_id, i64::try_from(work.emitted.len()).unwrap_or(1));
            self.arrivals.push(Arrival { contact_id: contact, bot_id, count, open: 0 });
        }
        self.emitted.extend(work.emitted.into_iter().map(|payload| NewItem {
            contact_id: contact,
            kind: ItemKind::Event,
            message_id: None,
            execution_id: None,
            payload: payload.stored(),
        }));
        if !work.contact_changes.is_empty() {
            self.contact_changes.insert(contact, work.contact_changes);
        }
        self.items.extend(work.done);
        self.executions.extend(work.executions);
        self.steps.extend(work.steps);
        self.postscripts.extend(work.postscripts);
    }
}

/// Contacts with what flows changed of them.
fn changed(contacts: Vec<Contact>, changes: &HashMap<ContactId, Vec<ContactChange>>) -> Vec<Contact> {
    let change = |mut contact: Contact| {
        for change in changes.get(&contact.id)? {
            change.apply_to(&mut contact);
        }
        Some(contact)
    };
    contacts.into_iter().filter_map(change).collect()
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

fn outbound(desk: &Desk, execution: ExecutionId, turn: i64, said: Saying) -> NewOutbound {
    let Saying { node, message, fallback } = said;
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
        node,
        turn,
        phone_number_id: credentials.map(|c| c.phone_number_id.clone()).unwrap_or_default(),
        text: message.text(),
        kind: message.kind,
        content: message.content,
        fallback: fallback
            .filter(|fallback| limits::check(fallback, Templates::Filled).is_empty())
            .map(|said| said.content),
        status: if error.is_some() { DeliveryStatus::Failed } else { DeliveryStatus::Queued },
        error,
    }
}

fn to_send(messages: Vec<NewOutbound>, recipients: Vec<Address>, ids: Vec<MessageId>, now: Time) -> Vec<Unsent> {
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
            created_at: now,
        })
        .collect()
}

/// Lets go of the contacts of a batch, or keeps them busy with what comes next.
fn follow_up(
    runner: &Arc<Runner>,
    batch: &[ContactId],
    effects: Vec<(ContactId, BotId, ExecutionId, domain::Effect)>,
    asking: Vec<(ContactId, BotId, Asks)>,
    wakes: Vec<(ContactId, Time)>,
    still_ours: &[Mailbox],
) {
    let ours: HashMap<ContactId, &Mailbox> = still_ours.iter().map(|m| (m.contact_id, m)).collect();
    let busy: HashSet<ContactId> =
        effects.iter().map(|(contact, ..)| *contact).chain(asking.iter().map(|(contact, ..)| *contact)).collect();
    for (contact, bot, execution, effect) in effects {
        runner.lanes.begin_effect(contact);
        effects_task(runner, bot, contact, execution, effect);
    }
    for (contact, bot, asks) in asking {
        runner.lanes.begin_effect(contact);
        asking_task(runner, bot, contact, asks);
    }
    for (contact, wake_at) in wakes {
        runner.timekeeper.set(contact, wake_at, ours.contains_key(&contact));
    }
    for contact in batch {
        if !busy.contains(contact) {
            let more = ours.get(contact).is_some_and(|m| m.arrivals > m.handled);
            runner.lanes.finish(*contact, more);
        }
    }
    runner.changes.tell(batch.iter().copied());
}

fn effects_task(runner: &Arc<Runner>, bot: BotId, contact: ContactId, execution: ExecutionId, effect: domain::Effect) {
    let (runner, stop) = (runner.clone(), runner.stop.clone());
    let host = runner.membership.host();
    let call = async move {
        // A host that was silent for too long may have been declared dead: then another one makes this call.
        if !runner.membership.is_certain(host).await {
            runner.lanes.finish(contact, false);
            return;
        }
        let made = AssertUnwindSafe(runner.effects.perform(bot, contact, &effect)).catch_unwind().await;
        let outcome = made.unwrap_or_else(|_| broken(&effect));
        let done = Done { execution, key: effect.key().to_owned(), outcome };
        runner.lanes.end_effect(contact, Outcome::Effect(done));
    };
    tokio::spawn(async move {
        tokio::select! {
            // Whoever owns the contact next makes the call again, with the same idempotency key.
            () = stop.cancelled() => {}
            () = call => {}
        }
    });
}

/// What a call came to that panicked.
fn broken(effect: &domain::Effect) -> EffectOutcome {
    let message = "internal error during the call".to_owned();
    match effect {
        domain::Effect::Http(_) => EffectOutcome::Unreachable { reason: message, attempts: 1 },
        domain::Effect::Plugin(_) => {
            let failure = PluginFailure { kind: FailureKind::HostError, message, detail: None };
            EffectOutcome::Plugin { outcome: Box::new(PluginOutcome::Failure(failure)), attempts: 1 }
        }
    }
}

/// Asks matchers. Nothing of the contact is handled meanwhile, and no worker and no transaction waits.
fn asking_task(runner: &Arc<Runner>, bot: BotId, contact: ContactId, asks: Asks) {
    let (runner, stop) = (runner.clone(), runner.stop.clone());
    let host = runner.membership.host();
    let call = async move {
        if !runner.membership.is_certain(host).await {
            runner.lanes.finish(contact, false);
            return;
        }
        let asked: Vec<_> = asks.calls.iter().map(|(trigger, _)| *trigger).collect();
        let (item, known) = (asks.item, asks.known.clone());
        let plugins = runner.effects.plugins();
        let made = AssertUnwindSafe(plugin_calls::ask(plugins, bot, asks, &runner.limits)).catch_unwind().await;
        let answers = made.unwrap_or_else(|_| {
            let failed = asked.into_iter().map(|trigger| (trigger, Err("internal error during the call".to_owned())));
            plugin_calls::Answers { item, by_trigger: known.into_iter().chain(failed).collect() }
        });
        runner.lanes.end_effect(contact, Outcome::Answers(answers));
    };
    tokio::spawn(async move {
        tokio::select! {
            // The item is still there: whoever owns the contact next asks again.
            () = stop.cancelled() => {}
            () = call => {}
        }
    });
}
