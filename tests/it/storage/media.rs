//! Files: claimed once, tried again, kept, and removed with their contact or with age.

use chrono::TimeDelta;
use domain::{BotId, ContactId, MessageId};
use serde_json::json;
use storage::{ContactFields, NewInbound, NewMedia, Tx, User};
use tests::{Migrated, each_database};

use super::{bot, now, user};

/// A bot, a contact, and so many messages of that contact.
async fn messages(tx: &mut Tx, n: usize) -> (User, BotId, ContactId, Vec<MessageId>) {
    let owner = user(tx, "ada").await;
    let bot_id = bot(tx, &owner, "b").await;
    let contact_id = contact(tx, bot_id, "16505550101").await;
    let rows: Vec<NewInbound> = (0..n)
        .map(|n| NewInbound {
            bot_id,
            contact_id,
            phone_number_id: "1".into(),
            wamid: Some(format!("w{n}")),
            context_wamid: None,
            kind: "image".into(),
            text: None,
            reply_id: None,
            content: json!({ "id": n.to_string() }),
            context: None,
            referral: None,
            error: None,
            group_id: None,
            is_echo: false,
            raw: None,
            timestamp: now(),
        })
        .collect();
    let ids = tx.insert_inbound(&rows, now()).await.unwrap();
    (owner, bot_id, contact_id, ids.into_iter().map(Option::unwrap).collect())
}

async fn contact(tx: &mut Tx, bot: BotId, phone: &str) -> ContactId {
    let fields = ContactFields { phone: Some(phone.into()), source: "api".into(), ..ContactFields::default() };
    tx.create_contact(bot, &fields, now()).await.unwrap().id
}

fn media(bot_id: BotId, contact_id: ContactId, message_id: MessageId) -> NewMedia {
    NewMedia { message_id, bot_id, contact_id, media_id: message_id.to_string(), sha256: Some("x".into()) }
}

each_database! {
    async fn a_file_is_claimed_once_tried_again_and_kept(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, bot, contact, ids) = messages(&mut tx, 3).await;
        assert_eq!(tx.next_media_at().await.unwrap(), None);
        let all: Vec<NewMedia> = ids.iter().map(|id| media(bot, contact, *id)).collect();
        tx.add_media(&all, now()).await.unwrap();
        tx.add_media(&all[..1], now() + TimeDelta::days(1)).await.unwrap();
        assert_eq!(tx.next_media_at().await.unwrap(), Some(now()));

        let until = now() + TimeDelta::minutes(15);
        assert!(tx.claim_media(9, now() - TimeDelta::seconds(1), until).await.unwrap().is_empty());
        let mut claimed = tx.claim_media(2, now(), until).await.unwrap();
        claimed.sort_by_key(|media| media.message_id);
        assert_eq!(claimed.iter().map(|media| media.message_id).collect::<Vec<_>>(), ids[..2]);
        assert_eq!((claimed[0].attempts, claimed[0].media_id.clone()), (1, ids[0].to_string()));
        assert_eq!(tx.claim_media(9, now(), until).await.unwrap().len(), 1);
        assert_eq!(tx.next_media_at().await.unwrap(), Some(until));

        assert!(tx.media_is_stored(ids[0], Some("image/png"), 7).await.unwrap());
        tx.media_failed(ids[1], "later", Some(until)).await.unwrap();
        tx.media_failed(ids[2], "never", None).await.unwrap();
        let kept = tx.stored_media(ids[0]).await.unwrap().unwrap();
        assert_eq!((kept.bot_id, kept.mime_type.as_deref(), kept.size), (bot, Some("image/png"), Some(7)));
        assert_eq!(tx.stored_media(ids[1]).await.unwrap(), None);
        let again = tx.claim_media(9, until, until + TimeDelta::minutes(15)).await.unwrap();
        assert_eq!((again.len(), again[0].message_id, again[0].attempts), (1, ids[1], 2));
        tx.commit().await.unwrap();
    }

    async fn two_hosts_never_claim_the_same_file(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, bot, contact, ids) = messages(&mut tx, 40).await;
        let all: Vec<NewMedia> = ids.iter().map(|id| media(bot, contact, *id)).collect();
        tx.add_media(&all, now()).await.unwrap();
        tx.commit().await.unwrap();
        let claim = async || {
            let mut tx = db.begin().await.unwrap();
            let claimed = tx.claim_media(10, now(), now() + TimeDelta::minutes(1)).await.unwrap();
            tx.commit().await.unwrap();
            claimed.into_iter().map(|media| media.message_id).collect::<Vec<_>>()
        };
        let (a, b, c, d) = tokio::join!(claim(), claim(), claim(), claim());
        let mut claimed = [a, b, c, d].concat();
        let count = claimed.len();
        claimed.sort();
        claimed.dedup();
        assert_eq!(claimed.len(), count);
    }

    async fn a_file_goes_with_its_contact_or_over_to_the_next_one(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (owner, bot, first, ids) = messages(&mut tx, 2).await;
        let second = contact(&mut tx, bot, "16505550202").await;
        // The second file is filed under another contact than its message: that is where it comes back to.
        tx.add_media(&[media(bot, first, ids[0]), media(bot, second, ids[1])], now()).await.unwrap();
        assert!(tx.orphaned_media(10).await.unwrap().is_empty());
        assert!(tx.delete_contact(owner.id, second).await.unwrap());
        assert!(tx.orphaned_media(10).await.unwrap().is_empty());
        assert!(tx.delete_contact(owner.id, first).await.unwrap());
        assert_eq!(tx.orphaned_media(1).await.unwrap(), [(ids[0], bot)]);
        assert_eq!(tx.orphaned_media(10).await.unwrap().len(), 2);
        tx.forget_media(&ids).await.unwrap();
        assert!(tx.orphaned_media(10).await.unwrap().is_empty());
        assert!(!tx.media_is_stored(ids[0], None, 1).await.unwrap());
        tx.commit().await.unwrap();
    }

    async fn old_files_are_found_in_parts(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, bot, contact, ids) = messages(&mut tx, 3).await;
        for (n, id) in (0..).zip(&ids) {
            tx.add_media(&[media(bot, contact, *id)], now() + TimeDelta::days(n)).await.unwrap();
        }
        let before = now() + TimeDelta::days(2);
        assert_eq!(tx.media_before(before, 1).await.unwrap(), [(ids[0], bot)]);
        assert_eq!(tx.media_before(before, 9).await.unwrap().len(), 2);
        assert!(tx.media_before(now(), 9).await.unwrap().is_empty());
        tx.commit().await.unwrap();
    }
}
