//! Bots.

use domain::{BotId, UserId};
use storage::{BotSettings, Error};
use tests::{Migrated, each_database};

use super::{bot, flow, now, settings, user};

each_database! {
    async fn a_bot_keeps_what_it_is_given(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let full = BotSettings {
            description: Some("d".into()),
            is_whatsapp_enabled: true,
            whatsapp_phone_number_id: Some("1001".into()),
            whatsapp_business_account_id: Some("2002".into()),
            whatsapp_access_token: Some("v1:a".into()),
            whatsapp_app_secret: Some("v1:b".into()),
            whatsapp_verify_token: Some("v1:c".into()),
            ..settings("b")
        };
        let made = tx.create_bot(ada.id, &full, now()).await.unwrap();
        assert_eq!((made.settings(), made.created_at, made.revision), (full, now(), 1));
        assert_eq!(tx.bot(ada.id, made.id).await.unwrap(), Some(made.clone()));
        let changed = tx.update_bot(made.id, &settings("c"), now()).await.unwrap();
        assert_eq!((changed.settings(), changed.revision), (settings("c"), 2));
    }

    async fn only_the_owner_sees_it(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, bob) = (user(&mut tx, "ada").await, user(&mut tx, "bob").await);
        let id = bot(&mut tx, &ada, "b").await;
        assert!(tx.bot(bob.id, id).await.unwrap().is_none());
        assert!(tx.claim_bot(bob.id, id).await.unwrap().is_none());
        assert!(!tx.delete_bot(bob.id, id).await.unwrap());
        assert_eq!(tx.bots(bob.id, 10, 0).await.unwrap().total, 0);
        assert_eq!(tx.bots(ada.id, 10, 0).await.unwrap().total, 1);
        assert_eq!(tx.revisions(&[id]).await.unwrap(), [(id, 1)]);
        assert_eq!(tx.claim_bot(ada.id, id).await.unwrap().unwrap().revision, 2);
        flow(&mut tx, id, "f").await;
        assert!(tx.delete_bot(ada.id, id).await.unwrap());
        assert_eq!(tx.flows(ada.id, None, 10, 0).await.unwrap().total, 0);
        assert!(tx.bot(ada.id, id).await.unwrap().is_none());
        assert_eq!(tx.deleted_bot().await.unwrap(), Some(id));
        assert!(tx.purge_bot(id, 10).await.unwrap());
        assert_eq!(tx.deleted_bot().await.unwrap(), None);
        let nobodys = tx.create_bot(UserId(999), &settings("b"), now()).await.unwrap_err();
        assert!(matches!(nobodys, Error::Dangling(_)), "{nobodys:?}");
    }

    async fn messages_find_their_bot(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let off = bot(&mut tx, &ada, "no whatsapp").await;
        let numbered = BotSettings {
            is_whatsapp_enabled: true,
            whatsapp_phone_number_id: Some("1001".into()),
            ..settings("numbered")
        };
        let numbered = tx.create_bot(ada.id, &numbered, now()).await.unwrap();
        assert_eq!(tx.default_bot().await.unwrap(), None);
        let mut plain = BotSettings { is_whatsapp_enabled: true, ..settings("plain") };
        let plain_bot = tx.create_bot(ada.id, &plain, now()).await.unwrap();
        let second = tx.create_bot(ada.id, &plain, now()).await.unwrap();
        assert_eq!(tx.default_bot().await.unwrap(), Some(plain_bot.clone()));
        plain.is_active = false;
        tx.update_bot(plain_bot.id, &plain, now()).await.unwrap();
        assert_eq!(tx.default_bot().await.unwrap().unwrap().id, second.id);
        assert_eq!(tx.bot_by_phone_number("1001").await.unwrap().unwrap().id, numbered.id);
        assert_eq!(tx.bot_by_phone_number("1002").await.unwrap(), None);
        let mut found: Vec<_> =
            tx.bot_runtimes(&[second.id, off, BotId(999)]).await.unwrap().into_iter().map(|bot| bot.id).collect();
        found.sort();
        assert_eq!(found, [off, second.id]);
        assert!(tx.bot_runtimes(&[]).await.unwrap().is_empty() && tx.revisions(&[]).await.unwrap().is_empty());
    }

    async fn a_number_belongs_to_one_bot(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let numbered = BotSettings { whatsapp_phone_number_id: Some("1001".into()), ..settings("b") };
        tx.create_bot(ada.id, &numbered, now()).await.unwrap();
        let error = tx.create_bot(ada.id, &numbered, now()).await.unwrap_err();
        assert!(matches!(&error, Error::Conflict(which) if which.contains("whatsapp_phone_number_id")), "{error:?}");
    }
}
