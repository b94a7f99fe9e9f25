//! What webhooks tell of accounts and numbers.

use chrono::TimeDelta;
use storage::{BotSettings, NewAccountEvent, NumberFacts};
use tests::{Migrated, each_database};

use super::{bot, now, settings, user};

each_database! {
    async fn an_event_is_kept_as_it_came_and_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let (one, two) = (bot(&mut tx, &ada, "1").await, bot(&mut tx, &ada, "2").await);
        // What JSON can say and neither a float nor a tree of moderate depth can hold.
        let payload = format!("{{\"id\":1689556908129832123456,\"x\":[1e999],\"deep\":{}{}}}", "[".repeat(300), "]".repeat(300));
        let event = NewAccountEvent {
            bot_id: one,
            phone_number_id: Some("7".into()),
            waba_id: Some("9".into()),
            field: "account_update".into(),
            payload: payload.clone(),
            digest: Some("d".into()),
            sent_at: Some(now()),
        };
        assert!(tx.insert_account_event(&event, now()).await.unwrap().is_some());
        assert!(tx.insert_account_event(&event, now()).await.unwrap().is_none(), "Meta repeats itself");
        let elsewhere = NewAccountEvent { bot_id: two, ..event.clone() };
        assert!(tx.insert_account_event(&elsewhere, now()).await.unwrap().is_some(), "another bot of the account");
        let other = NewAccountEvent { field: "security".into(), digest: None, sent_at: None, ..event.clone() };
        for _ in 0..2 {
            let later = now() + TimeDelta::seconds(1);
            assert!(tx.insert_account_event(&other, later).await.unwrap().is_some(), "who knows whether it is the same");
        }
        let page = tx.account_events(one, None, 1, 2).await.unwrap();
        assert_eq!((page.total, page.items.len()), (3, 1));
        let first = &page.items[0];
        assert_eq!((first.payload.as_str(), first.sent_at, first.created_at), (payload.as_str(), Some(now()), now()));
        assert_eq!(tx.account_events(one, Some("security"), 10, 0).await.unwrap().total, 2);
    }

    async fn the_bots_of_an_account_say_so_or_have_a_number_of_it(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let number = |number: &str, account: Option<&str>| BotSettings {
            whatsapp_phone_number_id: Some(number.into()),
            whatsapp_business_account_id: account.map(str::to_owned),
            ..settings(number)
        };
        let says = tx.create_bot(ada.id, &number("1", Some("9")), now()).await.unwrap().id;
        let has = tx.create_bot(ada.id, &number("2", None), now()).await.unwrap().id;
        tx.create_bot(ada.id, &number("3", Some("10")), now()).await.unwrap();
        let facts = |waba: Option<&str>, display: Option<&str>| NumberFacts {
            phone_number_id: "2".into(),
            waba_id: waba.map(str::to_owned),
            display_phone_number: display.map(str::to_owned),
        };
        tx.note_number(&facts(Some("9"), None), now()).await.unwrap();
        tx.note_number(&facts(None, Some("15550001111")), now()).await.unwrap();
        assert_eq!(tx.numbers_of_account("9").await.unwrap(), [facts(Some("9"), Some("15550001111"))]);
        let bots: Vec<_> = tx.bots_of_account("9").await.unwrap().into_iter().map(|bot| bot.id).collect();
        assert_eq!(bots, [says, has]);
        assert!(tx.bots_of_account("11").await.unwrap().is_empty());
    }
}
