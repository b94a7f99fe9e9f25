//! Statements that take rows have them in a few sizes only: whatever the number, each row is written and found once.

use domain::{ContactId, DeliveryStatus, ItemId};
use serde_json::json;
use storage::{Arrival, ItemKind, NewInbound, NewItem, NewOutbound, SendResult, Sighting, Tally};
use tests::{Migrated, each_database};

use super::{bot, flow, now, user};

/// Below, at and above the sizes that statements have.
const NUMBERS: [usize; 9] = [1, 3, 5, 6, 7, 13, 65, 192, 300];

each_database! {
    async fn of_any_number_of_rows_each_is_written_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let owner = user(&mut tx, "ada").await;
        let bot_id = bot(&mut tx, &owner, "b").await;
        let flow_id = flow(&mut tx, bot_id, "f").await;
        let host = tx.register_host("a", domain::HostRole::All, now(), now()).await.unwrap();
        for number in NUMBERS {
            let sightings: Vec<Sighting> = (0..number)
                .map(|n| Sighting {
                    bot_id,
                    phone: Some(format!("1650{number:03}{n:04}")),
                    bsuid: None,
                    username: None,
                    name: Some(format!("n{n}")),
                    at: now(),
                    announces: true,
                    opens_window: true,
                })
                .collect();
            let contacts: Vec<ContactId> =
                tx.see_contacts(&sightings, now()).await.unwrap().contacts.iter().map(|seen| seen.id).collect();
            let again = tx.see_contacts(&sightings, now()).await.unwrap().contacts;
            assert!(again.iter().zip(&contacts).all(|(seen, id)| seen.id == *id && !seen.is_new));

            let inbound: Vec<NewInbound> = contacts
                .iter()
                .map(|contact_id| NewInbound {
                    bot_id,
                    contact_id: *contact_id,
                    phone_number_id: "1".into(),
                    wamid: Some(format!("wamid.{contact_id}")),
                    context_wamid: None,
                    kind: "text".into(),
                    text: Some("hi".into()),
                    reply_id: None,
                    content: json!({ "body": "hi" }),
                    context: None,
                    referral: None,
                    error: None,
                    group_id: None,
                    is_echo: false,
                    raw: None,
                    timestamp: now(),
                })
                .collect();
            assert!(tx.insert_inbound(&inbound, now()).await.unwrap().iter().all(Option::is_some));
            assert!(tx.insert_inbound(&inbound, now()).await.unwrap().iter().all(Option::is_none));

            let arrivals: Vec<Arrival> =
                contacts.iter().map(|contact_id| Arrival { contact_id: *contact_id, bot_id, count: 2, open: 1 }).collect();
            let noted = tx.note_and_see(&arrivals, Some(host), now()).await.unwrap();
            assert_eq!(noted.len(), number);
            assert!(noted.iter().all(|n| (n.mailbox.arrivals, n.mailbox.open, n.owner) == (2, 1, Some(host))));

            let item = |contact_id: &ContactId| NewItem {
                contact_id: *contact_id,
                kind: ItemKind::Message,
                message_id: None,
                execution_id: None,
                payload: None,
            };
            tx.add_items(&contacts.iter().map(item).collect::<Vec<_>>(), now()).await.unwrap();
            let items = tx.items(&contacts, 50).await.unwrap();
            let ids: Vec<ItemId> = items.values().flatten().map(|item| item.id).collect();
            assert_eq!((items.len(), ids.len()), (number, number));
            tx.remove_items(&ids).await.unwrap();
            assert!(tx.items(&contacts, 50).await.unwrap().is_empty());

            let outbound: Vec<NewOutbound> = contacts
                .iter()
                .map(|contact_id| NewOutbound {
                    bot_id,
                    contact_id: *contact_id,
                    execution_id: None,
                    node: None,
                    turn: 0,
                    phone_number_id: "1".into(),
                    kind: "text".into(),
                    content: json!({ "body": "hello" }),
                    text: None,
                    fallback: None,
                    status: DeliveryStatus::Sending,
                    error: None,
                })
                .collect();
            let ids = tx.insert_outbound(&outbound, now()).await.unwrap();
            let unsent = tx.unsent(&contacts).await.unwrap();
            assert!(unsent.iter().map(|message| message.id).eq(ids.iter().copied()), "in their order, each once");
            assert!(unsent.iter().zip(&contacts).all(|(message, contact)| message.contact_id == *contact));
            let taken: Vec<_> = ids
                .iter()
                .map(|id| (*id, SendResult::Accepted { wamid: Some(format!("wamid.out.{id}")) }))
                .collect();
            tx.store_send_results(&taken, now()).await.unwrap();
            assert!(tx.unsent_ids(&contacts).await.unwrap().is_empty());

            let mut tally = Tally::of_shard(0);
            for node in 0..i64::try_from(number).unwrap() {
                tally.entered(flow_id, node);
            }
            tx.add_tally(&tally).await.unwrap();
        }
        let counts = tx.node_counts(flow_id).await.unwrap();
        assert_eq!(counts.len(), *NUMBERS.last().unwrap());
        for count in counts {
            let times = NUMBERS.iter().filter(|number| i64::try_from(**number).unwrap() > count.node).count();
            assert_eq!(count.count, i64::try_from(times).unwrap(), "node {}", count.node);
        }
    }
}
