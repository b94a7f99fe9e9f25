//! Who a contact is: addresses that change, and contacts that turn out to be the same person.

use chrono::TimeDelta;
use domain::{
    Address, BotId, Contact, ContactId, Effect, Execution, ExecutionId, ExecutionStatus, FlowId, HttpEffect, Time,
};
use serde_json::json;
use storage::{
    Arrival, ChangedMessage, ContactFields, Error, Identity, ItemKind, Merge, MessageFilter, NewExecution, NewItem,
    Sighting, Tx, United,
};
use tests::{Migrated, each_database};

use super::{
    bot, flow,
    messages::{inbound, outbound, sighting},
    now, object, user,
};

const OLD: &str = "16505550101";
const NEW: &str = "16505550202";

fn minute(n: i64) -> Time {
    now() + TimeDelta::minutes(n)
}

fn phone(digits: &str) -> Address {
    Address::Phone(digits.into())
}

fn bsuid(id: &str) -> Address {
    Address::Bsuid(id.into())
}

/// Whoever has this phone and this id.
fn identity(bot_id: BotId, phone: Option<&str>, bsuid: Option<&str>) -> Identity {
    let text = |text: Option<&str>| text.map(str::to_owned);
    Identity { bot_id, phone: text(phone), bsuid: text(bsuid), also: Vec::new(), former: Vec::new(), at: minute(10) }
}

async fn a_bot(tx: &mut Tx) -> BotId {
    let owner = user(tx, "ada").await;
    bot(tx, &owner, "b").await
}

/// The contact behind a message.
async fn see(tx: &mut Tx, bot: BotId, phone: Option<&str>, bsuid: Option<&str>, at: Time) -> ContactId {
    let sighting = Sighting { at, ..sighting(bot, phone, bsuid) };
    tx.see_contacts(&[sighting], now()).await.unwrap().contacts[0].id
}

async fn by(tx: &mut Tx, bot: BotId, address: Address) -> Option<ContactId> {
    tx.contact_by_address(bot, &address).await.unwrap().map(|contact| contact.id)
}

async fn contact(tx: &mut Tx, id: ContactId) -> Contact {
    tx.contacts_by_ids(&[id]).await.unwrap().pop().expect("the contact")
}

async fn addresses(tx: &mut Tx, id: ContactId) -> (Option<String>, Option<String>) {
    let contact = contact(tx, id).await;
    (contact.phone, contact.bsuid)
}

fn own(phone: Option<&str>, bsuid: Option<&str>) -> (Option<String>, Option<String>) {
    (phone.map(str::to_owned), bsuid.map(str::to_owned))
}

fn united(contact: ContactId) -> Option<United> {
    Some(United { contact, merges: Vec::new() })
}

fn execution(id: i64, bot_id: BotId, contact_id: ContactId, flow_id: FlowId, status: ExecutionStatus) -> NewExecution {
    let effect = Effect::Http(HttpEffect {
        method: "GET".into(),
        url: "https://example.com".into(),
        headers: std::collections::BTreeMap::new(),
        body: None,
        timeout_seconds: 1,
        retries: 0,
        idempotency_key: format!("{id}-1"),
    });
    let execution = Execution {
        id: ExecutionId(id),
        bot_id,
        contact_id,
        flow_id,
        flow_version: 1,
        current_node: Some(0),
        state: object(json!({})),
        message: None,
        depth: 0,
        steps: 0,
        turn: 0,
        wake_at: None,
        effect: (status == ExecutionStatus::WaitingEffect).then_some(effect),
        visit: None,
        error: None,
        started_at: now(),
        updated_at: now(),
        completed_at: None,
        status,
    };
    NewExecution { execution, trigger_id: None }
}

fn arrival(contact_id: ContactId, bot_id: BotId, count: i64, open: i64) -> Arrival {
    Arrival { contact_id, bot_id, count, open }
}

each_database! {
    async fn the_number_that_meta_makes_of_another_one_leads_to_the_same_contact(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let bot = a_bot(&mut tx).await;
        // With the ninth digit, and as WhatsApp knows it.
        let (sent_to, wa_id) = ("5511987654321", "551187654321");
        let made = tx.ensure_contact(bot, &phone(sent_to), "api", now()).await.unwrap();
        let learned = Identity { also: vec![phone(wa_id)], ..identity(bot, Some(sent_to), Some("BR.1")) };
        for _ in 0..2 {
            assert_eq!(tx.unite(&learned, now()).await.unwrap(), united(made.id));
        }
        assert_eq!(addresses(&mut tx, made.id).await, own(Some(sent_to), Some("BR.1")));
        for (digits, id) in [(Some(wa_id), None), (Some(wa_id), Some("BR.1")), (None, Some("BR.1"))] {
            assert_eq!(see(&mut tx, bot, digits, id, minute(20)).await, made.id, "{digits:?} {id:?}");
        }
        assert_eq!(addresses(&mut tx, made.id).await, own(Some(sent_to), Some("BR.1")), "what it is called by stays");
        let by_api = tx.ensure_contact(bot, &phone(wa_id), "api", now()).await.unwrap();
        assert_eq!(by_api.id, made.id);
        let twin = ContactFields { phone: Some(wa_id.into()), ..ContactFields::default() };
        assert!(matches!(tx.create_contact(bot, &twin, now()).await, Err(Error::Conflict(_))));
        tx.ensure_contacts(bot, &[wa_id.into(), sent_to.into()], now()).await.unwrap();
        tx.insert_inbound(&[inbound((bot, made.id), Some("a"))], now()).await.unwrap();
        for address in [wa_id, sent_to, "BR.1"] {
            let filter = MessageFilter { contact: Some(address.into()), direction: None };
            assert_eq!(tx.list_messages(bot, &filter, 10, 0).await.unwrap().total, 1, "{address}");
        }
    }

    async fn a_new_number_keeps_the_contact_and_its_conversation(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let bot = a_bot(&mut tx).await;
        let eve = see(&mut tx, bot, Some(OLD), Some("US.1"), minute(0)).await;
        let change = Identity { former: vec![phone(OLD), bsuid("US.1")], ..identity(bot, Some(NEW), Some("US.2")) };
        for _ in 0..2 {
            assert_eq!(tx.unite(&change, now()).await.unwrap(), united(eve));
            assert_eq!(addresses(&mut tx, eve).await, own(Some(NEW), Some("US.2")));
        }
        assert_eq!(see(&mut tx, bot, Some(NEW), Some("US.2"), minute(11)).await, eve);
        assert_eq!(see(&mut tx, bot, Some(OLD), None, minute(9)).await, eve, "written before, told late");
        assert_eq!(see(&mut tx, bot, None, Some("US.1"), minute(12)).await, eve, "an id is one person's for ever");
        assert_eq!(by(&mut tx, bot, phone(OLD)).await, Some(eve), "who asks for the old number means her");
        assert_eq!(addresses(&mut tx, eve).await, own(Some(NEW), Some("US.2")), "nothing of that takes her back");

        let stranger = see(&mut tx, bot, Some(OLD), Some("US.9"), minute(13)).await;
        assert_ne!(stranger, eve, "the old number is somebody else's by now");
        assert_eq!(by(&mut tx, bot, phone(OLD)).await, Some(stranger));
        assert_eq!(see(&mut tx, bot, Some(OLD), None, minute(9)).await, eve, "but not what was written before");
        assert_eq!(see(&mut tx, bot, Some(OLD), None, minute(14)).await, stranger);
    }

    async fn changes_that_come_in_the_wrong_order_end_at_the_newest(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let bot = a_bot(&mut tx).await;
        let third = "16505550303";
        let eve = see(&mut tx, bot, Some(OLD), None, minute(0)).await;
        let second = Identity { former: vec![phone(NEW)], at: minute(20), ..identity(bot, Some(third), None) };
        assert_eq!(tx.unite(&second, now()).await.unwrap(), None, "nobody has that number yet");
        assert_eq!(see(&mut tx, bot, Some(NEW), None, minute(15)).await, ContactId(eve.0 + 1));
        tx.unite(&second, now()).await.unwrap();
        let first = Identity { former: vec![phone(OLD)], ..identity(bot, Some(NEW), None) };
        let one = tx.unite(&first, now()).await.unwrap().unwrap();
        assert_eq!((one.contact, one.merges.len()), (eve, 1));
        assert_eq!(addresses(&mut tx, eve).await, own(Some(third), None));
        for (digits, at) in [(OLD, 9), (NEW, 19), (third, 30)] {
            assert_eq!(see(&mut tx, bot, Some(digits), None, minute(at)).await, eve, "{digits}");
        }
    }

    async fn a_new_user_id_keeps_the_contact(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let bot = a_bot(&mut tx).await;
        let eve = see(&mut tx, bot, None, Some("US.1"), minute(0)).await;
        let change = Identity { former: vec![bsuid("US.1")], ..identity(bot, None, Some("US.2")) };
        for _ in 0..2 {
            assert_eq!(tx.unite(&change, now()).await.unwrap(), united(eve));
        }
        assert_eq!(addresses(&mut tx, eve).await, own(None, Some("US.2")));
        assert_eq!(see(&mut tx, bot, None, Some("US.2"), minute(11)).await, eve);
        assert_eq!(see(&mut tx, bot, Some(OLD), Some("US.1"), minute(12)).await, eve, "told late");
        assert_eq!(addresses(&mut tx, eve).await, own(Some(OLD), Some("US.2")));
        // Not told by a notice, but by how the person writes.
        assert_eq!(see(&mut tx, bot, Some(OLD), Some("US.3"), minute(13)).await, eve);
        assert_eq!(addresses(&mut tx, eve).await, own(Some(OLD), Some("US.3")));
        assert_eq!(see(&mut tx, bot, Some(NEW), Some("US.3"), minute(14)).await, eve);
        assert_eq!(addresses(&mut tx, eve).await, own(Some(NEW), Some("US.3")));
        assert_eq!(tx.unite(&identity(bot, Some("999999999"), Some("US.999")), now()).await.unwrap(), None);
    }

    async fn a_number_that_went_to_somebody_known_leaves_the_other_contact(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let bot = a_bot(&mut tx).await;
        let eve = see(&mut tx, bot, Some(OLD), Some("US.1"), minute(0)).await;
        let bob = see(&mut tx, bot, Some(NEW), Some("US.2"), minute(0)).await;
        assert_eq!(see(&mut tx, bot, Some(OLD), Some("US.2"), minute(5)).await, bob, "two people are not merged");
        assert_eq!(addresses(&mut tx, eve).await, own(None, Some("US.1")));
        assert_eq!(addresses(&mut tx, bob).await, own(Some(OLD), Some("US.2")));
        assert_eq!(see(&mut tx, bot, None, Some("US.1"), minute(6)).await, eve);
    }

    async fn whoever_writes_from_an_alias_with_an_id_of_their_own_is_somebody_else(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let bot = a_bot(&mut tx).await;
        let eve = see(&mut tx, bot, Some(OLD), Some("US.1"), minute(0)).await;
        tx.unite(&Identity { also: vec![phone(NEW)], ..identity(bot, Some(OLD), None) }, now()).await.unwrap();
        assert_eq!(see(&mut tx, bot, Some(NEW), None, minute(20)).await, eve);
        let stranger = see(&mut tx, bot, Some(NEW), Some("US.9"), minute(21)).await;
        assert_ne!(stranger, eve);
        assert_eq!(see(&mut tx, bot, Some(NEW), None, minute(22)).await, stranger);
        assert_eq!(addresses(&mut tx, eve).await, own(Some(OLD), Some("US.1")));
    }

    async fn two_contacts_of_one_person_become_one_and_nothing_is_lost(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let bot_id = bot(&mut tx, &owner, "b").await;
        let flow_id = flow(&mut tx, bot_id, "f").await;
        let host = tx.register_host("h", domain::HostRole::All, now(), minute(9)).await.unwrap();
        let fields = |phone: Option<&str>, bsuid: Option<&str>, tag: &str| ContactFields {
            phone: phone.map(str::to_owned),
            bsuid: bsuid.map(str::to_owned),
            tags: vec!["both".into(), tag.into()],
            attributes: object(json!({ "shared": tag, tag: 1 })),
            source: tag.into(),
            ..ContactFields::default()
        };
        let named = ContactFields { email: Some("eve@x".into()), opted_in: false, ..fields(None, Some("US.1"), "id") };
        let stays = tx.create_contact(bot_id, &fields(Some(OLD), None, "phone"), now()).await.unwrap().id;
        let goes = tx.create_contact(bot_id, &named, minute(1)).await.unwrap().id;
        tx.announce_contacts(&[goes]).await.unwrap();
        let both = [stays, goes];

        let mut messages = Vec::new();
        for (n, contact) in both.into_iter().enumerate() {
            let of = (bot_id, contact);
            let ids = tx.insert_inbound(&[inbound(of, Some(&format!("in {n}")))], now()).await.unwrap();
            messages.extend(ids.into_iter().flatten());
            let queued = outbound(of, "q", domain::DeliveryStatus::Queued);
            messages.extend(tx.insert_outbound(&[queued], now()).await.unwrap());
            let live = execution(n as i64 + 1, bot_id, contact, flow_id, ExecutionStatus::WaitingInput);
            tx.save_executions(&[live]).await.unwrap();
            let item = NewItem {
                contact_id: contact,
                kind: ItemKind::Message,
                message_id: Some(messages[n * 2]),
                execution_id: None,
                payload: None,
            };
            tx.add_items(&[item], now()).await.unwrap();
            tx.note_arrivals(&[arrival(contact, bot_id, 3, 1)], Some(host).filter(|_| n == 0), now()).await.unwrap();
            let reacted = ChangedMessage { phone_number_id: "1", wamid: "in 0", contact_id: contact, at: minute(n as i64) };
            tx.react(&reacted, ["😀", "👍"][n]).await.unwrap();
        }
        let told = Sighting { at: minute(30), ..sighting(bot_id, Some(OLD), Some("US.1")) };
        let seen = tx.see_contacts(&[told.clone(), told], now()).await.unwrap();
        assert_eq!(seen.merges, [Merge { from: goes, into: stays, owner: Some(Some(host)) }]);
        assert_eq!(seen.contacts.iter().map(|seen| (seen.id, seen.is_new)).collect::<Vec<_>>(), [(stays, false), (stays, false)]);

        assert!(tx.contacts_by_ids(&[goes]).await.unwrap().is_empty());
        let one = contact(&mut tx, stays).await;
        assert_eq!((one.phone.as_deref(), one.bsuid.as_deref(), one.email.as_deref()), (Some(OLD), Some("US.1"), Some("eve@x")));
        assert_eq!(one.tags, ["both", "phone", "id"]);
        assert_eq!(one.attributes, object(json!({ "shared": "phone", "phone": 1, "id": 1 })));
        assert_eq!((one.opted_in, one.source.as_str(), one.last_inbound_at), (false, "phone", Some(minute(30))));

        assert_eq!(tx.live_executions(&both).await.unwrap()[&stays].len(), 2);
        assert_eq!(tx.items(&both, 10).await.unwrap()[&stays].len(), 2);
        assert_eq!(tx.unsent_ids(&both).await.unwrap().len(), 2);
        for id in messages {
            assert_eq!(tx.message(id).await.unwrap().unwrap().contact_id, stays);
        }
        let reactions = tx.reactions(&[domain::MessageId(1)]).await.unwrap();
        assert_eq!(reactions.iter().map(|r| (r.contact_id, r.emoji.as_str())).collect::<Vec<_>>(), [(stays, "👍")]);
        let mailboxes = tx.lock_mailboxes(host, &both).await.unwrap();
        let left = &mailboxes[&stays];
        assert_eq!((mailboxes.len(), left.arrivals - left.handled, left.open), (1, 7, 2), "and one look more");
    }

    async fn the_one_that_can_be_disturbed_least_stays(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let bot_id = bot(&mut tx, &owner, "b").await;
        let flow_id = flow(&mut tx, bot_id, "f").await;
        let pair = async |tx: &mut Tx, n: usize| {
            let (digits, id) = (format!("1650555100{n}"), format!("US.{n}"));
            let phone = see(tx, bot_id, Some(&digits), None, minute(0)).await;
            (phone, see(tx, bot_id, None, Some(&id), minute(0)).await, digits, id)
        };
        let (old, sending, digits, id) = pair(&mut tx, 1).await;
        tx.note_arrivals(&[arrival(sending, bot_id, 0, 1)], None, now()).await.unwrap();
        assert_eq!(see(&mut tx, bot_id, Some(&digits), Some(&id), minute(1)).await, sending, "a message is on its way");
        assert_eq!(addresses(&mut tx, sending).await, own(Some(&digits), Some(&id)));
        assert!(tx.contacts_by_ids(&[old]).await.unwrap().is_empty());

        let (sending, calling, digits, id) = pair(&mut tx, 2).await;
        tx.note_arrivals(&[arrival(sending, bot_id, 0, 1)], None, now()).await.unwrap();
        let call = execution(7, bot_id, calling, flow_id, ExecutionStatus::WaitingEffect);
        tx.save_executions(&[call]).await.unwrap();
        assert_eq!(see(&mut tx, bot_id, Some(&digits), Some(&id), minute(1)).await, calling, "a call is in flight");

        let (old, _, digits, id) = pair(&mut tx, 3).await;
        assert_eq!(see(&mut tx, bot_id, Some(&digits), Some(&id), minute(1)).await, old);
    }

    async fn a_mailbox_that_went_up_in_another_one_is_nobodys_and_its_timers_stay(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let bot_id = a_bot(&mut tx).await;
        let host = tx.register_host("h", domain::HostRole::All, now(), minute(9)).await.unwrap();
        let stays = see(&mut tx, bot_id, Some(OLD), None, minute(0)).await;
        let goes = see(&mut tx, bot_id, None, Some("US.1"), minute(0)).await;
        tx.note_arrivals(&[arrival(goes, bot_id, 1, 0)], Some(host), now()).await.unwrap();
        let locked = tx.lock_mailboxes(host, &[goes]).await.unwrap();
        let parked = storage::Settled {
            contact_id: goes, handled: 1, open: None, wake_at: Some(Some(minute(60))), held_until: None,
        };
        tx.settle_mailboxes(&locked, &[parked]).await.unwrap();
        let united = tx.unite(&identity(bot_id, Some(OLD), Some("US.1")), now()).await.unwrap().unwrap();
        assert_eq!(united.merges, [Merge { from: goes, into: stays, owner: Some(None) }]);
        assert!(tx.lock_mailboxes(host, &[goes, stays]).await.unwrap().is_empty(), "to be claimed");
        assert_eq!(tx.claim_mailboxes(host, now(), 10).await.unwrap(), [stays]);
        assert_eq!(tx.lock_mailboxes(host, &[stays]).await.unwrap()[&stays].wake_at, Some(minute(60)));
    }

    async fn work_under_way_is_committed_first_and_moves_along(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let bot_id = bot(&mut tx, &owner, "b").await;
        let flow_id = flow(&mut tx, bot_id, "f").await;
        let host = tx.register_host("h", domain::HostRole::All, now(), minute(9)).await.unwrap();
        let stays = see(&mut tx, bot_id, Some(OLD), None, minute(0)).await;
        let goes = see(&mut tx, bot_id, None, Some("US.1"), minute(0)).await;
        tx.note_arrivals(&[arrival(goes, bot_id, 1, 0)], Some(host), now()).await.unwrap();
        tx.commit().await.unwrap();

        let mut work = db.begin().await.unwrap();
        assert_eq!(work.lock_mailboxes(host, &[goes]).await.unwrap().len(), 1);
        let merging = tokio::spawn({
            let db = db.db.clone();
            async move {
                let mut tx = db.begin().await?;
                let united = tx.unite(&identity(bot_id, Some(OLD), Some("US.1")), now()).await?;
                tx.commit().await?;
                Ok::<_, Error>(united)
            }
        });
        // Either the merge waits for this, or the two notice that they wait for each other and one gives way.
        let begun = execution(5, bot_id, goes, flow_id, ExecutionStatus::WaitingInput);
        let worked = async {
            work.save_executions(&[begun]).await?;
            work.commit().await
        };
        let (worked, merged) = (worked.await, merging.await.unwrap());
        for outcome in [&worked.as_ref().map(|()| None), &merged.as_ref().map(|united| united.as_ref())] {
            assert!(outcome.is_ok() || matches!(outcome, Err(Error::Retry(_))), "{outcome:?}");
        }
        let mut tx = db.begin().await.unwrap();
        tx.unite(&identity(bot_id, Some(OLD), Some("US.1")), now()).await.unwrap();
        let live = tx.live_executions(&[stays, goes]).await.unwrap();
        assert_eq!(live.values().flatten().count(), usize::from(worked.is_ok()));
        assert!(!live.contains_key(&goes));
        assert!(tx.lock_mailboxes(host, &[goes]).await.unwrap().is_empty());
    }

    async fn two_hosts_that_learn_the_same_merge_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let bot = a_bot(&mut tx).await;
        let one = see(&mut tx, bot, Some(OLD), None, minute(0)).await;
        see(&mut tx, bot, None, Some("US.1"), minute(0)).await;
        tx.commit().await.unwrap();
        let learn = async || {
            let mut tx = db.begin().await?;
            let seen = tx.see_contacts(&[sighting(bot, Some(OLD), Some("US.1"))], now()).await?;
            tx.commit().await?;
            Ok::<_, Error>(seen)
        };
        let (a, b, c) = tokio::join!(learn(), learn(), learn());
        let seen = [a.unwrap(), b.unwrap(), c.unwrap()];
        assert!(seen.iter().all(|seen| seen.contacts[0].id == one));
        assert_eq!(seen.iter().map(|seen| seen.merges.len()).sum::<usize>(), 1);
    }

    /// Whoever adds a column to contacts, or a table whose rows hang on them, says in `merging.rs` what becomes of it
    /// when two contacts become one, and then here.
    async fn merging_knows_every_column_and_table(db: Migrated) {
        let columns = db.columns().await.unwrap();
        let of_contacts: Vec<&str> =
            columns.iter().filter(|column| column.table == "contacts").map(|column| column.column.as_str()).collect();
        assert_eq!(of_contacts, [
            "attributes", "bot_id", "bsuid", "created_at", "email", "first_name", "id", "is_announced", "language",
            "last_inbound_at", "last_name", "name", "opted_in", "opted_in_changed_at", "opted_in_source", "phone",
            "source", "tags", "timezone", "updated_at", "username", "window_closed_at",
        ]);
        let tables: Vec<&str> =
            columns.iter().filter(|column| column.column == "contact_id").map(|column| column.table.as_str()).collect();
        assert_eq!(tables, [
            "consents", "contact_aliases", "executions", "mailbox_items", "mailboxes", "media", "message_reactions",
            "messages", "plugin_outcomes", "plugin_values", "trigger_logs",
        ]);
    }
}
