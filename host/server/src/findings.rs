//! What requests to triggers and looks of pollers bring about: items in the mailboxes of the contacts they speak of.

use std::collections::{BTreeMap, HashSet};

use chrono::TimeDelta;
use domain::{Address, BotId, ContactId, HostId, Time, TriggerId, plugin::TriggerEvent};
use engine::{HOOK_ID_CHARS, HOOK_ITEMS, Limits};
use storage::{Arrival, ItemKind, NewItem, Tx};

use crate::{nul, runner::Payload};

/// How long a trigger remembers the ids of events.
const REMEMBERED: TimeDelta = TimeDelta::days(30);
/// Most characters of a name that an event brings.
const NAME_CHARS: usize = 200;

/// Events that can be stored.
#[derive(Debug)]
pub(crate) struct Findings {
    events: Vec<(Address, TriggerEvent)>,
}

/// What became of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its flow will be started with this contact.
    Accepted(ContactId),
    /// The trigger has seen its id before.
    Duplicate,
}

/// What storing events came to.
#[derive(Debug)]
pub(crate) struct Stored {
    /// One for each event, in order.
    pub(crate) fates: Vec<Fate>,
    /// The contacts' mailboxes with their owners: what to wake after the commit.
    pub(crate) owners: Vec<(ContactId, Option<HostId>)>,
}

/// Whose events they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    /// The bot.
    pub(crate) bot: BotId,
    /// The trigger.
    pub(crate) trigger: TriggerId,
    /// Why the trigger fires, for people.
    pub(crate) why: &'a str,
}

impl Findings {
    /// Checks events. All can be stored, or none.
    ///
    /// # Errors
    /// A sentence for people, which names the event.
    pub(crate) fn check(events: Vec<TriggerEvent>, limits: &Limits) -> Result<Self, String> {
        if events.len() > HOOK_ITEMS {
            return Err(format!("there are more than {HOOK_ITEMS} events"));
        }
        let checked = events.into_iter().enumerate().map(|(n, event)| {
            let at = |fault: String| format!("event {n}: {fault}");
            let event = cleaned(event);
            let address = Address::parse(&event.contact)
                .map_err(|error| at(format!("`contact` is `{}`, which {error}", brief(&event.contact))))?;
            engine::triggers::check_state(&event.initial_state, limits).map_err(at)?;
            if event.id.as_ref().is_some_and(|id| id.is_empty() || id.chars().count() > HOOK_ID_CHARS) {
                return Err(at(format!("`id` must have 1 to {HOOK_ID_CHARS} characters")));
            }
            Ok((address, event))
        });
        Ok(Self { events: checked.collect::<Result<_, _>>()? })
    }

    /// Whether there is nothing to store.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Stores events in a transaction that is then to be committed: contacts, made where they are unknown, and an item
    /// for each event that the trigger has not seen.
    pub(crate) async fn store(
        self,
        tx: &mut Tx,
        source: Source<'_>,
        claimant: Option<HostId>,
        now: Time,
    ) -> storage::Result<Stored> {
        let ids: Vec<&str> = self.events.iter().filter_map(|(_, event)| event.id.as_deref()).collect();
        let mut fresh: HashSet<String> = tx.note_trigger_events(source.trigger, &ids, now).await?.into_iter().collect();
        if !ids.is_empty() {
            tx.forget_trigger_events(source.trigger, now - REMEMBERED).await?;
        }
        let mut contacts: BTreeMap<Address, (ContactId, i64)> = BTreeMap::new();
        // In order of the addresses: whoever makes several contacts makes them so.
        let names: BTreeMap<Address, Option<String>> =
            self.events.iter().rev().map(|(address, event)| (address.clone(), event.contact_name.clone())).collect();
        let (mut fates, mut items) = (Vec::new(), Vec::new());
        let mut wanted = Vec::new();
        for (address, event) in self.events {
            // Of two events with one id in the same request the first one counts.
            let is_fresh = event.id.as_ref().is_none_or(|id| fresh.remove(id));
            wanted.push((address, is_fresh.then_some(event)));
        }
        for (address, name) in names {
            if wanted.iter().any(|(other, event)| *other == address && event.is_some()) {
                let contact = contact(tx, source.bot, &address, name.as_deref(), now).await?;
                contacts.insert(address, (contact, 0));
            }
        }
        for (address, event) in wanted {
            let (Some(event), Some((contact, count))) = (event, contacts.get_mut(&address)) else {
                fates.push(Fate::Duplicate);
                continue;
            };
            *count += 1;
            fates.push(Fate::Accepted(*contact));
            items.push(NewItem {
                contact_id: *contact,
                kind: ItemKind::Trigger,
                message_id: None,
                execution_id: None,
                payload: Payload::of_trigger(source.trigger, event.initial_state, source.why.to_owned()).stored(),
            });
        }
        tx.add_items(&items, now).await?;
        let arrival = |(contact_id, count): &(ContactId, i64)| Arrival {
            contact_id: *contact_id,
            bot_id: source.bot,
            count: *count,
            open: 0,
        };
        let arrivals: Vec<Arrival> = contacts.values().map(arrival).collect();
        let owners = tx.note_arrivals(&arrivals, claimant, now).await?;
        Ok(Stored { fates, owners })
    }
}

/// The contact at an address. One that is made gets the name.
async fn contact(
    tx: &mut Tx,
    bot: BotId,
    address: &Address,
    name: Option<&str>,
    now: Time,
) -> storage::Result<ContactId> {
    if let Some(known) = tx.contact_by_address(bot, address).await? {
        return Ok(known.id);
    }
    let made = tx.ensure_contact(bot, address, "trigger", now).await?;
    if let Some(name) = name {
        tx.name_contact(made.id, name, now).await?;
    }
    Ok(made.id)
}

/// Databases refuse NUL, and a name is one short line.
fn cleaned(event: TriggerEvent) -> TriggerEvent {
    let name = event.contact_name.map(|name| {
        let line: String = name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        line.trim().chars().take(NAME_CHARS).collect::<String>()
    });
    let initial_state = match nul::without(serde_json::Value::Object(event.initial_state)) {
        serde_json::Value::Object(state) => state,
        _ => domain::JsonMap::new(),
    };
    TriggerEvent {
        contact: nul::without_in_text(&event.contact),
        contact_name: name.filter(|name| !name.is_empty()),
        initial_state,
        id: event.id.map(|id| nul::without_in_text(id.trim())),
    }
}

fn brief(text: &str) -> String {
    text.chars().take(60).collect()
}
