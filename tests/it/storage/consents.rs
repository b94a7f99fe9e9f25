//! What contacts agree to, and their customer service windows.

use chrono::TimeDelta;
use domain::{BotId, ConsentSource, Contact, ContactId, DeliveryStatus, Time, Window};
use serde_json::{Value, json};
use storage::{BotSettings, ContactFields, NewConsent, NewMessageTemplate, NewOutbound, Sighting, Tx, User};
use tests::{Migrated, each_database};

use super::{bot, now, settings, user};

fn at(minutes: i64) -> Time {
    now() + TimeDelta::minutes(minutes)
}

async fn contact(tx: &mut Tx) -> (User, Contact) {
    let ada = user(tx, "ada").await;
    let bot = bot(tx, &ada, "b").await;
    let fields = ContactFields { phone: Some("16505551234".into()), source: "api".into(), ..ContactFields::default() };
    let contact = tx.create_contact(bot, &fields, now()).await.unwrap();
    (ada, contact)
}

fn says(contact_id: ContactId, opted_in: bool, source: ConsentSource, at: Time) -> NewConsent {
    NewConsent { contact_id, opted_in, source, detail: Some("x".repeat(300)), at }
}

fn sighting(bot_id: BotId, at: Time, opens_window: bool) -> Sighting {
    Sighting {
        bot_id,
        phone: Some("16505551234".into()),
        bsuid: None,
        username: None,
        name: None,
        at,
        announces: true,
        opens_window,
    }
}

fn outbound(bot_id: BotId, contact_id: ContactId, fallback: Option<Value>) -> NewOutbound {
    NewOutbound {
        bot_id,
        contact_id,
        execution_id: None,
        node: Some(4),
        turn: 2,
        phone_number_id: "1".into(),
        kind: "text".into(),
        content: json!({ "body": "hi" }),
        text: Some("hi".into()),
        fallback,
        status: DeliveryStatus::Queued,
        error: None,
    }
}

each_database! {
    async fn a_change_is_one_whoever_repeats_it(db: Migrated) {
        use ConsentSource::{Api, Keyword, MetaError, UserPreferences};
        let mut tx = db.begin().await.unwrap();
        let (ada, contact) = contact(&mut tx).await;
        let id = contact.id;
        for (said, is_change) in [
            (says(id, true, Keyword, at(1)), false),
            (says(id, false, UserPreferences, at(10)), true),
            (says(id, false, UserPreferences, at(10)), false),
            (says(id, true, Keyword, at(20)), true),
            // Told late, and overtaken by what was said since.
            (says(id, false, UserPreferences, at(10)), false),
            (says(id, false, Keyword, at(19)), false),
            (says(id, false, MetaError, at(15)), true),
            (says(id, true, Api, at(12)), true),
        ] {
            assert_eq!(tx.change_consent(&said, now()).await.unwrap(), is_change, "{said:?}");
        }
        let history = tx.consents(ada.id, id, 10, 0).await.unwrap();
        let told: Vec<_> = history.items.iter().map(|c| (c.opted_in, c.source(), c.at)).collect();
        let expected = [(true, Api, at(12)), (false, MetaError, at(15)), (true, Keyword, at(20)), (false, UserPreferences, at(10))];
        assert_eq!((history.total, told.as_slice()), (4, expected.as_slice()));
        assert_eq!(history.items[0].detail.as_ref().map(String::len), Some(200));
        let page = tx.consents(ada.id, id, 1, 3).await.unwrap();
        assert_eq!((page.total, page.items[0].source()), (4, UserPreferences));
        let stored = tx.contact(ada.id, id).await.unwrap().unwrap();
        assert_eq!((stored.opted_in, stored.opted_in_source, stored.opted_in_changed_at), (true, Some(Api), Some(at(12))));
        assert!(!tx.change_consent(&says(ContactId(999), false, Api, now()), now()).await.unwrap());
        let bob = user(&mut tx, "bob").await;
        assert_eq!(tx.consents(bob.id, id, 10, 0).await.unwrap().total, 0);
    }

    async fn two_who_say_it_at_once_make_one_change(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, contact) = contact(&mut tx).await;
        tx.commit().await.unwrap();
        let say = async || {
            let mut tx = db.begin().await.unwrap();
            let changed = tx.change_consent(&says(contact.id, false, ConsentSource::Api, now()), now()).await.unwrap();
            tx.commit().await.unwrap();
            usize::from(changed)
        };
        let (a, b, c) = tokio::join!(say(), say(), say());
        assert_eq!(a + b + c, 1);
        assert_eq!(db.read().await.unwrap().consents(ada.id, contact.id, 10, 0).await.unwrap().total, 1);
    }

    async fn what_is_set_by_api_is_in_the_history(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, contact) = contact(&mut tx).await;
        let fields = ContactFields { opted_in: false, ..ContactFields::from(&contact) };
        let changed = tx.update_contact(contact.id, &fields, at(5)).await.unwrap();
        assert_eq!((changed.opted_in, changed.opted_in_changed_at), (false, Some(at(5))));
        tx.update_contact(contact.id, &fields, at(6)).await.unwrap();
        assert_eq!(tx.consents(ada.id, contact.id, 10, 0).await.unwrap().total, 1);
        let born = ContactFields { phone: Some("16505550000".into()), ..fields };
        let born = tx.create_contact(contact.bot_id, &born, at(7)).await.unwrap();
        assert_eq!(tx.consents(ada.id, born.id, 10, 0).await.unwrap().total, 1);
    }

    async fn the_window_follows_metas_times(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, contact) = contact(&mut tx).await;
        let (id, bot_id) = (contact.id, contact.bot_id);
        let window = async |tx: &mut Tx, at: Time| tx.window(id, at).await.unwrap().unwrap().0;
        assert_eq!(window(&mut tx, now()).await, Window::Unknown);
        // A notice of the system opens nothing; a message does, from when it was written, in whatever order they come.
        tx.see_contacts(&[sighting(bot_id, at(50), false)], at(60)).await.unwrap();
        assert_eq!(window(&mut tx, at(60)).await, Window::Unknown);
        tx.see_contacts(&[sighting(bot_id, at(30), true)], at(60)).await.unwrap();
        tx.see_contacts(&[sighting(bot_id, at(10), true)], at(60)).await.unwrap();
        tx.see_contacts(&[sighting(bot_id, at(40), false)], at(60)).await.unwrap();
        assert_eq!(window(&mut tx, at(60)).await, Window::Open { until: at(30) + Window::LENGTH });
        assert_eq!(window(&mut tx, at(30 + 24 * 60)).await, Window::Closed { since: at(30) + Window::LENGTH });
        assert_eq!(tx.window(ContactId(999), now()).await.unwrap(), None);
        let late = Sighting { phone: Some("16505559999".into()), ..sighting(bot_id, at(1), false) };
        let new = tx.see_contacts(&[late], at(60)).await.unwrap().contacts[0].id;
        assert_eq!(tx.window(new, at(60)).await.unwrap(), Some((Window::Unknown, true)));
    }

    async fn metas_refusal_closes_it_until_the_contact_writes(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, contact) = contact(&mut tx).await;
        let (id, bot_id) = (contact.id, contact.bot_id);
        let window = async |tx: &mut Tx, at: Time| tx.window(id, at).await.unwrap().unwrap().0;
        tx.close_window(id, at(10)).await.unwrap();
        tx.close_window(id, at(11)).await.unwrap();
        assert_eq!(window(&mut tx, at(12)).await, Window::Closed { since: at(10) });
        assert_eq!(tx.contact(ada.id, id).await.unwrap().unwrap().window_closed_at, Some(at(10)));
        tx.see_contacts(&[sighting(bot_id, at(13), false)], at(13)).await.unwrap();
        assert_eq!(window(&mut tx, at(13)).await, Window::Closed { since: at(10) });
        tx.see_contacts(&[sighting(bot_id, at(20), true)], at(20)).await.unwrap();
        assert!(matches!(window(&mut tx, at(20)).await, Window::Open { .. }));
        // A message that has just come in crossed the refusal.
        tx.close_window(id, at(21)).await.unwrap();
        assert!(matches!(window(&mut tx, at(21)).await, Window::Open { .. }));
        tx.close_window(id, at(30)).await.unwrap();
        assert!(matches!(window(&mut tx, at(30)).await, Window::Closed { .. }));
        // An old message that comes late opens nothing.
        tx.see_contacts(&[sighting(bot_id, at(15), true)], at(31)).await.unwrap();
        assert!(matches!(window(&mut tx, at(31)).await, Window::Closed { .. }));
    }

    async fn another_number_knows_nothing_of_what_was_written_before(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (ada, contact) = contact(&mut tx).await;
        let bot_id = contact.bot_id;
        tx.see_contacts(&[sighting(bot_id, at(1), true)], at(1)).await.unwrap();
        let number = |id: &str| BotSettings { whatsapp_phone_number_id: Some(id.into()), ..settings("b") };
        // The first number is no change.
        assert_eq!(tx.update_bot(bot_id, &number("1001"), at(5)).await.unwrap().number_changed_at, None);
        let same = BotSettings { description: Some("d".into()), ..number("1001") };
        assert_eq!(tx.update_bot(bot_id, &same, at(6)).await.unwrap().number_changed_at, None);
        assert!(tx.number_changes(&[bot_id]).await.unwrap().is_empty());
        assert!(matches!(tx.window(contact.id, at(6)).await.unwrap(), Some((Window::Open { .. }, true))));
        assert_eq!(tx.update_bot(bot_id, &number("1002"), at(10)).await.unwrap().number_changed_at, Some(at(10)));
        assert_eq!(tx.update_bot(bot_id, &number("1002"), at(20)).await.unwrap().number_changed_at, Some(at(10)));
        assert_eq!(tx.number_changes(&[bot_id]).await.unwrap(), [(bot_id, at(10))].into());
        assert_eq!(tx.window(contact.id, at(30)).await.unwrap(), Some((Window::Unknown, true)));
        assert_eq!(tx.update_bot(bot_id, &settings("b"), at(40)).await.unwrap().number_changed_at, Some(at(40)));
        assert_eq!(tx.update_bot(bot_id, &number("1002"), at(50)).await.unwrap().number_changed_at, Some(at(40)));
        let stored = tx.contact(ada.id, contact.id).await.unwrap().unwrap();
        assert_eq!(stored.window(Some(at(40)), at(50)), Window::Unknown);
    }

    async fn a_template_that_stands_in_is_given_out_once(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, contact) = contact(&mut tx).await;
        let template = json!({ "name": "hello", "language": { "code": "en" } });
        let rows = [outbound(contact.bot_id, contact.id, Some(template.clone())), outbound(contact.bot_id, contact.id, None)];
        let ids = tx.insert_outbound(&rows, now()).await.unwrap();
        let taken = tx.take_fallback(ids[0]).await.unwrap().unwrap();
        assert_eq!((taken.kind.as_str(), &taken.content, taken.status), ("template", &template, DeliveryStatus::Queued));
        assert_eq!((taken.node, taken.turn, taken.fallback), (Some(4), 2, None));
        assert!(tx.take_fallback(ids[0]).await.unwrap().is_none());
        assert!(tx.take_fallback(ids[1]).await.unwrap().is_none());
    }

    async fn marketing_is_known_by_name_and_language_and_caches_hear_of_it(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let (_, contact) = contact(&mut tx).await;
        let bot = contact.bot_id;
        let template = |name: &str, language: &str, category: &str| NewMessageTemplate {
            meta_id: "7".into(),
            name: name.into(),
            language: language.into(),
            category: category.into(),
            status: "APPROVED".into(),
            reason: None,
            quality: None,
            is_named: false,
            components: json!([]),
        };
        assert!(!tx.is_marketing(bot, "sale", "en").await.unwrap());
        let list = [template("sale", "en", "MARKETING"), template("sale", "de", "UTILITY"), template("bill", "en", "UTILITY")];
        tx.replace_message_templates(bot, "W", &list, now(), now()).await.unwrap();
        assert_eq!(tx.marketing_templates(bot).await.unwrap(), [("sale".to_owned(), "en".to_owned())]);
        for (name, language, is_marketing) in [("sale", "en", true), ("sale", "de", false), ("bill", "en", false), ("x", "en", false)] {
            assert_eq!(tx.is_marketing(bot, name, language).await.unwrap(), is_marketing, "{name} {language}");
        }
        assert_eq!(tx.revisions(&[bot]).await.unwrap(), [(bot, 2)]);
        tx.replace_message_templates(bot, "W", &list, now(), now()).await.unwrap();
        assert_eq!(tx.revisions(&[bot]).await.unwrap(), [(bot, 2)], "nothing has changed");
    }

    async fn a_bot_keeps_its_words_and_manners(db: Migrated) {
        let mut tx = db.begin().await.unwrap();
        let ada = user(&mut tx, "ada").await;
        let full = BotSettings {
            stop_words: Some([("de".to_owned(), vec!["Schluß".to_owned()])].into()),
            start_words: Some(storage::WordLists::new()),
            opt_out_reply: Some("bye".into()),
            opt_in_reply: Some("hi".into()),
            mark_as_read: true,
            typing_indicator: true,
            ..settings("b")
        };
        let made = tx.create_bot(ada.id, &full, now()).await.unwrap();
        assert_eq!(made.settings(), full);
        assert_eq!(tx.update_bot(made.id, &settings("c"), now()).await.unwrap().settings(), settings("c"));
        assert_eq!(tx.update_bot(made.id, &full, now()).await.unwrap().settings(), full);
    }
}
