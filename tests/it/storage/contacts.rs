//! Contacts as the API sees them.

use domain::{Address, ContactId};
use serde_json::json;
use storage::{ContactFields, ContactFilter, Error};
use tests::{Migrated, each_database};

use super::{bot, now, object, odd_json, user};

fn full() -> ContactFields {
    ContactFields {
        phone: Some("16505551234".into()),
        bsuid: Some("US.1".into()),
        name: Some("Eve".into()),
        first_name: Some("E".into()),
        last_name: Some("S".into()),
        email: Some("e@x".into()),
        language: Some("de".into()),
        timezone: Some("UTC".into()),
        tags: vec!["vip".into(), "a\"b".into()],
        attributes: object(odd_json()),
        source: "api".into(),
        opted_in: false,
    }
}

each_database! {
    async fn a_contact_keeps_what_it_is_given(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let bot = bot(&mut tx, &ada, "b").await;
        let made = tx.create_contact(bot, &full(), now()).await.unwrap();
        assert_eq!((ContactFields::from(&made), made.created_at), (full(), now()));
        assert_eq!(tx.contact(ada.id, made.id).await.unwrap(), Some(made.clone()));
        assert_eq!(tx.claim_contact(ada.id, made.id).await.unwrap(), Some(made.clone()));
        assert_eq!(tx.contact(bob.id, made.id).await.unwrap(), None);
        assert_eq!(tx.claim_contact(bob.id, made.id).await.unwrap(), None);
        for address in [Address::Phone("16505551234".into()), Address::Bsuid("US.1".into())] {
            assert_eq!(tx.contact_by_address(bot, &address).await.unwrap(), Some(made.clone()));
        }
        assert_eq!(tx.contact_by_address(bot, &Address::Phone("1".into())).await.unwrap(), None);
        assert_eq!(tx.contacts_by_ids(&[made.id, ContactId(999)]).await.unwrap(), std::slice::from_ref(&made));
        assert!(tx.contacts_by_ids(&[]).await.unwrap().is_empty());
        let less = ContactFields { bsuid: None, name: None, tags: Vec::new(), ..full() };
        assert_eq!(ContactFields::from(&tx.update_contact(made.id, &less, now()).await.unwrap()), less);
        assert!(!tx.delete_contact(bob.id, made.id).await.unwrap());
        assert!(tx.delete_contact(ada.id, made.id).await.unwrap());
    }

    async fn an_agreement_remembers_when_it_changed(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "b").await;
        let made = tx.create_contact(bot, &ContactFields { opted_in: true, ..full() }, now()).await.unwrap();
        assert_eq!((made.opted_in, made.opted_in_changed_at), (true, None));
        let later = now() + chrono::TimeDelta::hours(1);
        let out = tx.update_contact(made.id, &full(), later).await.unwrap();
        assert_eq!((out.opted_in, out.opted_in_changed_at), (false, Some(later)));
        let same = tx.update_contact(made.id, &full(), now() + chrono::TimeDelta::hours(2)).await.unwrap();
        assert_eq!(same.opted_in_changed_at, Some(later));
        assert_eq!(tx.announce_contacts(&[made.id]).await.unwrap(), [made.id]);
        assert!(tx.announce_contacts(&[made.id]).await.unwrap().is_empty(), "once");
    }

    async fn addresses_are_taken_once_per_bot(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let (one, two) = (bot(&mut tx, &ada, "1").await, bot(&mut tx, &ada, "2").await);
        tx.create_contact(one, &full(), now()).await.unwrap();
        tx.create_contact(two, &full(), now()).await.unwrap();
        tx.commit().await.unwrap();
        for again in [ContactFields { bsuid: None, ..full() }, ContactFields { phone: None, ..full() }] {
            let mut tx = db.begin().await.unwrap();
            let error = tx.create_contact(one, &again, now()).await.unwrap_err();
            assert!(matches!(error, Error::Conflict(_)), "{error:?}");
        }
    }

    async fn lists_are_filtered(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let (one, two) = (bot(&mut tx, &ada, "1").await, bot(&mut tx, &ada, "2").await);
        tx.create_contact(one, &full(), now()).await.unwrap();
        let other = ContactFields {
            phone: Some("4915112345".into()),
            name: Some("50% Off_er\\".into()),
            attributes: object(json!({})),
            ..ContactFields::default()
        };
        tx.create_contact(two, &other, now()).await.unwrap();
        let filter = |tag: Option<&str>, q: Option<&str>| ContactFilter {
            bot: None,
            tag: tag.map(str::to_owned),
            q: q.map(str::to_owned),
        };
        for (filter, total) in [
            (ContactFilter::default(), 2),
            (ContactFilter { bot: Some(one), ..ContactFilter::default() }, 1),
            (filter(Some("vip"), None), 1),
            (filter(Some("a\"b"), None), 1),
            (filter(Some("VIP"), None), 0),
            (filter(None, Some("eVE")), 1),
            (filter(None, Some("us.1")), 1),
            (filter(None, Some("1")), 2),
            (filter(None, Some("%")), 1),
            (filter(None, Some("_")), 1),
            (filter(None, Some("\\")), 1),
            (filter(Some("vip"), Some("off")), 0),
        ] {
            assert_eq!(tx.contacts(ada.id, &filter, 10, 0).await.unwrap().total, total, "{filter:?}");
            assert_eq!(tx.contacts(bob.id, &filter, 10, 0).await.unwrap().total, 0);
        }
        let page = tx.contacts(ada.id, &ContactFilter::default(), 1, 1).await.unwrap();
        assert_eq!((page.total, page.items.len(), page.items[0].bot_id), (2, 1, two));
    }

    async fn a_contact_that_several_ask_for_at_once_is_made_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let bot = bot(&mut tx, &ada, "b").await;
        tx.commit().await.unwrap();
        let address = Address::Phone("16505551234".into());
        let ensure = async || {
            let mut tx = db.begin().await.unwrap();
            let contact = tx.ensure_contact(bot, &address, "api", now()).await.unwrap();
            tx.commit().await.unwrap();
            contact.id
        };
        let (a, b, c) = tokio::join!(ensure(), ensure(), ensure());
        assert_eq!((a, a), (b, c));
    }
}
